from __future__ import annotations

import ast
import inspect
import json
import textwrap

import pytest

from longctx.cuts import LINE, OPEN_PARAGRAPH, OPEN_SENTENCE, PARAGRAPH, SENTENCE, find_cuts, in_bytes
from longctx.tokens import byte_offsets
from longctx.types import Document


def pieces(text: str, least: int = SENTENCE, format: str = "text", path: str = "a.txt") -> list[str]:
    cuts = find_cuts(Document(path, text, format))
    kept = [index for index in range(len(cuts.end)) if cuts.rank[index] >= least]
    begins = [0, *(int(cuts.begin[index]) for index in kept)]
    ends = [*(int(cuts.end[index]) for index in kept), len(text)]
    return [text[begin:end] for begin, end in zip(begins, ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It ends on Friday. The next one begins.", ["It ends on Friday.", "The next one begins."]),
        ("Paid to Acme Inc. The fee was late here.", ["Paid to Acme Inc. The fee was late here."]),
        ("See Smith v. Jones for the whole rule.", ["See Smith v. Jones for the whole rule."]),
        (
            "Am 3. Mai endet die Frist. Danach gilt Abs. 2 Satz 1.",
            ["Am 3. Mai endet die Frist.", "Danach gilt Abs. 2 Satz 1."],
        ),
        ("He asked “who pays?” Nobody knew it then.", ["He asked “who pays?”", "Nobody knew it then."]),
        ("The rate is 3.75 percent. It may e.g. rise again.", ["The rate is 3.75 percent.", "It may e.g. rise again."]),
        ("合同成立。当事人应当履行义务。", ["合同成立。", "当事人应当履行义务。"]),
        ("22.1. Assignment. Neither party may assign this.", ["22.1. Assignment. Neither party may assign this."]),
        ("The U.S. Government pays it all. We agree on it.", ["The U.S. Government pays it all.", "We agree on it."]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert pieces(text) == sentences


def test_nothing_is_put_between_a_heading_and_what_it_heads() -> None:
    text = "Fees are due at once.\n\n4. Payment\n\nThe customer pays within thirty days.\n\nLate fees apply then."
    assert pieces(text, PARAGRAPH) == [
        "Fees are due at once.",
        "4. Payment\n\nThe customer pays within thirty days.",
        "Late fees apply then.",
    ]


def test_lines_are_the_last_resort() -> None:
    cuts = find_cuts(Document("a.csv", "a,b\n1,2\n3,4", "csv"))
    assert set(cuts.rank.tolist()) == {LINE} and len(cuts.rank) == 2


def test_a_constant_before_any_top_level_definition_leaves_a_module_that_parses() -> None:
    source = textwrap.dedent('''\
        """Module.

        With a blank line.
        """
        from __future__ import annotations

        import os

        # belongs to f

        # belongs to f too
        @staticmethod
        def f():
            """Text

        at the margin.
            """
            return [

        1]


        class A:

            x = 1
        ''')
    source += inspect.getsource(json.decoder).split('"""', 2)[2]
    parts = pieces(source, PARAGRAPH, "code", "module.py")
    assert len(parts) > 5
    for index in range(1, len(parts)):
        ast.parse("\n\n\n".join([*parts[:index], "LIMIT = 1  # a needle", *parts[index:]]))
    assert not any(part.startswith(("import", "at the margin", "1]", "# belongs to f too")) for part in parts)


def test_other_languages_are_cut_at_the_margin() -> None:
    source = "int a;\n\nstatic int f(void)\n{\n    g();\n\n    h();\n}\n\n/* about b */\nint b;\n"
    assert pieces(source, PARAGRAPH, "code", "a.c") == [
        "int a;",
        "static int f(void)\n{\n    g();\n\n    h();\n}",
        "/* about b */\nint b;\n",
    ]


def test_cuts_in_bytes_are_the_same_places() -> None:
    text = "Größe gilt überall. Änderung folgt später. 合同成立。"
    document = Document("a.txt", text, "text")
    cuts, raw = find_cuts(document), text.encode()
    for cut, in_raw in zip(cuts.begin, in_bytes(cuts, byte_offsets(text)).begin, strict=True):
        assert raw[in_raw:].decode() == text[cut:]


@pytest.mark.parametrize(
    "text",
    [
        "Fees are due.\n\n8.2 Indemnification by the Company.\n\nThe Company pays all of it.",
        "The Company pays.\n\n**12. Fees.**\n\nThey are due at once.",
        "It is paid so: ● $30,000 as a down payment. ● $20,000 on delivery of it.",
        "The error is the following one.\n\n~~~\nTrace of it\n~~~",
        "It fails like this:\n\n```\nIt is bad here.\n\nIt is worse there.\n```",
        "They signed this agreement today.\n\nBy: /s/ J. Smith",
        "The sum is paid to the Purchaser on each of the dates.\n\nand to nobody else.",
    ],
)
def test_nothing_stands_where_the_text_goes_on(text: str) -> None:
    cuts = find_cuts(Document("a.txt", text, "text"))
    inner = [rank for end, rank in zip(cuts.end, cuts.rank, strict=True) if text[:end].strip() != text.split("\n")[0]]
    assert all(rank < PARAGRAPH for rank in inner[-1:]) and OPEN_PARAGRAPH not in inner[-1:]


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ("The rent is due in May.\n\nThe deposit is held by the agent.", OPEN_PARAGRAPH),
        ("The rent is due in May.\n\n(b) the deposit is held by the agent.", PARAGRAPH),
        ("The rent is due in May.\n\n“Term” means the term of the lease.", PARAGRAPH),
        ("The rent is due in May.\n\nWHEREAS the landlord owns the house.", PARAGRAPH),
        ("The rent is due in May. The deposit is held by the agent.", OPEN_SENTENCE),
        ("The rent is due in May. Such rent is held by the agent.", SENTENCE),
        ("Die Miete ist im Mai fällig. Diese Miete zahlt der Mieter.", SENTENCE),
        ("租金五月到期。该租金由承租人支付。", SENTENCE),
    ],
)
def test_open_places_are_those_where_something_of_its_own_may_stand(text: str, rank: int) -> None:
    assert max(find_cuts(Document("a.txt", text, "text")).rank.tolist()) == rank
