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
    pages, failed, pictures, stopped = _read_pages(reader, count, limits)
    if not any(page.strip() for page in pages):
        raise Unreadable(_nothing(count, failed, pictures, stopped))
    notes = [f"page {number}: {reason}" for number, reason in failed[:_NAMED]]
    if len(failed) > _NAMED:
        notes.append(f"{len(failed) - _NAMED} more pages failed")
    if pictures:
        named = ", ".join(map(str, pictures[:_NAMED])) + (", …" if len(pictures) > _NAMED else "")
        notes.append(f"{'pages' if len(pictures) > 1 else 'page'} {named}: only a picture, no text layer")
    if stopped:
        notes.append(stopped)
    text, offsets = join_pages(pages)
    return Extract(text, tuple(notes), offsets, lasting=not stopped)


def _read_pages(reader: Any, count: int, limits: Limits) -> tuple[list[str], list[tuple[int, str]], list[int], str]:
    """Texts, failed pages with reasons, pages that are a picture, and why it stopped early ("" if not)."""
    from longctx.documents.pdf_runs import Fonts

    fonts = Fonts()
    pages: list[str] = []
    failed: list[tuple[int, str]] = []
    pictures: list[int] = []
    characters = 0
    for number in range(1, count + 1):
        page, text = None, ""
        try:
            page = reader.pages[number - 1]
            text = _page_text(page, fonts)
        except OutOfTime:
            return pages, failed, pictures, f"{limits.seconds:g} seconds were over on page {number} of {count}"
        except MemoryError:
            return pages, failed, pictures, f"memory was used up on page {number} of {count}"
        except Exception as error:
            failed.append((number, one_line(error, 60)))
        else:
            if not text.strip() and _has_picture(page):
                pictures.append(number)
        pages.append(text)
        characters += len(text)
        if characters > limits.characters:
            return pages, failed, pictures, f"text limit reached on page {number} of {count}"
    return pages, failed, pictures, ""


def _page_text(page: Any, fonts: Any) -> str:
    from longctx.documents.pdf_lines import page_text
    from longctx.documents.pdf_runs import page_runs

    text = page_text(page_runs(page, fonts))
    if _RIGHT_TO_LEFT.search(text):  # drawn from left to right; pypdf puts Arabic and Hebrew in order
        text = page.extract_text()
    values = _field_values(page)
    return "\n".join([text, *values]) if values else text


def _field_values(page: Any) -> list[str]:
    """Filled-in form fields, which are no part of the page's own content: "name: value"."""
    values = []
    for annotation in page.get("/Annots") or ():
        field = annotation.get_object()
        if field.get("/Subtype") != "/Widget":
            continue
        value = field.get("/V")
        name = field.get("/TU") or field.get("/T")
        if isinstance(value, str) and value.strip() and not value.startswith("/"):
            values.append(f"{name}: {value}" if isinstance(name, str) else value)
    return values


def _has_picture(page: Any) -> bool:
    try:
        return bool(page.images)
    except Exception:  # a picture too damaged to be listed is a picture
        return True


def _nothing(count: int, failed: list[tuple[int, str]], pictures: list[int], stopped: str) -> str:
    pages = f"{count} {'page' if count == 1 else 'pages'}"
    if stopped and not failed and not pictures:
        return f"no text found before {stopped}"
    if failed and len(failed) >= count - len(pictures):
        return f"damaged: none of {pages} could be read (page {failed[0][0]}: {failed[0][1]})"
    if pictures:
        return f"no text layer in {pages}: seems scanned; run text recognition (OCR) first"
    return f"no text in {pages}" if count else "no pages"
