"""Bytes to text: byte-order marks, declarations, UTF-8, then the likeliest of the older encodings.

charset-normalizer proposes encodings. It tells scripts apart well, but not siblings such as
Windows-1252 and Windows-1250, above all in short or mostly English files: there a French "è"
becomes a Czech "č". So each proposal, and the encodings that offices really used, are decoded
and judged by the share of their non-ASCII characters that one single language uses.
"""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""(?:coding|charset)\s*[:=]\s*["']?\s*([A-Za-z0-9_.:-]+)""")
_WIDER = {"latin-1": "cp1252", "iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
_WIDER |= {"shift_jis": "cp932", "euc_kr": "cp949", "iso8859-9": "cp1254"}  # as browsers read these labels

_RARE = set("¿¡¶±×÷½¼¾²³¹ºªµ†‡´")  # in prose; in other encodings these places hold letters
_PUNCTUATION = _RARE | set("–—―‘’‚“”„‹›«»…•·§°€£¥©®™\u00a0\u00ad")
_WESTERN = (
    "äöüß",  # German
    "àâæçèéêëîïôùûüœ",  # French
    "áéíñóúüç",  # Spanish
    "àáâãçéêíóôõúü",  # Portuguese
    "àèéìíîòóù",  # Italian
    "áàäèéêëïíóöúü",  # Dutch
    "åäöæøé",  # Nordic
    "áðéíóúýþæö",  # Icelandic
)
_CENTRAL = (
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "čćđšž",  # Croatian
    "ăâîşţ",  # Romanian
)
_RUSSIAN = ("абвгдежзийклмнопрстуфхцчшщъыьэюя" + "ё", "абвгдежзийклмнопрстуфхцчшщьюяєіїґ")
_GREEK = ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",)
_ALPHABETS: dict[str, tuple[str, ...]] = {  # the first wins a tie
    "cp1254": ("çğıöşüâîi\u0307",),  # Turkish, before Icelandic, from which six letters set it apart
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "iso8859_2": _CENTRAL,
    "cp1257": ("āčēģīķļņšūž", "ąčęėįšųūž", "äõöüšž"),  # Baltic
    "cp1251": _RUSSIAN,
    "koi8_r": _RUSSIAN,
    "cp866": _RUSSIAN,
    "cp1253": _GREEK,
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
}
_OUTDATED = ("mac_roman", "cp850", "cp866", "koi8_r")  # have to be clearly better than what replaced them
_FREQUENT = {  # encoding → its plain subset, and the first bytes there of frequent characters
    "cp949": ("euc_kr", 0xB0, 0xC8),  # first: Korean makes frequent Chinese characters too, but not the reverse
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "cp932": ("euc_jp", 0xB0, 0xCF),
    "euc_jp": ("euc_jp", 0xB0, 0xCF),
    "big5": ("big5", 0xA4, 0xC6),
}
_EAST_ASIAN = tuple(_FREQUENT)
_ESCAPED = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp"))  # seven-bit: their text is valid UTF-8 as well
_SAMPLE = 1 << 14  # bytes that encodings are judged by
_PLAUSIBLE = 0.6  # share of non-ASCII characters that must fit; below, charset-normalizer alone decides


def decode(data: bytes, declared: str = "") -> tuple[str, str] | None:
    """Decode text of unknown encoding.

    Args:
        data: the whole file.
        declared: an encoding named outside the file (by a mail header); one named inside is found.

    Returns:
        The text without byte-order mark and a note on bytes that could not be decoded ("" if none),
        or None for bytes that are not text.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _plausible(data[len(mark) :], name)
    if b"\0" in data:
        wide = _wide(data)
        if wide or 20 * data.count(0) > len(data):
            return _decoded(data, wide) if wide else None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        for escape, name in _ESCAPED:
            if escape in data and _decodes(data, name):
                return data.decode(name), ""
        return (text, "") if _readable(text) else None
    for label in (declared, *_declared(data)):
        if _decodes(data, label):
            return _decoded(data, label)
    broken = data.decode("utf-8", "replace")
    wrong = broken.count("\ufffd")
    if sum(character > "\x7f" for character in broken) >= 5 * wrong:  # UTF-8 with a few bytes damaged
        return broken, _lost(wrong, "utf-8")
    return _plausible(data, _wide(data) or _likeliest(data))


def canonical(label: str) -> str:
    """Python's name for an encoding label, widened as browsers do; "" for an unknown one."""
    try:
        name = codecs.lookup(label.strip()).name
        "".encode(name)  # refuses codecs that are no text encodings, such as "zip"
    except (LookupError, ValueError, UnicodeError):
        return ""
    return _WIDER.get(name, name)


def _declared(data: bytes) -> list[str]:
    """Encodings that the first 2,048 bytes name: XML declaration, <meta>, coding cookie."""
    labels = [canonical(label.decode("ascii")) for label in _DECLARED.findall(data[:2048])]
    return [label for label in labels if label and not label.startswith("utf-16")]  # it would not be readable here


def _decodes(data: bytes, name: str) -> bool:
    if not name:
        return False
    try:
        data.decode(name)
    except (UnicodeError, LookupError):
        return False
    return True


def _decoded(data: bytes, name: str) -> tuple[str, str]:
    try:
        return data.decode(name), ""
    except UnicodeError:
        text = data.decode(name, "replace")
        return text, _lost(text.count("\ufffd"), name)


def _plausible(data: bytes, name: str) -> tuple[str, str] | None:
    """Text in an encoding that the data seem to be in; None if they are not, after all."""
    text, note = _decoded(data, name)
    return (text, note) if 100 * text.count("\ufffd") <= len(text) + 200 and _readable(text) else None


def _lost(count: int, name: str) -> str:
    return f"{count:,} {'place' if count == 1 else 'places'} not valid in {name.upper()}"


def _readable(text: str) -> bool:
    """False for binary data: more than 1 control character in 20."""
    strange = len(re.findall("[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]", text))
    return strange * 20 <= len(text)


def _wide(data: bytes) -> str:
    """UTF-32 or UTF-16 without a mark; "" if it is neither. In the wrong one, most characters are rare ones."""
    head = data[: _SAMPLE & ~3]
    if b"\0" not in head and sum(32 <= byte < 127 for byte in head) > 0.7 * len(head):
        return ""  # by far too many bytes of Latin letters
    for name in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:
            text = codecs.getincrementaldecoder(name)().decode(head)
        except UnicodeError:
            continue
        if "\0" not in text and _readable(text) and _wide_score(text) >= 0.8:
            return name
    return ""


def _wide_score(text: str) -> float:
    """Share of characters of common scripts."""
    common = sum(
        character in "\t\n\r" or (character.isprintable() if character < "\u0530" else _east_asian(character) > 0.5)
        for character in text
    )
    return common / max(len(text), 1)


def _east_asian(character: str) -> float:
    return max(_weight(character, name) for name in _EAST_ASIAN)


def _weight(character: str, name: str) -> float:
    """How much a character speaks for an East Asian encoding, 0-1.

    The national character sets order the frequent characters before the rare ones, so the first byte of
    the two-byte code tells how common a character is in that language.
    """
    if "\u3000" <= character <= "\u303f" or "\uff01" <= character <= "\uff5e" or character in _PUNCTUATION:
        return 0.9  # punctuation, which all of them have
    if name in ("cp932", "euc_jp") and "\u3041" <= character <= "\u30fe":  # kana
        return 1.0
    plain, first, last = _FREQUENT[name]
    try:
        lead = character.encode(plain)[0]
    except UnicodeEncodeError:
        return 0.5 if name == "cp949" and "\uac00" <= character <= "\ud7a3" else 0.0  # syllables added later
    return 1.0 if first <= lead <= last else 0.3


def _likeliest(data: bytes) -> str:
    """The single- or multi-byte encoding that makes most sense of the lines that are not ASCII."""
    from charset_normalizer import from_bytes

    sample = _telling(data)
    proposed = [canonical(match.encoding) for match in from_bytes(sample)]
    best, best_score = "", 0.0
    for name in dict.fromkeys([*_ALPHABETS, *_EAST_ASIAN, *proposed]):
        try:
            text = codecs.getincrementaldecoder(name)().decode(sample)
        except (UnicodeError, LookupError):
            continue
        score = _score(text, name)
        if score > best_score + 1e-9:
            best, best_score = name, score
    if best_score >= _PLAUSIBLE:
        return best
    return proposed[0] if proposed else "cp1252"


def _telling(data: bytes) -> bytes:
    """The lines with bytes beyond ASCII, at most `_SAMPLE` bytes."""
    lines, size = [], 0
    for match in re.finditer(rb"[^\n]*[\x80-\xff][^\n]*\n?", data):
        lines.append(match[0][: _SAMPLE - size])
        size += len(lines[-1])
        if size >= _SAMPLE:
            break
    return b"".join(lines)


def _score(text: str, name: str) -> float:
    """Plausibility, 0-1, of `text` having been written in the encoding `name`."""
    strange = [character for character in text if character > "\x7f"]
    if not strange:
        return 0.0
    if name in _EAST_ASIAN:
        fits = sum(_weight(character, name) for character in strange)
        if name in ("cp932", "euc_jp") and not any("\u3041" <= character <= "\u30fe" for character in strange):
            fits /= 2  # Japanese without kana hardly exists
        return fits / len(strange)
    if name not in _ALPHABETS:
        return 0.0
    if _ALPHABETS[name] in (_RUSSIAN, _GREEK) and 3 * len(strange) < sum(map(str.isalpha, text)):
        return 0.0  # a paragraph sign in German would be a lonely Cyrillic letter
    letters: float = max(sum(c.lower() in alphabet for c in strange) for alphabet in _ALPHABETS[name])
    return (letters + _in_place(text, name)) / len(strange) * (0.9 if name in _OUTDATED else 1.0)


def _in_place(text: str, name: str) -> float:
    """What punctuation adds to a score, and misplaced letters take from it."""
    points = 0.0
    for match in re.finditer("[^\x00-\x7f]", text):
        place = match.start()
        character, before, after = match[0], text[place - 1 : place], text[place + 1 : place + 2]
        if character in _RARE:
            points += 0.2 if before.isalpha() and after.isalpha() else 0.8
        elif character in _PUNCTUATION:  # inside a word it is a letter misread
            points += 1.0 if character in "’\u00ad·" or not (before.isalpha() and after.isalpha()) else 0.2
        elif before.isalpha():
            points -= 0.5 * (before.islower() and character.isupper())  # KOI8-R and Windows-1251 swap the cases
            points -= 0.2 * (before.isupper() and character.isupper())
            points -= 0.5 * (before.isascii() and _ALPHABETS[name] in (_RUSSIAN, _GREEK))
    return points
