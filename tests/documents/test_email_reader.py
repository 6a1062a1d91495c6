from __future__ import annotations

from email.message import EmailMessage

from document_files import docx, paragraph, pdf, shown

from longctx.documents.base import Limits, Reading
from longctx.documents.readers import read_bytes


def read(message: EmailMessage | bytes) -> Reading:
    return read_bytes(message if isinstance(message, bytes) else message.as_bytes(), "x.eml", Limits())


def mail(body: str = "Sehr geehrte Frau Müller,\n\ndie Frist endet am 3. Mai.\n") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Jürgen Groß <j@example.org>"
    message["To"] = "a@example.org, b@example.org"
    message["Date"] = "Mon, 01 Jan 2024 10:00:00 +0100"
    message["Subject"] = "Kündigung – Vertrag"
    message["X-Spam"] = "no"
    message.set_content(body)
    return message


def test_headers_and_body() -> None:
    reading = read(mail())
    assert reading == Reading(
        "read",
        "",
        "email",
        "From: Jürgen Groß <j@example.org>\nTo: a@example.org, b@example.org\n"
        "Date: Mon, 01 Jan 2024 10:00:00 +0100\nSubject: Kündigung – Vertrag\n\n"
        "Sehr geehrte Frau Müller,\n\ndie Frist endet am 3. Mai.",
    )


def test_plain_body_is_preferred_and_html_stands_in() -> None:
    message = mail("plain")
    message.add_alternative("<p>rich</p>", subtype="html")
    assert read(message).text.endswith("\n\nplain")
    message = mail(" ")
    message.add_alternative("<p>rich <b>text</b></p>", subtype="html")
    assert read(message).text.endswith("\n\nrich text")
    message = mail(" ")
    message.add_alternative("<img src='cid:x'>", subtype="html")
    assert read(message).text.endswith("Subject: Kündigung – Vertrag")


def test_attachments_are_read_by_their_readers() -> None:
    message = mail("see attached")
    message.add_attachment("Ä;1\n".encode("cp1252"), maintype="text", subtype="csv", filename="zahlen.csv")
    message.add_attachment(pdf(shown("From a PDF", 72, 700)), maintype="application", subtype="pdf", filename="ü.pdf")
    message.add_attachment(docx(paragraph("From Word")), maintype="application", subtype="x", filename="w.docx")
    message.add_attachment(mail("inner"))
    reading = read(message)
    for expected in ("[Attachment: zahlen.csv]\n\nÄ;1", "[Attachment: ü.pdf]\n\nFrom a PDF", "From Word", "inner"):
        assert expected in reading.text
    assert reading.status == "read"


def test_attachment_that_cannot_be_read_is_named_with_its_reason() -> None:
    message, picture = mail("see attached"), b"\x89PNG\r\n\x1a\n\0\0"
    message.add_related(picture, maintype="image", subtype="png", filename="logo.png", cid="<logo>")
    message.add_attachment(picture, maintype="image", subtype="png", filename="scan.png")
    reading = read(message)
    assert (reading.status, reading.reason) == ("partly read", "attachment scan.png: PNG image: no text to read")
    assert "[Attachment: scan.png]" in reading.text and "logo" not in reading.text


def test_headers_in_bytes_of_an_unknown_encoding() -> None:
    raw = "From: Jürgen <x@example.org>\r\nSubject: Prüfung der Unterlagen\r\n\r\nText für dich\r\n".encode("cp1252")
    assert read(raw).text == "From: Jürgen <x@example.org>\nSubject: Prüfung der Unterlagen\n\nText für dich"
    assert read(b"Subject: =?nonsense?q?=41?=\n\nx").text == "Subject: =?nonsense?q?=41?=\n\nx"


def test_declared_charset_of_a_part() -> None:
    raw = b"Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit\nSubject: s\n\n"
    assert read(raw + "срок".encode("koi8_r")).text == "Subject: s\n\nсрок"


def test_hostile_messages() -> None:
    deep = b"body"
    for number in range(1200):
        deep = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%s\n--b%d--\n" % (number, number, deep, number)
    assert read(deep).status == "skipped"
    many = b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\nhello\n" * 3000 + b"--x--"
    assert read(many).reason == "more than 2,000 parts"
    inner = mail("innermost")
    for _ in range(9):
        outer = mail("outer")
        outer.add_attachment(inner)
        inner = outer
    assert read(inner).reason.endswith("nested too deeply")
    assert read(b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\n\nbody").text.endswith("body")
    assert read(b"\n\n").reason == "no headers and no text in it"
