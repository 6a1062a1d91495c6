"""Mined values: what gives them away, what a changed one must fit, what a spreadsheet makes of them."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from longctx.errors import UsageError
from longctx.mining import mine, read_csv, to_csv
from longctx.mining.fitting import fits
from longctx.mining.giveaways import tells
from longctx.mining.prose import PROSE_KINDS
from longctx.mining.rewritten import is_rewritten
from longctx.types import Document

RATE = "Interest accrues on overdue invoices of the Supplier at a rate of 4.75% a year from the day it fell due.\n"


@pytest.mark.parametrize(
    ("kind", "value", "passage", "told"),
    [
        (
            "duration",
            "30 years",
            "Despite the 30-year term, a customer may sign for longer than 30 years at once.",
            True,
        ),
        (
            "duration",
            "6 months",
            "A six-month notice is due, and the deposit is held for 6 months after the end.",
            True,
        ),
        ("duration", "45 days", "The notice must arrive within 45 days; the fee of $45.20 is due in 30 days.", False),
        ("duration", "12 weeks", "The project takes 12 weeks from February 8, 2018 to May 3, 2018.", True),
        ("percentage", "52.1%", "It was reached by 69.1% here and by 17.0% there; the difference was 52.1%.", True),
        ("percentage", "51%", "Premium income increased 51% to $6,846 million from $4,521 million.", True),
        ("percentage", "4.75%", "The rate rose from 3.10% to 4.75% in that year.", False),
        ("amount", "$478.2 million", "Revenue increased 13.5% to $542.8 million from $478.2 million.", True),
        ("amount", "$898,000", "With revenue of $898,000 and expenses of $1,026,000 the loss was $128,000.", True),
        ("amount", "$412,750", "The fee of $412,750 is due on 1 March 2031 with interest at 5%.", False),
        (
            "term",
            "Production Approval",
            "Once it is approved for production (the “Production Approval”), it ships.",
            True,
        ),
        ("term", "Purchase Price", "The amount that the buyer owes at closing (the “Purchase Price”) is due.", False),
        ("constant", "annual_orders", 'ANNUAL_ORDER_TABLE = "annual_orders"', True),
        ("constant", "ledger-07", 'ANNUAL_ORDER_TABLE = "ledger-07"', False),
    ],
)
def test_what_the_words_around_a_value_tell_is_no_question(kind: str, value: str, passage: str, told: bool) -> None:
    assert tells(kind, value, passage, passage.replace(value, "____")) is told


@pytest.mark.parametrize(
    ("kind", "old", "new", "passage", "possible"),
    [
        ("date", "August 1, 1995", "March 2, 1996", "It begins August 1, 1995 and ends January 30, 2000.", True),
        ("date", "August 1, 1995", "March 2, 2001", "It begins August 1, 1995 and ends January 30, 2000.", False),
        ("date", "March 31, 2017", "May 5, 2017", "For calendar year 2016 the fee is due on March 31, 2017.", True),
        ("date", "March 31, 2017", "May 5, 2016", "For calendar year 2016 the fee is due on March 31, 2017.", False),
        ("duration", "70 days", "52 days", "Not more than 70 days and not less than 10 days before.", True),
        ("duration", "70 days", "7 days", "Not more than 70 days and not less than ten days before.", False),
        ("percentage", "75%", "83%", "The least is 75% and the most is 150%.", True),
        ("percentage", "75%", "180%", "The least is 75% and the most is 150%.", False),
        ("amount", "$480,000", "$170,000", "The cost is $480,000, of which $180,000 is paid in shares.", False),
    ],
)
def test_an_edited_value_fits_what_stands_around_it(
    kind: str, old: str, new: str, passage: str, possible: bool
) -> None:
    assert fits(kind, passage, old, new) is possible


def test_an_edited_term_names_a_thing_of_the_same_sort() -> None:
    for seed in range(9):
        assert PROSE_KINDS["term"].change("Involved Party", Random(seed), "en").endswith(" Party")  # type: ignore[union-attr]


def test_a_company_whose_initials_the_text_goes_on_with_is_not_asked_about() -> None:
    text = "An agreement with {} covers the source code that it has deposited with DSI in the spring of that year."
    assert list(PROSE_KINDS["party"].find(text.format('Data Security Isles, Inc. ("DSI")'))) == []
    assert list(PROSE_KINDS["party"].find(text.format("Data Harbor Isles, Inc."))) != []


@pytest.mark.parametrize(
    ("cell", "value", "rewritten"),
    [
        ("2031-03-04", "March 4, 2031", True),
        ("04.03.31 10:15", "04/Mar/31 10:15", True),
        ("5 March 2031", "March 4, 2031", False),
        ("0,0475", "4.75%", True),
        ("4.70%", "4.75%", False),
        ("$412750.00", "$412,750", True),
        ("4.12750E+05", "412750", True),
        ("60 days", "45 days", False),
        ("1.1", "1.10", True),
    ],
)
def test_what_a_spreadsheet_rewrote_is_told_from_what_a_person_wrote(cell: str, value: str, rewritten: bool) -> None:
    assert is_rewritten(cell, value) is rewritten


def test_a_persons_value_is_kept_or_refused_but_never_replaced(tmp_path: Path) -> None:
    document = Document("contract.txt", RATE, "text")

    def back(value: str) -> str:
        text = to_csv(mine([document], ["percentage"]))
        path = tmp_path / "facts.csv"
        path.write_text("sep=,\r\n" + text.removeprefix("\ufeff").replace(",4.75%,", f",{value},"), "utf-8", newline="")
        return read_csv(path, [document])[0].value

    assert back("4.75% a year") == "4.75% a year" and back("0.0475") == "4.75%"
    with pytest.raises(UsageError, match=r"'5\.25%' must stand once in the passage.*edit=edited"):
        back("5.25%")
