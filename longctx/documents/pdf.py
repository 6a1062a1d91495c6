"""PDF: text layer page by page; a damaged page costs that page only."""

from __future__ import annotations

import io
import re
from typing import Any

from longctx.documents.base import Extract, Limits, OutOfTime, Unreadable, one_line
from longctx.documents.clean import join_pages

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_NAMED = 5  # pages that a note names; the others are counted


def read(data: bytes, limits: Limits) -> Extract:
    """Text of a PDF, with the offset of each page.

    Raises:
        Unreadable: encrypted with a password, without a text layer, or damaged as a whole.
    """
    import pypdf
    from pypdf.errors import DependencyError, FileNotDecryptedError

    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("encrypted: a password is needed")
        count = len(reader.pages)
    except (Unreadable, MemoryError, RecursionError):
        raise
    except FileNotDecryptedError as error:
        raise Unreadable("encrypted: a password is needed") from error
    except DependencyError as error:
        raise Unreadable(f"encrypted: {error}") from error
    except Exception as error:  # pypdf raises whatever the damage leads to, KeyError and TypeError among them
        raise Unreadable(f"damaged or truncated: {one_line(error)}") from error
    pages = _Pages()
    pages.read(reader, count, limits)
    if not any(page.strip() for page in pages.texts):
        raise Unreadable(pages.nothing(count))
    text, offsets = join_pages(pages.texts)
    return Extract(text, tuple(pages.notes()), offsets, lasting=not pages.stopped)


class _Pages:
    """Pages read so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.reasons: dict[str, list[int]] = {}  # why something is missing, with the pages that it is missing from
        self.pictures = 0  # pages that are a picture
        self.stopped = ""  # why it ended before the last page

    def read(self, reader: Any, count: int, limits: Limits) -> None:
        fonts: dict[int, Any] = {}
        characters = 0
        for number in range(1, count + 1):
            self.texts.append("")
            try:
                self.texts[-1] = self.page(reader.pages[number - 1], number, fonts)
            except OutOfTime:
                self.stopped = f"{limits.seconds:g} seconds were over on page {number} of {count}"
            except MemoryError:
                self.stopped = f"memory was used up on page {number} of {count}"
            except Exception as error:
                self.miss(number, f"damaged: {one_line(error, 60)}")
            characters += len(self.texts[-1])
            if characters > limits.characters:
                self.stopped = f"text limit reached on page {number} of {count}"
            if self.stopped:
                return

    def page(self, page: Any, number: int, fonts: dict[int, Any]) -> str:
        text, missing = _page_text(page, fonts)
        for reason in missing:
            self.miss(number, reason)
        if not text.strip() and not missing and _has_picture(page):
            self.pictures += 1
            self.miss(number, "only a picture, no text layer")
        return text

    def miss(self, number: int, reason: str) -> None:
        self.reasons.setdefault(reason, []).append(number)

    def notes(self) -> list[str]:
        notes = []
        for reason, numbers in list(self.reasons.items())[:_NAMED]:
            named = ", ".join(map(str, numbers[:_NAMED])) + (", …" if len(numbers) > _NAMED else "")
            notes.append(f"{'pages' if len(numbers) > 1 else 'page'} {named}: {reason}")
        if len(self.reasons) > _NAMED:
            notes.append(f"{len(self.reasons) - _NAMED} more such pages")
        return notes + [self.stopped] * bool(self.stopped)

    def nothing(self, count: int) -> str:
        """Why there is no text at all."""
        pages = f"{count} {'page' if count == 1 else 'pages'}"
        if self.pictures and self.pictures == sum(map(len, self.reasons.values())) and not self.stopped:
            return f"no text layer in {pages}: seems scanned; run text recognition (OCR) first"
        return "; ".join([f"no text in {pages}" if count else "no pages", *self.notes()])


def _page_text(page: Any, fonts: dict[int, Any]) -> tuple[str, list[str]]:
    """Text of a page, and what is missing from it."""
    missing: list[str] = []
    try:
        from longctx.documents.pdf_lines import page_text
        from longctx.documents.pdf_runs import page_runs

        runs, missing = page_runs(page, fonts)
        text = page_text(runs)
    except (ImportError, AttributeError, TypeError):  # another pypdf, whose fonts look different inside
        text = page.extract_text()
    if _RIGHT_TO_LEFT.search(text):  # drawn from left to right; pypdf puts Arabic and Hebrew in order
        text = page.extract_text()
    values = _field_values(page)
    return "\n".join([text, *values]) if values else text, missing


def _field_values(page: Any) -> list[str]:
    """Filled-in form fields, which are no part of the page's own content: "name: value"."""
    values = []
    for annotation in _entry(page, "/Annots") or ():
        field = annotation.get_object()
        if not isinstance(field, dict) or _entry(field, "/Subtype") != "/Widget":
            continue
        parent = _entry(field, "/Parent")  # of a field that shows in several places, only this has the value
        parent = parent if isinstance(parent, dict) else {}
        value = _entry(field, "/V") or _entry(parent, "/V")
        names = (_entry(place, key) for place in (field, parent) for key in ("/TU", "/T"))
        name = next((name for name in names if isinstance(name, str)), "")
        if isinstance(value, str) and value.strip() and not value.startswith("/"):  # else the state of a button
            values.append(f"{name}: {value}" if name else value)
    return values


def _entry(dictionary: Any, key: str) -> Any:
    value = dictionary.get(key)
    return value.get_object() if value is not None else None


def _has_picture(page: Any) -> bool:
    try:
        return bool(page.images)
    except Exception:  # a picture too damaged to be listed is a picture
        return True
