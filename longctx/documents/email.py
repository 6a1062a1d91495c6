"""Mail messages: the headers that people read, the body, and attachments that some reader can read."""

from __future__ import annotations

import contextlib
import email
import email.policy
from collections.abc import Callable
from email.header import decode_header, make_header
from email.message import Message

from longctx.documents.base import Extract, Reading, Unreadable
from longctx.documents.encoding import canonical, decode
from longctx.documents.html import read as read_html

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_MOST_PARTS = 2000
_LONGEST_HEADER = 10_000  # characters; the time to decode one grows with the square of its length


def read(data: bytes, read_attachment: Callable[[bytes, str], Reading]) -> Extract:
    """Text of a message: headers, body (plain if there is one, else HTML), attachments by name with their text.

    Args:
        data: the message.
        read_attachment: reads the bytes of an attachment, given its name.

    Raises:
        Unreadable: neither headers nor text in it.
    """
    # The older policy takes malformed headers as they come; the newer one raises on some of them.
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    headers = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
    reader = _Parts(read_attachment)
    reader.walk(message)
    text = "\n\n".join(part for part in ("\n".join(headers), *reader.bodies, *reader.attached) if part.strip())
    if not text:
        raise Unreadable("no headers and no text in it")
    return Extract(text, tuple(reader.notes))


class _Parts:
    def __init__(self, read_attachment: Callable[[bytes, str], Reading]) -> None:
        self.read_attachment = read_attachment
        self.bodies: list[str] = []
        self.attached: list[str] = []
        self.notes: list[str] = []
        self.count = 0

    def walk(self, part: Message) -> None:
        self.count += 1
        if self.count > _MOST_PARTS:
            if self.count == _MOST_PARTS + 1:
                self.notes.append(f"more than {_MOST_PARTS:,} parts")
            return
        kind = part.get_content_type()
        if kind == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and inner and isinstance(inner[0], Message):
                self.attach(_plain(part.get_filename() or "message.eml"), inner[0].as_bytes())
        elif part.is_multipart():
            children = [child for child in part.get_payload() if isinstance(child, Message)]
            for child in _preferred(children) if kind == "multipart/alternative" else children:
                self.walk(child)
        else:
            self.leaf(part, kind)

    def leaf(self, part: Message, kind: str) -> None:
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
        name = _plain(part.get_filename() or "")
        if name and (part.get_content_disposition() == "attachment" or not kind.startswith("text/")):
            if not (kind.startswith("image/") and "Content-ID" in part):  # a logo in the signature
                self.attach(name, data)
        elif kind == "text/html":
            with contextlib.suppress(Unreadable):  # a body of pictures only
                extract = read_html(data, canonical(part.get_content_charset() or ""))
                self.bodies.append(extract.text)
                self.notes.extend(extract.notes)
        elif kind.startswith("text/") and data.strip():
            decoded = decode(data, canonical(part.get_content_charset() or ""))
            if decoded is None:
                self.notes.append("a part is no text")
            else:
                self.bodies.append(decoded[0])
                self.notes.extend([decoded[1]] if decoded[1] else [])

    def attach(self, name: str, data: bytes) -> None:
        reading = self.read_attachment(data, name)
        self.attached.append(f"[Attachment: {name}]\n\n{reading.text}" if reading.text else f"[Attachment: {name}]")
        if reading.reason:
            self.notes.append(f"attachment {name}: {reading.reason}")


def _preferred(alternatives: list[Message]) -> list[Message]:
    """Of the same text in several forms, the plain one if it has any text, else the last, which is the richest."""
    for part in alternatives:
        payload = part.get_payload(decode=True) if part.get_content_type() == "text/plain" else None
        if isinstance(payload, bytes) and payload.strip():
            return [part]
    return alternatives[-1:]


def _header(message: Message, name: str) -> str:
    values = [_plain(value) for key, value in message.raw_items() if key.lower() == name.lower()]
    return ", ".join(value for value in values if value)


def _plain(value: str) -> str:
    """A header in readable form, on one line: encoded words decoded, bytes beyond ASCII decoded by guess."""
    value = value[:_LONGEST_HEADER]
    if value.isascii():
        with contextlib.suppress(LookupError, UnicodeError, ValueError):  # an unknown charset, broken base64
            value = str(make_header(decode_header(value)))
    else:
        decoded = decode(value.encode("utf-8", "surrogateescape"))
        value = decoded[0] if decoded else value
    return " ".join(value.split())
