"""The bytes of one file to a reading, whatever they are. Never raises for anything that a file can hold."""

from __future__ import annotations

from longctx.documents import clean, formats
from longctx.documents.base import (
    Extract,
    Limits,
    OutOfTime,
    Reading,
    Unreadable,
    one_line,
    too_much_memory,
    too_much_time,
)

_DEEPEST = 5  # attachments within attachments


def read_bytes(data: bytes, name: str, limits: Limits, depth: int = 0) -> Reading:
    """Read one file.

    Args:
        data: its bytes.
        name: its name; only the suffix counts, and only where the content leaves the format open.
        limits: of which memory and time are the caller's to enforce, by MemoryError and OutOfTime.
        depth: how many messages it is attached within.

    Returns:
        The reading; a file that cannot be read is one with the status "skipped" and a reason.
    """
    form = ""
    try:
        form = formats.recognise(data, name)
        extract = _extract(data, form, limits, depth)
    except Unreadable as reason:
        return Reading("skipped", str(reason), form)
    except (OutOfTime, MemoryError) as error:
        if depth:  # the limits are those of the whole message
            raise
        excess = too_much_memory if isinstance(error, MemoryError) else too_much_time
        return Reading("skipped", excess(limits), form, lasting=False)
    except RecursionError:
        return Reading("skipped", "nested too deeply", form)
    except Exception as error:  # readers of damaged files raise nearly everything
        return Reading("skipped", f"damaged: {type(error).__name__}: {one_line(error)}", form)
    return _finished(extract, form, limits)


def _extract(data: bytes, form: str, limits: Limits, depth: int) -> Extract:
    if form == "pdf":
        from longctx.documents import pdf

        return pdf.read(data, limits)  # tidies page by page
    if form == "docx":
        from longctx.documents import docx

        return _tidied(docx.read(data, limits))
    if form == "html":
        from longctx.documents import html

        return _tidied(html.read(data))
    if form == "email":
        from longctx.documents import email

        def read_attachment(attached: bytes, name: str) -> Reading:
            if depth >= _DEEPEST:
                return Reading("skipped", "nested too deeply")
            return read_bytes(attached, name, limits, depth + 1)

        return _tidied(email.read(data, read_attachment))
    from longctx.documents import text

    extract = text.read(data)
    return Extract(clean.clean(extract.text), extract.notes)


def _tidied(extract: Extract) -> Extract:
    return Extract(clean.tidy(extract.text), extract.notes)


def _finished(extract: Extract, form: str, limits: Limits) -> Reading:
    text, notes, pages = extract.text, list(extract.notes), extract.pages
    if not text.strip():
        return Reading("skipped", "no text in it", form)
    if len(text) > limits.characters:
        notes.append(f"the first {limits.characters:,} of {len(text):,} characters, the limit")
        text = text[: limits.characters]
        pages = tuple(offset for offset in pages if offset < len(text))
    lasting = extract.lasting and len(extract.text) <= limits.characters
    return Reading("partly read" if notes else "read", "; ".join(notes), form, text, pages, lasting)
