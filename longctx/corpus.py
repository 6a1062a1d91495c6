"""Documents as one long run of token ids with cut points, memory-mapped and cached by content."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longctx import corpus_cache, sources
from longctx.corpus_cache import Stretch
from longctx.errors import CorpusError, unknown
from longctx.grams import Grams
from longctx.mixes import parse_mix
from longctx.seams import Seams
from longctx.sources import Progress, Source
from longctx.tokens import Offsets, Tokenizer
from longctx.types import FileReport, Ids, Place
from longctx.voice import Voice

_CHARS_PER_TOKEN = 6  # more than any tokenizer gives on running text: how much a maker makes
_FIRST_TIER = 1 << 19  # characters; further tiers are four times as large each
_REMEMBERED = 1 << 14  # words whose occurrence is remembered at most


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a corpus with a voice of its own; the whole corpus where it is not mixed."""

    name: str  # of the corpus that it is taken from
    share: float  # of a haystack's filler, 0-1
    first: int  # index of the cut before it
    last: int  # index of the cut behind it
    voice: Voice


class Corpus:
    """An encoded corpus (a `seams.Store`).

    Attributes:
        name: of the source.
        hash: SHA-256 (hex) over paths and texts of its documents and the rules by which they are cut.
        voice: how it states facts.
        language: two-letter code.
        source: where the documents are from.
        repeat: True where passages may recur in a haystack that is longer than the corpus.
        mixed: True where it is put together from several corpora.
        sections: its parts.
        files: what became of every file.
        defused: strings in the documents that would have become control tokens.
        text: (bytes,) UTF-8 of all documents with a blank line between them.
        ids: (n,) tokens of the whole text.
        starts: (n,) byte offset of each.
        cut_end, cut_begin, cut_rank: (k,) cut points in bytes, see `cuts.Cuts`. The first ends at 0 and the last
            begins at the end of the text.
    """

    mixed = False
    _seams: Seams | None = None

    def __init__(self, folder: Path, source: Source, voice: Voice, meta: dict[str, Any], repeat: bool = False) -> None:
        self.name = source.name
        self.repeat = repeat
        self.source = source
        self.voice = voice
        self.hash: str = meta["hash"]
        self.language: str = meta["language"]
        self.defused: int = meta["defused"]
        self.files = [FileReport(**file) for file in meta["files"]]
        self.documents = [Stretch(**{**stretch, "pages": tuple(stretch["pages"])}) for stretch in meta["documents"]]
        self.text: npt.NDArray[np.uint8] = _map(folder / "text.npy")
        self.ids: Ids = _map(folder / "ids.npy")
        self.starts: Offsets = _map(folder / "starts.npy")
        cuts = np.load(folder / "cuts.npy")
        self.cut_end, self.cut_begin, self.cut_rank = cuts[0], cuts[1], cuts[2].astype(np.uint8)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Parts with voices of their own: here one."""
        return (Section(self.name, 1.0, 0, len(self.cut_rank) - 1, self.voice),)

    def section_at(self, cut: int) -> Section:
        """The section that holds what begins at a cut."""
        return next(section for section in self.sections if section.first <= cut < section.last)

    def seams(self, tokenizer: Tokenizer) -> Seams:
        """What puts slices of it together: one for all samples, as samples of a sweep share seams.

        Args:
            tokenizer: the one that it was encoded by.
        """
        if self._seams is None or self._seams.tokenizer is not tokenizer:
            self._seams = Seams(self, tokenizer)
        return self._seams

    @property
    def tokens(self) -> int:
        """Tokens of the whole text."""
        return len(self.ids)

    @cached_property
    def cut_token(self) -> Offsets:
        """(k,) number of tokens that begin before each cut's `begin`."""
        tokens: Offsets = np.searchsorted(self.starts, self.cut_begin).astype(np.int64)
        return tokens

    @cached_property
    def document_cuts(self) -> npt.NDArray[np.int64]:
        """(d,) index of the cut with which each document begins."""
        begins = np.array(self._begins, np.int64)
        return np.searchsorted(self.cut_begin, begins)

    def title_at(self, cut: int) -> str:
        """How the corpus shows that the text from a cut on is of another document, or of another page."""
        place = self.locate(int(self.cut_begin[cut]))
        page = f", page {place.page}" if place.page else ""
        return self.section_at(cut).voice.title.format(file=place.file + page)

    @cached_property
    def folded(self) -> str:
        """The whole text in lower case: what it does not hold, no haystack's filler does."""
        return self.text.tobytes().decode("utf-8").casefold()

    def holds(self, folded: str) -> bool:
        """Does `folded`, which must be in lower case, stand anywhere in the text?

        Answers are remembered: a sweep asks about the same facts at every length, depth and density.
        """
        if len(self._held) > _REMEMBERED:
            self._held.clear()
        if folded not in self._held:
            self._held[folded] = self._grams.may_hold(folded.encode()) and folded in self.folded
        return self._held[folded]

    @cached_property
    def _held(self) -> dict[str, bool]:
        return {}

    @cached_property
    def _grams(self) -> Grams:
        return Grams(np.frombuffer(self.folded.encode(), np.uint8))

    @cached_property
    def _lines(self) -> npt.NDArray[np.int64]:
        """(lines,) byte of every line break."""
        return np.flatnonzero(self.text == ord("\n"))

    @cached_property
    def _begins(self) -> list[int]:
        return [stretch.begin for stretch in self.documents]

    def stretch_at(self, offset: int) -> Stretch:
        """Document that holds byte `offset`."""
        return self.documents[max(0, bisect.bisect_right(self._begins, offset) - 1)]

    def locate(self, offset: int) -> Place:
        """File and page (or line) of byte `offset`."""
        stretch = self.stretch_at(offset)
        if stretch.pages:
            return Place(stretch.path, page=max(1, bisect.bisect_right(stretch.pages, offset)))
        before, at = self._lines.searchsorted((stretch.begin, offset)).tolist()
        return Place(stretch.path, line=1 + at - before)

    def format_of(self, path: str) -> str:
        """Format of a document; empty for a path that is not there."""
        return next((stretch.format for stretch in self.documents if stretch.path == path), "")

    def tokens_of(self, stretch: Stretch) -> int:
        """Tokens of one document."""
        first, last = np.searchsorted(self.starts, (stretch.begin, stretch.end))
        return int(last - first)

    def describe(self) -> dict[str, Any]:
        """What a run records about the corpus: JSON values."""
        tokens = {stretch.path: self.tokens_of(stretch) for stretch in self.documents}
        return {
            "hash": self.hash,
            "tokens": self.tokens,
            "documents": len(self.documents),
            "language": self.language,
            "voice": self.voice.name,
            "title": self.source.title,
            "licence": self.source.licence,
            "source": self.source.origin,
            "defused": self.defused,
            "files": [{**asdict(file), "tokens": tokens.get(file.path, 0)} for file in self.files],
        }


def _map(path: Path) -> npt.NDArray[Any]:
    # A plain array over the map: slices of numpy's own memmap class cost several times as much.
    array: npt.NDArray[Any] = np.asarray(np.load(path, mmap_mode="r"))
    return array


class Corpora:
    """Opens corpora for one tokenizer, each once."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        extra: Iterable[Path] = (),
        voice: str = "",
        repeat: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Remember what to open corpora with.

        Args:
            tokenizer: the model's.
            extra: further folders of corpora.
            voice: name of a voice to use in place of the corpora's own.
            repeat: let passages recur where a corpus is too small.
            progress: called while documents are read and encoded.
        """
        self.tokenizer = tokenizer
        self.extra = tuple(extra)
        self.voice = voice
        self.repeat = repeat
        self.progress = progress
        self._open: dict[tuple[str, int], Corpus] = {}
        self._mixed: dict[tuple[str, int], Corpus] = {}

    def get(self, name: str, length: int) -> Corpus:
        """The corpus to build samples of `length` tokens from.

        A synthetic corpus has as many documents as the length needs, in tiers, so that a sample depends on its own
        length and not on what else a sweep asks for. A mix such as ``contracts=0.5+code=0.5`` is put together.

        Raises:
            CorpusError: unknown, or nothing readable in it.
            UsageError: a mix that cannot be.
        """
        from longctx.mixed import MixedCorpus  # which is a corpus itself

        if shares := parse_mix(name):
            if (name, length) not in self._mixed:
                parts = [self.get(part, length) for part in shares]
                voices = find_voices(self.extra)
                around = voices[self.voice] if self.voice else voices.get(f"neutral-{parts[0].language}")
                self._mixed[name, length] = MixedCorpus(shares, parts, around or voices["neutral-en"], self.repeat)
            return self._mixed[name, length]
        source = sources.find_source(name, self.extra)
        chars = _FIRST_TIER if source.grows else 0
        while source.grows and chars < _CHARS_PER_TOKEN * length:
            chars *= 4
        while True:
            corpus = self._tier(name, source, chars)
            if not source.grows or corpus.tokens >= length or len(corpus.text) < chars:
                return corpus
            chars *= 4

    def _tier(self, name: str, source: Source, chars: int) -> Corpus:
        if (name, chars) not in self._open:
            folder, meta = corpus_cache.cached(source, chars, self.tokenizer, self.progress)
            voice = find_voice(source, meta, self.voice, self.extra)
            self._open[name, chars] = Corpus(folder, source, voice, meta, self.repeat)
        return self._open[name, chars]


def find_voice(source: Source, meta: dict[str, Any], wanted: str = "", extra: Iterable[Path] = ()) -> Voice:
    """The voice for a corpus: the wanted one, its own, the one it borrows, or a neutral one in its language.

    Raises:
        CorpusError: a voice that is not there.
    """
    if not wanted and source.voice:
        return source.voice
    voices = find_voices(extra)
    name = wanted or source.voice_name
    if name:
        if name not in voices:
            raise CorpusError(unknown("voice", name, voices))
        return voices[name]
    if meta["code"]:
        return voices["code"]
    return voices.get(f"neutral-{meta['language']}") or voices["neutral-en"]


def find_voices(extra: Iterable[Path] = ()) -> dict[str, Voice]:
    """Corpus name → voice, of those that have one."""
    return {name: found.voice for name, found in sources.find_sources(extra).items() if found.voice}
