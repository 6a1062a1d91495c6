"""Code bases: Python projects of small trades, with records, parsers, rules, services, tests and a README.

Each project is about one trade and keeps three kinds of record. The code stands as templates in
``text/codebases-*.toml``, the trades in ``text/codebases-domains.toml``. Files of a project follow one another so that
a module comes after those that it imports: cut off anywhere, what is there still imports within itself. No two
projects of a seed have a package or a record in common, and every paragraph names one of the two, which is why none
comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from longctx.types import Document

from ._code import constants, defined, fill, import_line, joined, module
from ._code_names import Names, domain_of, project_names, record_names
from ._dice import Dice
from ._grammar import texts
from ._prose import paragraphs, table

FORMAT = "code"

FILES = 26
"""Documents of one project; those of project number k are k·FILES to (k + 1)·FILES - 1."""

_RECORDS = 3
_PARSERS = ("csv", "fixed", "feed")
_RULES = ("tariff", "checks", "calendar", "shares", "interest", "figures")
_SERVICES = ("store", "workflow", "report", "queue", "matching", "planning")


def make(index: int, seed: int) -> Document:
    """File number ``index`` of the seed: the same bytes whenever and wherever it is made."""
    return _files(index // FILES, seed)[index % FILES]


@lru_cache(maxsize=4)
def _files(number: int, seed: int) -> tuple[Document, ...]:
    return tuple(_Project(number, seed).documents())


class _Project:
    """One project in the making: which modules it has, and which of them defines what."""

    def __init__(self, number: int, seed: int) -> None:
        self.dice = dice = Dice(f"codebases:{seed}:{number}")
        domain = domain_of(number)
        self.names = project_names(domain, seed, dice)
        self.records = [{**self.names, **record_names(domain, place, seed, dice)} for place in range(_RECORDS)]
        for origin, record in zip(self.records, self.records[1:], strict=False):
            record |= {"Parent": origin["Entity"], "parent_words": origin["a_words"], "parent_amount": origin["amount"]}
        self.kinds: dict[str, int] = {}  # kind of module → the record that it is about
        for kinds, count in ((_PARSERS, 2), (_RULES, 4), (_SERVICES, 4)):
            for place, kind in enumerate(dice.shuffled(kinds)[:count]):
                self.kinds[kind] = place % _RECORDS if count > 2 else place
        self.known: dict[str, str] = {}  # name → module that defines it
        self.made: dict[str, tuple[str, str]] = {}  # path → what its docstring says, its code

    def documents(self) -> Iterator[Document]:
        """All files: what describes the project first, then each module after those that it imports."""
        modules = list(self._modules())
        package = self.names["package"]
        yield Document(f"{package}/README.md", self._readme(), "markdown")
        yield Document(f"{package}/pyproject.toml", fill(texts("codebases-shell")["pyproject"]["text"], self.names,
                                                         self.dice), "code")  # fmt: skip
        for path, text in modules:
            yield Document(f"{package}/{path}", text, FORMAT)

    def _modules(self) -> Iterator[tuple[str, str]]:
        models, shell = texts("codebases-models"), texts("codebases-shell")
        yield self._module(models["errors"], self.names)
        yield self._module(models["settings"], self.names)
        *parts, follows = models["record"]["parts"]
        for record in self.records:  # each but the first follows from the one before
            yield self._module({**models["record"], "parts": [*parts, *[follows] * ("Parent" in record)]}, record)
        yield self._package("models")
        for folder in ("parsers", "rules", "services"):
            source = texts(f"codebases-{folder}")
            for kind, about in self.kinds.items():
                if kind in source:
                    yield self._module(source[kind], self.records[about])
            yield self._package(folder)
        # The command line reads the records that a parser is there for.
        yield self._module(shell["cli"], self.records[0])
        yield self._package("")
        for place, names in enumerate(self.records):
            further = [
                shell[f"test_{kind}"]["parts"]
                for kind, about in self.kinds.items()
                if about == place and f"test_{kind}" in shell
            ]
            source = shell["test_record"]
            yield self._module({**source, "parts": sum(further, list(source["parts"]))}, names)

    def _module(self, source: Mapping[str, Any], slots: Names) -> tuple[str, str]:
        """Path and text of a module; what it defines is known from then on."""
        path = fill(source["path"], slots, self.dice)
        summary = fill(self.dice.pick(source["doc"]), slots, self.dice)
        chosen = [self.dice.pick(wordings) for wordings in source["parts"]]
        body = joined(fill(wording, slots, self.dice) for wording in chosen if wording)
        text = module(summary, body, self.known)
        where = f"{self.names['package']}.{path.removesuffix('.py').replace('/', '.')}"
        if not path.startswith("tests/"):
            self.known.update(dict.fromkeys(defined(body), where))
        self.made[path] = (summary, body)
        return path, text

    def _package(self, folder: str) -> tuple[str, str]:
        """The ``__init__.py`` of a folder, which gives out what its modules define."""
        package = self.names["package"]
        if not folder:
            lines = [import_line(f"{package}.errors", [self.names["Error"]]), "",
                     f'__all__ = ["{self.names["Error"]}", "__version__"]',
                     f'__version__ = "{self.names["version"]}"']  # fmt: skip
            return "__init__.py", "\n".join([f'"""{package}: {self.names["about"]}."""', "", *lines, ""])
        paths = [path for path in self.made if path.startswith(f"{folder}/")]
        given: list[str] = []
        lines = []
        for path in paths:
            names = [name for name in defined(self.made[path][1]) if not name.isupper()]
            where = f"{package}.{path.removesuffix('.py').replace('/', '.')}"
            lines.append(import_line(where, names))
            given += names
        listed = [f'    "{name}",' for name in sorted(given, key=lambda name: (not name[0].isupper(), name))]
        said = texts("codebases-domains")["folders"].get(folder, "what is kept")
        text = [f'"""{package}.{folder}: {said}."""', "", *sorted(lines), "", "__all__ = [", *listed, "]", ""]
        return f"{folder}/__init__.py", "\n".join(text)

    def _readme(self) -> str:
        said, dice, names = texts("codebases-shell")["readme"], self.dice, self.names
        package = names["package"]
        modules = [[f"{package}/{path}", summary] for path, (summary, _) in self.made.items()]
        figures = [
            [name, f"{value:,}", f"{package}/{path}"]
            for path, (_, body) in self.made.items()
            for name, value in constants(body)
        ]
        parts = [f"# {names['Package']}", fill(dice.pick(said["intro"]), names, dice), f"## {names['Package']} in use"]
        parts += [fill(dice.pick(said["use"]), self.records[0], dice), f"## Records of {package}"]
        parts += [fill(dice.pick(said["names"]), record, dice) for record in self.records]
        parts += [f"## Modules of {package}", table(["File", "What it is for"], modules, 2)]
        parts += [f"## Constants of {package}", fill(dice.pick(said["rules"]), names, dice)]
        parts.append(table(["Constant", "Value", "File"], dice.some(figures, 12), 3))
        return paragraphs(parts)
