"""Characters that stand for others: raised digits, check boxes and bullets of symbol fonts, list numbers."""

from __future__ import annotations

_RAISED = str.maketrans("0123456789+-()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾")
_RAISABLE = frozenset("0123456789+-(), *†‡§")
_FONTS = {  # symbol font → code in it → what it looks like
    "wingdings": {
        0x6C: "●", 0x6E: "■", 0x6F: "☐", 0x71: "❑", 0x72: "❑", 0x76: "❖", 0x78: "☒", 0xA1: "○", 0xA7: "▪",
        0xA8: "☐", 0xD8: "➢", 0xE0: "→", 0xE8: "➔", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
    },
    "wingdings 2": {0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "●", 0xA3: "☐"},
    "symbol": {0x2D: "−", 0xA3: "≤", 0xAE: "→", 0xB0: "°", 0xB1: "±", 0xB3: "≥", 0xB4: "×", 0xB7: "•", 0xD7: "⋅"},
}  # fmt: skip


def raised(text: str) -> str:
    """A footnote mark or exponent as superscript characters, so that it does not lengthen the number before it.

    >>> raised("2"), raised("th")
    ('²', 'th')
    """
    return text.translate(_RAISED) if set(text) <= _RAISABLE else text


def pictured(text: str, font: str) -> str:
    """Text in a symbol font as it looks; unchanged in any other font.

    >>> pictured("Yes \u00fe", "Wingdings"), pictured("Yes", "Arial")
    ('Yes ☑', 'Yes')
    """
    table = _FONTS.get(font.lower())
    if table is None:
        return text
    return "".join(table.get(_code(character), character) for character in text)


def _code(character: str) -> int:
    """Code in a symbol font, which files write as it is or moved to the private characters U+F000 to U+F0FF."""
    code = ord(character)
    return code - 0xF000 if 0xF000 <= code <= 0xF0FF else code


def letters(number: int) -> str:
    """List number as letters: a to z, then aa, bb, as Word and browsers count."""
    return chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1) if 0 < number < 1000 else str(number)


def roman(number: int) -> str:
    """List number as lower-case Roman numeral."""
    if not 0 < number < 4000:
        return str(number)
    signs = ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i")
    text = ""
    for value, sign in zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1), signs, strict=True):
        text += sign * (number // value)
        number %= value
    return text


def chinese_number(number: int) -> str:
    """List number below 100 in Chinese characters, otherwise in digits.

    >>> chinese_number(3), chinese_number(10), chinese_number(42)
    ('三', '十', '四十二')
    """
    if not 0 < number < 100:
        return str(number)
    digits: list[str] = ["", *"一二三四五六七八九"]
    tens, ones = divmod(number, 10)
    return (digits[tens] if tens > 1 else "") + ("十" if tens else "") + digits[ones]
