"""Facts that stand in documents already: found, asked about, and edited in place."""

from __future__ import annotations

from longctx.mining.edits import edit
from longctx.mining.facts import KINDS, MinedFact
from longctx.mining.finding import mine
from longctx.mining.table import COLUMNS, read_csv, to_csv

__all__ = ["COLUMNS", "KINDS", "MinedFact", "edit", "mine", "read_csv", "to_csv"]
