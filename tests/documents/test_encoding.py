from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longctx.documents.encoding import canonical, decode

TEXTS = {
    "german": "Der Mieter zahlt die Kaution in drei gleichen Raten; § 551 BGB bleibt unberührt. Für Größe und Öl gilt: "
    "„gemäß Anlage“ – höchstens 5 € täglich.\n",
    "french": "La séance est levée à 16h00 ; l’arrêté prend effet dès sa publication, où qu’elle ait lieu, ça va.\n",
    "spanish": "El contratista entregará la documentación dentro de los treinta días. ¿Qué pasó con la señal?\n",
    "polish": "Niniejsza umowa wchodzi w życie z dniem podpisania; wykonawca zobowiązuje się świadczyć usługi.\n",
    "czech": "Tato smlouva nabývá účinnosti dnem podpisu; zhotovitel se zavazuje poskytnout služby řádně a včas.\n",
    "turkish": "Bu sözleşme imzalandığı tarihte yürürlüğe girer; yüklenici, hizmetleri sağlamakla yükümlüdür. Işık.\n",
    "russian": "Настоящий договор вступает в силу с момента его подписания обеими сторонами.\n",
    "greek": "Η παρούσα σύμβαση τίθεται σε ισχύ από την ημερομηνία υπογραφής της.\n",
    "chinese": "本合同自双方签字之日起生效。未经甲方书面同意，乙方不得将本业务委托给第三人办理。\n",
    "taiwanese": "本契約自雙方簽署之日起生效。未經甲方書面同意，乙方不得將本業務委託第三人辦理。\n",
    "japanese": "本契約は、甲と乙との間で締結された業務委託契約である。契約期間は四月一日から一年間とする。\n",
    "korean": "이 계약은 갑과 을 사이에 체결된 용역 계약이다. 계약 기간은 일 년으로 한다.\n",
}
WRITTEN_IN = {
    "german": ["cp1252", "iso8859-1", "utf-16-le", "mac_roman"],
    "french": ["cp1252"],
    "spanish": ["cp1252", "cp850"],
    "polish": ["cp1250", "iso8859-2"],
    "czech": ["cp1250", "iso8859-2"],
    "turkish": ["cp1254"],
    "russian": ["cp1251", "koi8_r", "cp866", "utf-16-be"],
    "greek": ["cp1253"],
    "chinese": ["gb18030", "utf-16-le", "utf-16-be"],
    "taiwanese": ["big5"],
    "japanese": ["cp932", "euc_jp", "iso2022_jp", "utf-16-le"],
    "korean": ["cp949", "utf-16-be"],
}
CASES = [(language, encoding) for language, encodings in WRITTEN_IN.items() for encoding in encodings]


@pytest.mark.parametrize(("language", "encoding"), CASES)
@pytest.mark.parametrize("times", [1, 50])
def test_languages_in_their_encodings(language: str, encoding: str, times: int) -> None:
    data = (TEXTS[language] * times).encode(encoding, "ignore")
    assert decode(data) == (data.decode(encoding), "")


@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-1", "gb18030", "utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_short_pieces_of_real_text(shared_corpora: Path, encoding: str) -> None:
    name = "chinese-civil-code-contracts-utf8.md" if encoding == "gb18030" else "german-insurance-contract-act-utf8.md"
    source = (shared_corpora / "mixed" / name).read_text(encoding="utf-8")
    rng = random.Random(7)
    for _ in range(15):
        start = rng.randrange(len(source) - 400)
        data = source[start : start + 400].encode(encoding, "ignore")
        assert decode(data) == (data.decode(encoding), ""), source[start : start + 400]


def test_files_of_the_mixed_folder(shared_corpora: Path) -> None:
    for name, phrase in {
        "chinese-insurance-act-gb18030.txt": "保险人不得解除合同",
        "chinese-personal-information-act-utf16be-bom.txt": "个人信息处理者",
        "german-copyright-act-windows-1252.txt": "Gesetz über Urheberrecht und verwandte Schutzrechte",
        "german-equal-treatment-act-utf8-bom.txt": "Allgemeines Gleichbehandlungsgesetz",
        "german-maternity-protection-act-utf16le-bom.txt": "Gesetz zum Schutz von Müttern bei der Arbeit",
        "german-product-liability-act-latin1.txt": "Gesetz über die Haftung für fehlerhafte Produkte",
    }.items():
        decoded = decode((shared_corpora / "mixed" / name).read_bytes())
        assert decoded is not None and phrase in decoded[0] and decoded[1] == "", name
        assert not decoded[0].startswith("\ufeff")


def test_paragraph_sign_alone_stays_one() -> None:
    assert decode("Die §§ 82 und 83 sind nicht anzuwenden.\n".encode("cp1252")) == (
        "Die §§ 82 und 83 sind nicht anzuwenden.\n",
        "",
    )


def test_what_the_file_declares_is_believed_if_it_fits() -> None:
    assert decode(b"# -*- coding: latin-1 -*-\nx = '\xa4'\n") == ("# -*- coding: latin-1 -*-\nx = '¤'\n", "")
    assert decode(b"price: \xa4", declared="iso8859-15") == ("price: €", "")
    utf8 = "# coding: latin-1\nGröße".encode()
    assert decode(utf8) == (utf8.decode(), "")  # valid UTF-8 with such characters is no accident


def test_damaged_utf8_is_not_taken_for_another_encoding() -> None:
    data = TEXTS["german"].encode() + b"\xff" + TEXTS["german"].encode()
    decoded = decode(data)
    assert decoded is not None
    assert decoded[0] == TEXTS["german"] + "\ufffd" + TEXTS["german"]
    assert decoded[1] == "1 place not valid in UTF-8"


def test_truncated_utf16_says_so() -> None:
    decoded = decode("Größe".encode("utf-16")[:-1])
    assert decoded is not None and decoded[1] == "1 place not valid in UTF-16-LE"


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 8,
        random.Random(1).randbytes(4000),
        b"\x7fELF\x02\x01\x01\x00" + bytes(200),
        b"\x89\x00\x01\x02" * 99,
        bytes(500),
        bytes(byte for byte in random.Random(2).randbytes(4000) if byte),
    ],
)
def test_binary_data_is_no_text(data: bytes) -> None:
    assert decode(data) is None


def test_a_stray_nul_does_not_make_text_binary() -> None:
    decoded = decode(b"an ordinary log line\n" * 20 + b"\0" + b"and it goes on\n")
    assert decoded is not None and decoded[0].count("\0") == 1


@settings(deadline=None)
@given(st.text(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_marked_or_utf8_text_comes_back(text: str, encoding: str) -> None:
    text = "plain text in front \n" * 9 + text.replace("\0", "").replace("\x1b$", "")
    decoded = decode(text.encode(encoding))
    if decoded is None:  # more than one control character in twenty
        assert sum(character < " " or character == "\x7f" for character in text) * 20 > len(text)
    else:
        assert decoded == (text, "")


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_give_text_or_none(data: bytes) -> None:
    decoded = decode(data)
    assert decoded is None or isinstance(decoded[0], str)


def test_labels_as_browsers_read_them() -> None:
    assert canonical("GB2312") == "gb18030"
    assert canonical(" ISO-8859-1 ") == "cp1252"
    assert canonical("UTF8") == "utf-8"
    assert canonical("zip") == canonical("no-such") == canonical("") == ""
