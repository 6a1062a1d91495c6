"""Several corpora as one, each with its share of every haystack."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from longctx.corpus import Corpus, Section
from longctx.mixes import mix_name
from longctx.sources import Source
from longctx.voice import Voice


class MixedCorpus(Corpus):
    """Corpora side by side in memory: documents, tokens and cut points of all, each a section with its own voice."""

    mixed = True

    def __init__(self, shares: Mapping[str, float], corpora: Sequence[Corpus], voice: Voice, repeat: bool) -> None:
        """Put corpora beside each other.

        Args:
            shares: name → share of a haystack; they add up to 1.
            corpora: of those names, in that order.
            voice: gives the words around a question; each part's own voice gives its needles.
            repeat: let passages recur where a part is too small.
        """
        self.name = mix_name(shares)
        self.repeat, self.voice = repeat, voice
        described = [[corpus.hash, share] for corpus, share in zip(corpora, shares.values(), strict=True)]
        self.hash = hashlib.sha256(json.dumps(described).encode()).hexdigest()
        self.language = max(zip(shares.values(), (c.language for c in corpora), strict=True))[1]
        self.source = Source(self.name, Path(), title=self.name, origin="mixed from the corpora named")
        self.defused = sum(corpus.defused for corpus in corpora)
        names = [name for name, _ in zip(shares, corpora, strict=True)]
        prefixes = [f"{Path(name).name or name}/" for name in names]
        self.files = [
            replace(file, path=prefix + file.path)
            for prefix, c in zip(prefixes, corpora, strict=True)
            for file in c.files
        ]
        bases = np.cumsum([0, *(len(corpus.text) for corpus in corpora)]).tolist()
        self.documents = [
            replace(
                stretch,
                path=prefix + stretch.path,
                begin=stretch.begin + base,
                end=stretch.end + base,
                pages=tuple(page + base for page in stretch.pages),
            )
            for prefix, corpus, base in zip(prefixes, corpora, bases, strict=False)
            for stretch in corpus.documents
        ]
        self.text = np.concatenate([corpus.text for corpus in corpora])
        self.ids = np.concatenate([corpus.ids for corpus in corpora])
        parts = list(zip(corpora, bases, strict=False))
        self.starts = np.concatenate([corpus.starts + base for corpus, base in parts])
        self.cut_end = np.concatenate([corpus.cut_end + base for corpus, base in parts])
        self.cut_begin = np.concatenate([corpus.cut_begin + base for corpus, base in parts])
        self.cut_rank = np.concatenate([corpus.cut_rank for corpus in corpora])
        firsts = np.cumsum([0, *(len(corpus.cut_rank) for corpus in corpora)]).tolist()
        self._sections = tuple(
            Section(name, share, first, first + len(corpus.cut_rank) - 1, corpus.voice)
            for (name, share), corpus, first in zip(shares.items(), corpora, firsts, strict=False)
        )

    @property
    def sections(self) -> tuple[Section, ...]:
        """One for each corpus."""
        return self._sections

    def describe(self) -> dict[str, Any]:
        """What a run records about the corpus: JSON values."""
        return {**super().describe(), "mix": {section.name: section.share for section in self.sections}}
