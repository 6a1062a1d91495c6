"""Where a corpus's documents come from: a folder, a synthetic maker, or the interpreter's own standard library."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from longctx.content import cache_folder, folders
from longctx.errors import CorpusError, unknown
from longctx.types import Document, FileReport
from longctx.voice import Voice, parse_voice

Progress = Callable[[str, int, int], None]  # what is being done, done, total
_FIELDS = {"name", "title", "source", "licence", "language", "maker", "maker_seed", "python_stdlib", "voice"}
_NO_DOCUMENTS = {"corpus.toml"}


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus before it is read."""

    name: str
    folder: Path  # of the corpus.toml, or the bare folder itself
    title: str = ""
    origin: str = ""  # where the documents are from
    licence: str = ""
    language: str = ""  # two-letter code; empty: found out from the text
    maker: str = ""  # name of a synthetic maker
    maker_seed: int = 0
    python_stdlib: bool = False
    voice: Voice | None = None  # its own
    voice_name: str = ""  # another corpus's voice that it borrows

    @property
    def grows(self) -> bool:
        """True where there are as many documents as are asked for."""
        return bool(self.maker) or self.python_stdlib


@dataclass(frozen=True, slots=True)
class Reading:
    """Documents of a source."""

    documents: list[Document]
    files: list[FileReport] = field(default_factory=list)


def find_sources(extra: Iterable[Path] = ()) -> dict[str, Source]:
    """All corpora that have a ``corpus.toml``, by name.

    Raises:
        CorpusError: a TOML that cannot be, or a name that two of them have.
    """
    found: dict[str, Source] = {}
    for root in folders("corpora", extra):
        for path in sorted(root.glob("*/corpus.toml")):
            source = read_source(path)
            if source.name in found:
                raise CorpusError(
                    f"Two corpora are called {source.name!r}: {found[source.name].folder} and {path.parent}."
                )
            found[source.name] = source
    return found


def read_source(path: Path) -> Source:
    """Read one ``corpus.toml``.

    Raises:
        CorpusError: not TOML, or a field that is unknown or cannot be.
    """
    try:
        return _parsed(path, path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: {error}") from None


@lru_cache(maxsize=64)  # each corpus that is opened looks through all of them
def _parsed(path: Path, text: str) -> Source:
    table = tomllib.loads(text)
    for name in table:
        if name not in _FIELDS:
            raise CorpusError(f"{path}: " + unknown("field", name, _FIELDS))
    name = table.get("name", path.parent.name)
    language = table.get("language", "")
    voice = table.get("voice")
    own = parse_voice(voice, name, language or "en", str(path)) if isinstance(voice, Mapping) else None
    return Source(
        name=name,
        folder=path.parent,
        title=table.get("title", name),
        origin=table.get("source", ""),
        licence=table.get("licence", ""),
        language=language,
        maker=table.get("maker", ""),
        maker_seed=int(table.get("maker_seed", 0)),
        python_stdlib=bool(table.get("python_stdlib", False)),
        voice=own,
        voice_name=voice if isinstance(voice, str) else "",
    )


def find_source(name: str, extra: Iterable[Path] = ()) -> Source:
    """A source by corpus name, or a folder (or single file) of documents by path.

    Raises:
        CorpusError: neither a known corpus nor something on disk.
    """
    sources = find_sources(extra)
    if name in sources:
        source = sources[name]
        if not source.grows and not any(_documents_beside(source.folder)):
            raise CorpusError(f"Corpus {name!r} has a voice but no documents; name a folder, with `--voice {name}`.")
        return source
    path = Path(name).expanduser()
    if (path / "corpus.toml").is_file():
        return read_source(path / "corpus.toml")
    if path.exists():
        return Source(name=path.resolve().name, folder=path.resolve(), title=path.name, origin="documents of the user")
    readable = [key for key, source in sources.items() if source.grows or any(_documents_beside(source.folder))]
    raise CorpusError(
        f"{unknown('corpus', name, readable)} A path to a folder of documents works too; there is none at {path}."
    )


def _documents_beside(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.name not in _NO_DOCUMENTS and not path.name.startswith("."))


def fingerprint(source: Source, chars: int) -> str:
    """What the documents of a source that grows depend on, without making them."""
    if source.maker:
        code = hashlib.sha256()
        for root in folders("generators"):
            for path in sorted((root / "synthetic").rglob("*")):
                if path.suffix in (".py", ".toml"):
                    code.update(path.read_bytes())
        return f"maker {source.maker} {source.maker_seed} {chars} {code.hexdigest()}"
    return f"stdlib {sys.version} {chars}"


def read(source: Source, chars: int, progress: Progress | None = None) -> Reading:
    """Read a source's documents; one that grows gives at least `chars` characters if it can.

    Raises:
        DocumentError: a folder with nothing readable in it.
        CorpusError: a maker that is not there.
    """
    if source.maker:
        return _make(source, chars, progress)
    if source.python_stdlib:
        return _stdlib(chars)
    from longctx.documents import read_folder

    def report(done: int, total: int, path: str) -> None:
        if progress:
            progress("reading", done, total)

    documents, files = read_folder(source.folder, cache=cache_folder("documents"), progress=report)
    kept = [document for document in documents if document.path not in _NO_DOCUMENTS]
    return Reading(kept, [file for file in files if file.path not in _NO_DOCUMENTS])


def _make(source: Source, chars: int, progress: Progress | None) -> Reading:
    from longctx.tasks import load_maker

    make: Callable[[int, int], Document] = load_maker(source.maker)
    documents: list[Document] = []
    made = 0
    while made < chars:
        document = make(len(documents), source.maker_seed)
        documents.append(document)
        made += len(document.text)
        if progress:
            progress("making", min(made, chars), chars)
    return Reading(documents, _reports(documents))


def _reports(documents: Iterable[Document]) -> list[FileReport]:
    return [FileReport(d.path, "read", "", d.format, len(d.text)) for d in documents]


def _stdlib(chars: int) -> Reading:
    """Modules of the running interpreter's standard library, in an order that does not follow the alphabet."""
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = {
        "site-packages",
        "dist-packages",
        "test",
        "tests",
        "idlelib",
        "pydoc_data",  # one dictionary of prose
        "lib2to3",
        "turtledemo",
        "ensurepip",
        "__pycache__",
    }
    paths = [
        path
        for path in root.rglob("*.py")
        if not skipped & set(path.relative_to(root).parts) and not path.name.startswith("_sysconfigdata")
    ]
    paths.sort(key=lambda path: hashlib.sha256(path.relative_to(root).as_posix().encode()).digest())
    documents: list[Document] = []
    read_chars = 0
    for path in paths:
        if read_chars >= chars:
            break
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) > 500:
            documents.append(Document(path.relative_to(root).as_posix(), text, "code"))
            read_chars += len(text)
    return Reading(documents, _reports(documents))
