from __future__ import annotations

import base64
import gzip
import http.server
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import lxml.html
import pandas as pd
import pytest
from click.testing import CliRunner
from factories import ERROR, RIGHT, WRONG, fading, make_run
from stats_frames import answers

from longctx import figures, report, stats, table
from longctx.cli import group, main
from longctx.errors import RunError
from longctx.figures import Album
from longctx.findings import cautions, duration, headline, spent
from longctx.report import browser, exhibits
from longctx.report.page import cache_cautions
from longctx.stats.position import CONTRASTS
from longctx.types import Outcome

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PAYLOADS = [
    "<script>document.title='OWNED'</script>",
    "</script></style></title></textarea><script>document.title='OWNED'</script>",
    "<img src=x onerror=\"document.title='OWNED'\">",
    '" onmouseover="document.title=\'OWNED\'" autofocus onfocus="document.title=\'OWNED\'" x="',
    "' onload='document.title=`OWNED`",
    "</pre></dd></dl></article></details></section></main></body></html><h1>OWNED</h1>",
    "<svg onload=\"document.title='OWNED'\"><script>document.title='OWNED'</script></svg>",
    "]]><![CDATA[<script>document.title='OWNED'</script>]]>",
    "<!-- <plaintext> <!--[if IE]> --!>",
    "<iframe srcdoc=\"<script>parent.document.title='OWNED'</script>\"></iframe>",
    "<a href=\"javascript:document.title='OWNED'\" id=owned>javascript:document.title='OWNED'</a>",
    "<style>*{display:none !important}</style><link rel=stylesheet href=BEACON>",
    "<meta http-equiv=refresh content='0;url=BEACON'><base href=BEACON>",
    "<img src=BEACON><video src=BEACON><object data=BEACON><form action=BEACON><button autofocus>",
    "{{ 7 * 191 }}{% for x in range(9) %}OWNED{% endfor %}",
    "\x1b]0;OWNED\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\x00\x7f\u200b\ud800\uffff",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b" * 50,
    "&lt;script&gt;alert(1)&lt;/script&gt; &#x3c;b&#x3e;",
    "a" * 100_000,
    "𐎅" * 3_000 + "‮",
    "line\n" * 3_000,
]


def hostile_run(folder: Path, beacon: str = "http://192.0.2.1/beacon") -> Path:
    """Every text that a model, a document, a file name or a server wrote is a payload."""
    payloads = [payload.replace("BEACON", beacon) for payload in PAYLOADS]

    def answer(length: int, depth: float, i: int) -> dict[str, Any]:
        p = payloads[i]
        needle = {"text": p, "value": p, "start": 5, "end": 9, "file": p[:300], "page": None, "line": 7}
        said = {"output_text": p, "question": p, "target": [p, "x"], "explanation": p, "needles": [needle]}
        return {
            **(ERROR | {"error": p} if length == 2048 else WRONG),
            **said,
            "id": f"{length}{i}{p[:200]}",
            "finish_reason": p[:99],
        }

    short = [payload[:200] for payload in payloads]
    run = make_run(
        folder, [1024, 2048], [0.5], n=len(payloads), answer=answer, model=short[2], tasks=short[1:2], corpus=short[0]
    )
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["backend"] |= {p: p for p in short}
    manifest |= {"note": payloads[5], payloads[6]: [payloads], "tokenizer": payloads[1]}
    (run / "manifest.json").write_text(json.dumps(manifest))
    files = [
        {"path": p, "status": s, "reason": p, "format": p[:50], "chars": 3}
        for p in payloads
        for s in ("skipped", "read")
    ]
    facts = {"hash": "ab", "licence": payloads[2], "source": payloads[10], "files": [*files, "not a dict", {}]}
    (run / "corpora.json").write_text(json.dumps({payloads[0]: facts, payloads[5]: {}, "odd": 7}))
    return run


def page_of(run: Path, album: Album | None = None) -> tuple[str, lxml.html.HtmlElement]:
    """The page as text and as elements; without figures, which is quicker, unless an album is given."""
    text = report.write(run, album=album or Album()).read_text(encoding="utf-8")
    return text, lxml.html.fromstring(text)


def rows_of(page: lxml.html.HtmlElement) -> dict[str, list[Any]]:
    """The columns that the page's script unpacks."""
    packed = page.get_element_by_id("data").text
    found = json.loads(gzip.decompress(base64.b64decode(packed)))["columns"]
    return {
        name: [column["values"][code] for code in column["codes"]] if isinstance(column, dict) else column
        for name, column in found.items()
    }


TAGS = """html head meta link title style script body header h1 h2 h3 p nav ul li a main section figure figcaption img
details summary div table caption thead tbody tr th td article span dl dt dd pre bdi footer form button dialog"""
ATTRIBUTES = """lang charset http-equiv content name rel href class role aria-label aria-live tabindex id src alt width
open scope dir type hidden"""


def test_payloads_are_text_and_nothing_else(tmp_path: Path) -> None:
    run = hostile_run(tmp_path / "run")
    text, page = page_of(run, figures.draw(table.load(run), run / "figures", kinds=["png", "svg"]))
    elements = [element for element in page.iter() if isinstance(element.tag, str)]
    assert {element.tag for element in elements} <= set(TAGS.split())
    assert {name for element in elements for name in element.attrib} <= set(ATTRIBUTES.split())
    assert all(a.get("href").startswith("#") for a in page.iter("a"))
    assert all(re.match("data:image/(svg.xml|png);base64,", img.get("src")) for img in page.iter("img"))
    assert len(list(page.iter("img"))) >= 1
    assert [link.get("href") for link in page.iter("link")] == ["data:,"]
    assert len(page.findall(".//style")) == len(page.findall(".//title")) == 1
    assert [meta.get("http-equiv") for meta in page.iter("meta") if meta.get("http-equiv")] == [
        "Content-Security-Policy"
    ]
    assert {section.getparent().tag for section in page.iter("section")} == {"main"}, "a closing tag was obeyed"
    assert [script.get("type") for script in page.iter("script")] == ["text/plain", None]
    rows = rows_of(page)
    for payload in PAYLOADS[:11]:
        for name in ("question", "answer", "explanation", "needle_text"):
            assert payload in rows[name]
    said = rows["answer"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "".join(said))
    assert "1337" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert any("␛]0;OWNED␇␛[2J⟨U+009B⟩31m⟨U+202E⟩gnp.exe" in one for one in said)


def test_a_huge_output_is_clipped_and_says_so(tmp_path: Path) -> None:
    text, page = page_of(hostile_run(tmp_path / "run"))
    assert any("[…96,000 of 100,000 characters left out…]" in said for said in rows_of(page)["answer"])
    assert len(text) < 1_000_000


def test_the_policy_allows_this_page_and_nothing_else(tmp_path: Path) -> None:
    import hashlib

    text, page = page_of(make_run(tmp_path / "run", lengths=[1024]))
    (policy,) = (meta.get("content") for meta in page.iter("meta") if meta.get("http-equiv"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    parts = {name: text.split(f"<{name}>", 1)[1].split(f"</{name}>", 1)[0] for name in ("style", "script")}
    digests = {name: base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for name, part in parts.items()}
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{digests['style']}'",
        "script-src": f"'sha256-{digests['script']}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text


def test_page_says_what_a_reader_needs(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", answer=fading)
    frame = table.load(run)
    _, page = page_of(run)
    text = re.sub(r"\s+", " ", page.text_content())
    total = stats.summary(frame)
    interval = f"{100 * total['low']:.0f}–{100 * total['high']:.0f}"
    assert (
        f"SmolLM2-135M-Instruct via vllm: 80.0 % (48 of 60, 95 % interval {interval} %) of questions answered right"
        in text
    )
    found = rows_of(page)
    assert found["outcome"] == ["wrong"] * 12 + ["right"] * 48, "what is not right comes first"
    assert set(found["question"]) == {"How high is the deposit?"}
    assert set(found["target"]) == {"4,711"}
    assert found["answer"][0] == "I believe it is 99."
    places = [found[name] for name in ("length", "needle_file", "needle_page", "haystack_tokens")]
    assert {*zip(*places, strict=True)} == {
        ("1K", "lease.pdf", 3, 924), ("2K", "lease.pdf", 3, 1948), ("4K", "lease.pdf", 3, 3996),
        ("8,000", "lease.pdf", 3, 7900),
    }  # fmt: skip
    for fact in (
        "engine_args.dtype",
        "float32",
        "temperature",
        "2.13.0",
        "chat_template",
        "no text layer",
        "page 3 is damaged",
    ):
        assert fact in text
    assert "42 files: 1 skipped, 1 partly read, 40 read." in text
    rows = [[cell.text_content() for cell in row.iter("th", "td")] for row in page.iter("tr")]
    for cell in stats.rows(stats.cells(frame)):
        interval = f"{100 * cell['low']:.0f} % – {100 * cell['high']:.0f} %"
        label = {1024: "1K", 2048: "2K", 4096: "4K", 8000: "8,000"}[cell["length"]]
        depth = {0: "0 % (start)", 1: "100 % (end)"}.get(cell["depth"], f"{100 * cell['depth']:.0f} %")
        expected = [
            "niah_single",
            "0",
            label,
            depth,
            "3",
            f"{cell['right']:.0f}",
            f"{100 * cell['accuracy']:.0f} %",
            interval,
        ]
        assert any(row[:8] == expected for row in rows), expected


def test_page_is_accessible(tmp_path: Path) -> None:
    _, page = page_of(
        make_run(tmp_path / "run", [1024, 8000], [0.0], answer=lambda *at: ERROR if at[2] else WRONG, tasks=["a", "b"])
    )
    assert page.get("lang") == "en"
    assert all(img.get("alt") for img in page.iter("img"))
    assert all(found.find("caption") is not None for found in page.iter("table"))
    assert all(cell.get("scope") in ("col", "row") for head in page.iter("thead", "tbody") for cell in head.iter("th"))
    assert all(
        div.get("tabindex") == "0" and div.get("aria-label") for div in page.iter("div") if div.get("role") == "region"
    )
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(set(ids)) == len(ids)
    assert {a.get("href")[1:].split("?")[0] for a in page.iter("a")} <= set(ids)
    levels = [int(h.tag[1]) for h in page.iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_a_run_without_sidecars_is_reported_with_a_warning(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", n=1)
    (run / "manifest.json").write_text("[1, 2")
    (run / "corpora.json").unlink()
    text = page_of(run)[1].text_content()
    assert "manifest.json is missing or damaged" in text
    assert "corpora.json is missing or damaged" in text


def test_a_run_without_depths_has_a_page_without_a_heatmap(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", n=1, depth_asked=None, depth=None, needles=[], answer=lambda *_: WRONG)
    page = page_of(run, figures.draw(table.load(run), run / "figures", kinds=["png"]))[1]
    assert "none of 20 samples has both a length and a depth" in page.text_content()
    assert set(rows_of(page)["depth"]) == {"none"}


def test_a_page_holds_as_many_samples_as_fit_from_every_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "MOST", 30)
    run = make_run(tmp_path / "run", n=4, answer=lambda n, d, i: WRONG if i == 0 else RIGHT)
    _, page = page_of(run)
    assert "30 of 80 samples, from all cells in turn" in re.sub(r"\s+", " ", page.text_content())
    rows = rows_of(page)
    assert rows["outcome"].count("wrong") == 20, "all that are not right"
    assert len(set(zip(rows["length"], rows["depth"], strict=True))) == 20


def test_answers_are_cut_until_the_page_is_small_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    noise = {i: "".join(rng.choices("abcdefghijklmnopqrstuvwxyz ", k=5_000)) for i in range(60)}
    run = make_run(tmp_path / "run", [1024], [0.5], 60, lambda n, d, i: WRONG | {"output_text": noise[i]})
    frame = table.load(run)
    assert browser.pack(frame).clipped == browser.CLIPS[0]
    monkeypatch.setattr(browser, "ROOM", 60_000)
    packed = browser.pack(frame)
    assert packed.clipped == 600
    assert len(packed.data) <= 60_000


@pytest.mark.slow
def test_a_page_of_20_000_samples_is_below_10_mb(tmp_path: Path) -> None:
    rng = random.Random(0)

    def answer(length: int, depth: float, number: int) -> dict[str, Any]:
        said = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz ", k=1_000))
        return (RIGHT if rng.random() < 0.5 else WRONG) | {"output_text": said, "question": said[:90]}

    run = make_run(tmp_path / "run", [1024 * 2**i for i in range(8)], [i / 24 for i in range(25)], 100, answer)
    page = report.write(run)
    assert page.stat().st_size < 10_000_000


def test_every_outcome_is_explained() -> None:
    assert tuple(exhibits.OUTCOMES) == get_args(Outcome)


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", n=1)
    (run / "figures").write_text("a file in the way")
    with pytest.raises(RunError, match=r"Cannot write the report of .*run"):
        report.write(run)
    done = CliRunner().invoke(group, ["report", str(run)])
    assert isinstance(done.exception, RunError) and "File exists" in str(done.exception)


def test_headline_is_honest_about_what_is_missing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", planned=90, answer=lambda n, d, i: ERROR if i == 2 else fading(n, d, i))
    frame, manifest = table.load(run), table.read_json(run, "manifest.json")
    first, *rest = headline(frame, manifest)
    assert first.startswith("So far, with 60 of 90 planned samples asked: SmolLM2-135M-Instruct via vllm: ")
    assert "of 40, 95 % interval" in first
    assert rest[0].startswith("Best length: ")
    said = "\n".join(cautions(frame, manifest, {"x": {}}))
    assert "30 of 90 planned samples are missing" in said
    assert "20 calls failed" in said
    assert "Few answers a cell (n = 2)" in said
    assert "40 questions share 8 haystacks" in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"double": True}, "say nothing about any model"),
        ({"repeated": True}, "60 haystacks repeat passages"),
        ({"sha256": "ab" * 32}, "59 of 60 answers are to a prompt that was asked before"),
        ({"depth": 0.31}, "up to 69.0 points of depth"),
        (
            {"answer": lambda *_: WRONG | {"outcome": "truncated"}},
            "60 answers count as not right because the output budget",
        ),
        (
            {"answer": lambda *_: WRONG | {"outcome": "truncated_thinking"}},
            "60 answers count as not right because the output budget ended while the model was thinking",
        ),
        ({}, "over several of these count 3 pairs of a corpus and a seed as independent, not 12 haystacks. So few say"),
        (
            {"answer": lambda *_: WRONG | {"outcome": "empty"}},
            "60 answers count as not right because there was no output",
        ),
    ],
)
def test_cautions(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    run = make_run(tmp_path / "run", **fields)
    frame, manifest = table.load(run), table.read_json(run, "manifest.json")
    assert said in "\n".join(cautions(frame, manifest, {"x": {}}))


def test_a_sound_run_needs_no_caution(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], [0.5], n=20)
    assert cautions(table.load(run), table.read_json(run, "manifest.json"), {"x": {}}) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tasks": ["a", "b"]}, "By task: a 100.0 % (60 of 60 right, 95 % interval 44–100 %); b 100.0 %"),
        ({}, "The same at every length."),
        ({"answer": lambda *_: ERROR}, "SmolLM2-135M-Instruct via vllm: nothing was answered; 60 calls failed."),
        ({"answer": lambda *_: {"outcome": "partial", "score": 0.5}, "n": 1}, "20 questions over 4 lengths"),
        ({"lengths": [1024], "depths": [0.5]}, "over length 1K tokens and depth 50 %."),
        ({"double": True, "backend": "lossy"}, "LOSSY — a test double, no model: 100.0 %"),
    ],
)
def test_headline(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    run = make_run(tmp_path / "run", **fields)
    assert said in " ".join(headline(table.load(run), table.read_json(run, "manifest.json")))


def test_plan_against_what_was_spent(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", [1024, 8000], [0.0, 1.0], n=2, answer=lambda n, d, i: ERROR if (n, i) == (1024, 1) else RIGHT
    )
    rows = {label: (plan, done) for label, plan, done in spent(table.load(run), table.read_json(run, "manifest.json"))}
    assert rows["samples"] == ("8", "6 answered, 2 failed")
    assert rows["haystacks"] == ("4", "4")
    assert rows["prompt tokens"] == ("36,096", "34,048")
    assert rows["of these computed, the rest reused"] == ("27,136 at best", "26,112")
    assert rows["output tokens"] == ("–", "66")
    assert rows["time in calls"] == ("–", "40.1 s")
    assert rows["from the first call to the end of the last"] == ("–", "1 min 8 s")
    assert spent(table.load(run), {})[0] == ("samples", "–", "6 answered, 2 failed")


def test_duration() -> None:
    assert [duration(s) for s in (0.42, 59.9, 60, 3725, float("nan"))] == [
        "0.4 s",
        "59.9 s",
        "1 min 0 s",
        "1 h 2 min",
        "–",
    ]


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(group, [str(argument) for argument in arguments], catch_exceptions=False)


def test_report_command_prints_map_and_paths(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], corpus="\x1b[2J")
    result = invoke("report", run)
    assert result.exit_code == 0
    assert "all depths  █100" in result.output
    assert result.output.splitlines()[-3:] == [
        str(run / name) for name in ("report.html", "figures/heatmap.png", "figures/depth.png")
    ]
    assert "\x1b" not in result.output


@pytest.mark.slow
def test_report_command_prints_one_json_document(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / name, [1024], [0.5], n=4, answer=lambda n, d, i: RIGHT if i else WRONG) for name in "ab"
    ]
    result = invoke("report", *runs, "--json")
    found = json.loads(result.stdout)
    assert [one["run"] for one in found["reports"]] == [str(run) for run in runs]
    assert found["reports"][0]["accuracy"] == 0.75
    assert found["reports"][0]["lengths"] == [1024]
    assert all(Path(path).exists() for one in found["reports"] for path in (one["report"], *one["figures"]))
    assert "75.0 % (3 of 4" in found["reports"][0]["headline"]


def test_table_command(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", [1024, 2048], [0.5], n=4, corpus="a|b_\x1b", answer=lambda n, d, i: RIGHT if i else WRONG
    )
    assert invoke("table", run, "--by", "corpus,length").output.splitlines() == [
        r"| corpus | length | n | right | accuracy |   low |  high | partial | truncated | empty | errors |"
        r" haystacks | clusters | deff |",
        r"|--------|-------:|--:|------:|---------:|------:|------:|--------:|----------:|------:|-------:|"
        r"----------:|---------:|-----:|",
        r"| a\|b_␛ |   1024 | 4 |     3 |     0.75 | 0.301 | 0.954 |       0 |         0 |     0 |      0 |"
        r"         4 |        4 |    1 |",
        r"| a\|b_␛ |   2048 | 4 |     3 |     0.75 | 0.301 | 0.954 |       0 |         0 |     0 |      0 |"
        r"         4 |        4 |    1 |",
    ]
    assert invoke("table", run, "--out", tmp_path / "t.csv", "--format", "csv", "--by", "depth").output == ""
    assert (tmp_path / "t.csv").read_text().startswith("depth,n,right")
    invoke("table", run, "--out", tmp_path / "t.parquet")  # the ending says how
    assert pd.read_parquet(tmp_path / "t.parquet")["n"].tolist() == [4, 4]
    assert invoke("table", run, "--format", "csv", "--by", "depth").output.startswith(
        "depth,n,right,accuracy,low,high,partial,truncated,empty,errors,haystacks,clusters,deff\n0.5,8,6,0.75,"
    )
    assert r"a|b\_␛ & 8 & 6 & 0.750" in invoke("table", run, "--format", "latex", "--by", "corpus").output
    for way in (("--json",), ("--format", "json")):
        found = json.loads(invoke("table", run, "--by", "outcome", *way).stdout)
        assert found["by"] == ["outcome"]
        assert [(row["outcome"], row["n"]) for row in found["rows"]] == [("right", 6), ("wrong", 2)]


def test_commands_fail_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", n=1)
    for arguments, code, said in (
        (["table", str(run), "--by", "lenth"], 2, "Did you mean 'length'"),
        (["report", str(tmp_path)], 1, "is not a run"),
    ):
        monkeypatch.setattr(sys, "argv", ["longctx", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code, out, err.count("\n")) == (code, "", 1)
        assert said in err


def test_help_has_an_example() -> None:
    for name in ("report", "table", "watch"):
        assert f"Example: longctx {name} runs/demo" in invoke(name, "--help").output


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder served on this machine: its path, its address, and what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def browse(address: str, profile: Path, *more: str) -> tuple[str, list[str]]:
    """The page's elements after it has loaded, and what it wrote to the console."""
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    flags += " --disable-sync --no-first-run --enable-logging=stderr --virtual-time-budget=3000"
    done = subprocess.run(
        [str(CHROMIUM), *flags.split(), f"--user-data-dir={profile}", *more, "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


MEASURE = """<!DOCTYPE html><title>?</title><iframe src="run/report.html" width="{width}" height="800"></iframe><script>
addEventListener('load', () => setTimeout(() => {{
  const page = document.querySelector('iframe').contentDocument, root = page.documentElement
  page.querySelectorAll('details').forEach(one => one.open = true)
  page.querySelectorAll('article').forEach(one => one.style.contentVisibility = 'visible')
  document.title = JSON.stringify({{room: root.clientWidth, used: root.scrollWidth, title: page.title,
    styled: page.defaultView.getComputedStyle(page.body).maxWidth, articles: page.querySelectorAll('article').length,
    drawn: [...page.images].every(image => image.complete && image.naturalWidth > 0)}})
}}, 1500))</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
def test_nothing_hostile_runs_or_breaks_the_page_in_a_browser(site: tuple[Path, str, list[str]]) -> None:
    folder, address, asked = site
    run = hostile_run(folder / "run", f"{address}/beacon")
    report.write(run, album=figures.draw(table.load(run), run / "figures", kinds=["png", "svg"]))
    elements, console = browse(f"{address}/run/report.html", folder / "profile-1")
    page = lxml.html.fromstring(elements)
    assert page.findtext(".//title").endswith("run – longctx")
    assert asked == ["/run/report.html"], "one request for the page and none by it"
    assert console == []
    assert {section.getparent().tag for section in page.iter("section")} == {"main"}
    said = [pre.text_content() for pre in page.iter("pre")]
    assert PAYLOADS[0] in said and PAYLOADS[9] in said, "the script shows the samples as text"
    (folder / "measure.html").write_text(MEASURE.format(width=400))
    elements, console = browse(f"{address}/measure.html", folder / "profile-2")
    found = json.loads(lxml.html.fromstring(elements).findtext(".//title"))
    assert found["used"] <= found["room"] <= 400, "wider than a phone"
    assert found["drawn"]
    assert found["styled"] == "1120px", "the policy lets the page's own style through"
    assert found["articles"] == 20
    assert found["title"].endswith("run – longctx"), "no script changed it"
    assert not [path for path in asked if "beacon" in path]
    assert console == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", "60 of 60 samples"),
        ("?outcome=wrong", "12 of 60 samples"),
        ("?outcome=wrong&length=8%2C000&depth=0+%25+(start)", "3 of 60 samples"),
        ("?task=niah_single", "60 of 60 samples"),
        ("?text=BELIEVE+it", "12 of 60 samples"),
        ("?outcome=refused", "0 of 60 samples: no sample has outcome “refused”"),
    ],
)
def test_samples_are_picked_by_the_address(tmp_path: Path, query: str, shown: str) -> None:
    run = make_run(tmp_path / "run", answer=fading)
    report.write(run, album=Album())
    elements, console = browse(f"file://{run / 'report.html'}#samples{query}", tmp_path / "profile")
    page = lxml.html.fromstring(elements)
    assert page.get_element_by_id("state").text_content() == shown
    assert len(page.findall(".//article")) == min(20, int(shown.split()[0]))
    if "outcome=wrong" in query:
        assert {badge.text_content() for badge in page.find_class("badge")} == {"wrong"}
    assert [select.get("name") for select in page.iter("select")] == ["outcome", "length", "depth"]
    assert console == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
def test_the_browser_test_would_notice(site: tuple[Path, str, list[str]]) -> None:
    folder, address, asked = site
    text = "".join(payload.replace("BEACON", f"{address}/beacon") for payload in PAYLOADS[2:5] + PAYLOADS[13:14])
    (folder / "unsafe.html").write_text(
        f"<!DOCTYPE html><title>safe</title><script>console.error('heard')</script>{text}"
    )
    elements, console = browse(f"{address}/unsafe.html", folder / "profile")
    assert "<title>OWNED</title>" in elements
    assert [path for path in asked if "beacon" in path]
    assert any("heard" in line for line in console)


def test_the_cache_is_warned_of(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], [0.0, 1.0], 2)
    frame, manifest = table.load(run), table.read_json(run, "manifest.json")
    assert "25 % of the prompt tokens were found in the prefix cache" in cache_cautions(frame, manifest)[0]
    cold = frame.assign(cached_tokens=0)
    assert "4,096 prompt tokens were computed where 3,072 were planned" in cache_cautions(cold, manifest)[0]
    assert cache_cautions(cold.assign(double=True), manifest) == []
    silent = frame.assign(cached_tokens=pd.array([None] * 4, dtype="Int64"))
    assert "does not say" in cache_cautions(silent, manifest)[0]


@pytest.mark.slow
def test_effects_and_tests_stand_on_the_page(tmp_path: Path) -> None:
    frame = answers(lambda length, *_: 0.9 if length < 2048 else 0.1, densities=(0.0, 4.0), n=6)
    found = dict(exhibits.tests(frame.assign(n_distractors=1), 0.5))
    effective = found["Effective length, tokens"].set_index("rule")
    assert effective.loc["the asked accuracy", "longest tested length"] == "1,024"
    crossing = stats.threshold(frame, 0.5).crossing
    assert crossing and effective.loc["the asked accuracy", "falls below at"] == f"{crossing:,.0f}"
    assert list(found["Position, percentage points"]["contrast"]) == list(CONTRASTS)
    halved = found["Distractors per 10K tokens that halve the odds"]
    assert set(halved) >= {"halved at", "from", "to"} and halved["to"].tolist() != ["inf"]
    one = answers(lambda *_: 1.0, lengths=[1024], n=2).assign(n_distractors=0)
    said = dict(exhibits.tests(one, 0.5))
    assert "takes two" in said["Effective length, tokens"] and len(said) == 3
    page = report.write(make_run(tmp_path / "run", n=1), context=0).read_text(encoding="utf-8")
    assert "lost in the middle" in page and 'href="#tests"' in page
