"""Files in, Documents and a report of every file out.

`SUFFIXES` lists the suffixes and their formats; a text file of any other suffix, or none, is read as well, and
content decides where it disagrees with the suffix. Not read, with one report each: links (what they lead to inside
the folder is read in its own place), hidden files and folders, installed packages (``node_modules``), virtual
environments, compiled code, pipes, sockets and devices.
"""

from __future__ import annotations

from longctx.documents.base import READER_VERSION, Limits
from longctx.documents.formats import SUFFIXES
from longctx.documents.read import locate, read_file, read_folder

__all__ = ["READER_VERSION", "SUFFIXES", "Limits", "locate", "read_file", "read_folder"]
