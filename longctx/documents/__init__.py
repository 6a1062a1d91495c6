"""Files in, Documents and a report of every file out."""
