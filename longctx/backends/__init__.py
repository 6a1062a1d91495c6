"""Everything that answers samples, behind one seam."""
