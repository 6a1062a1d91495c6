"""Files in, Documents and a report of every file out.

Suffixes and their readers are in `SUFFIXES`; text in a file with any other suffix, or none, is read as well.
"""

from __future__ import annotations

from longctx.documents.base import READER_VERSION, Limits
from longctx.documents.formats import SUFFIXES
from longctx.documents.read import locate, read_file, read_folder

__all__ = ["READER_VERSION", "SUFFIXES", "Limits", "locate", "read_file", "read_folder"]
