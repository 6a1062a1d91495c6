"""One offline page of a run, or of runs compared. Whatever models and documents wrote is text on it, nothing else."""

from longctx.report.comparison import write as write_comparison
from longctx.report.page import write

__all__ = ["write", "write_comparison"]
