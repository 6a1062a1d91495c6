from __future__ import annotations

import json
import multiprocessing
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_tokenizers

from longctx import corpus_cache, encoded
from longctx.content import cache_folder
from longctx.corpus import Corpora, Corpus
from longctx.errors import CorpusError, DocumentError
from longctx.sources import find_source, read_source
from longctx.tasks import find_task, load_maker
from longctx.tokens import Tokenizer
from longctx.types import Cell


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.gpt2_like(), "gpt2-like")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of documents, and a cache that no other test has filled."""
    monkeypatch.setenv("LONGCTX_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "docs"
    (root / "sub").mkdir(parents=True)
    make = load_maker("contracts")
    for index in range(3):
        (root / "sub" / f"{index}.md").write_text(make(index, 1).text[:9000], "utf-8")
    (root / "größe.txt").write_text(small_tokenizers.GERMAN * 5, "utf-8")
    return root


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of documents handed to the tokenizer, one item for each time."""
    counts: list[int] = []
    real = encoded.encode_texts
    monkeypatch.setattr(encoded, "encode_texts", lambda texts, tok: (counts.append(len(texts)), real(texts, tok))[1])
    return counts


def open_corpus(tokenizer: Tokenizer, folder: Path, **options: Any) -> Corpus:
    return Corpora(tokenizer, **options).get(str(folder), 1000)


def test_ids_are_those_of_the_whole_text(tokenizer: Tokenizer, folder: Path) -> None:
    corpus = open_corpus(tokenizer, folder)
    whole = tokenizer.encode(corpus.text.tobytes().decode())
    np.testing.assert_array_equal(corpus.ids, whole.ids)
    np.testing.assert_array_equal(corpus.starts, whole.starts)
    assert sum(corpus.tokens_of(stretch) for stretch in corpus.documents) <= corpus.tokens


def test_every_place_is_found_again(tokenizer: Tokenizer, folder: Path) -> None:
    corpus = open_corpus(tokenizer, folder)
    needle = "Größere Änderungen".encode()
    offset = corpus.text.tobytes().index(needle)
    assert (corpus.locate(offset).file, corpus.locate(offset).line) == ("größe.txt", 1)
    text = (folder / "sub" / "1.md").read_text("utf-8")
    line = text.splitlines()[40]
    place = corpus.locate(corpus.text.tobytes().index(line.encode()) + 1)
    assert (place.file, place.page) == ("sub/1.md", None)
    assert text.splitlines()[(place.line or 0) - 1] == line


def test_a_folder_that_was_moved_or_touched_is_not_encoded_again(
    tokenizer: Tokenizer, folder: Path, encodings: list[int]
) -> None:
    first = open_corpus(tokenizer, folder)
    moved = folder.with_name("moved")
    shutil.copytree(folder, moved)  # new times, new place
    again = open_corpus(tokenizer, moved)
    assert encodings == [4] and first.hash == again.hash


def test_one_changed_file_is_encoded_alone(tokenizer: Tokenizer, folder: Path, encodings: list[int]) -> None:
    first = open_corpus(tokenizer, folder)
    with (folder / "sub" / "1.md").open("a", encoding="utf-8") as file:
        file.write("\n\nAnd one more sentence.\n")
    changed = open_corpus(tokenizer, folder)
    assert encodings == [4, 1] and changed.hash != first.hash and changed.tokens > first.tokens


@pytest.mark.parametrize("name", ["ids.npy", "text.npy", "cuts.npy", "meta.json"])
def test_damage_is_noticed_and_mended(
    tokenizer: Tokenizer, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ids = open_corpus(tokenizer, folder).ids.copy()
    [path] = cache_folder("corpora").glob(f"*/{name}")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw[: -3 if name == "meta.json" else None])
    builds: list[Path] = []
    real = corpus_cache._build
    monkeypatch.setattr(corpus_cache, "_build", lambda folder, *rest: (builds.append(folder), real(folder, *rest))[1])
    np.testing.assert_array_equal(open_corpus(tokenizer, folder).ids, ids)
    assert len(builds) == 1
    open_corpus(tokenizer, folder)
    assert len(builds) == 1


def test_a_damaged_encoding_is_made_again(tokenizer: Tokenizer, folder: Path, encodings: list[int]) -> None:
    ids = open_corpus(tokenizer, folder).ids.copy()
    [database] = cache_folder("encoded").glob("*.sqlite")
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE encoded SET ids = substr(ids, 1, length(ids) - 4) || x'01000000' WHERE rowid = 2")
    connection.close()
    shutil.rmtree(cache_folder("corpora"))
    np.testing.assert_array_equal(open_corpus(tokenizer, folder).ids, ids)
    assert encodings == [4, 1]
    database.write_bytes(b"no database at all, not even a little of one" * 50)
    shutil.rmtree(cache_folder("corpora"))
    np.testing.assert_array_equal(open_corpus(tokenizer, folder).ids, ids)
    assert encodings == [4, 1, 4]


def _open_in_process(folder: str, barrier: Any, results: Any) -> None:
    tokenizer = Tokenizer(small_tokenizers.gpt2_like(), "gpt2-like")
    barrier.wait()
    corpus = Corpora(tokenizer).get(folder, 1000)
    results.put((corpus.hash, int(corpus.ids.sum()), corpus.tokens))


@pytest.mark.slow
def test_processes_that_build_the_same_corpus_at_once_all_get_it(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")  # the tokenizer's threads do not survive a fork
    barrier, results = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_open_in_process, args=(str(folder), barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    found = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)
    assert len(found) == 1
    assert len(list(cache_folder("corpora").iterdir())) == 1  # nothing half-built is left


def test_a_corpus_that_is_too_small_says_both_numbers(tokenizer: Tokenizer, folder: Path) -> None:
    corpus = open_corpus(tokenizer, folder)
    cell = Cell("niah_single", "docs", 50_000, 0.5)
    with pytest.raises(CorpusError, match=rf"has {corpus.tokens:,} tokens; 4\d,\d+ tokens of filler.*--repeat"):
        find_task("niah_single").build(corpus, cell, tokenizer)
    repeating = open_corpus(tokenizer, folder, repeat=True)
    sample = find_task("niah_single").build(repeating, cell, tokenizer)
    assert sample.metadata["repeated"] and len(tokenizer.prompt_ids(sample.prompt)) == 50_000
    short = find_task("niah_single").build(repeating, Cell("niah_single", "docs", 2000, 0.5), tokenizer)
    assert not short.metadata["repeated"]


def test_three_sentences_that_may_recur_fill_any_length(tokenizer: Tokenizer, folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "few.txt").write_text("The cat sat.\n\nThe dog ran away.\n\nNobody saw it.\n")
    few = open_corpus(tokenizer, folder, repeat=True)
    for length in (300, 700, 701, 2000):
        for seed in range(5):
            cell = Cell("niah_single", "docs", length, seed / 4, seed=seed)
            sample = find_task("niah_single").build(few, cell, tokenizer)
            assert len(tokenizer.prompt_ids(sample.prompt)) == length and sample.metadata["repeated"]


def test_control_tokens_in_a_document_stay_text(tokenizer: Tokenizer, folder: Path) -> None:
    (folder / "bad.txt").write_text("He said <|endoftext|> twice: <|endoftext|>. Then he left it there.\n" * 3, "utf-8")
    corpus = open_corpus(tokenizer, folder)
    assert corpus.defused == 6
    assert "< |endoftext|>" in corpus.text.tobytes().decode() and 0 not in corpus.ids


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (small_tokenizers.GERMAN, "de"),
        (small_tokenizers.CHINESE, "zh"),
        ("The party shall pay the fee in full. ", "en"),
    ],
)
def test_a_bare_folder_speaks_its_own_language(tokenizer: Tokenizer, tmp_path: Path, text: str, language: str) -> None:
    folder = tmp_path / language
    folder.mkdir()
    numbered = "\n".join(f"{text}({number}) {text}" for number in range(80))
    (folder / "a.txt").write_text(numbered, "utf-8")
    corpus = open_corpus(tokenizer, folder)
    assert corpus.language == language and corpus.voice.name == f"neutral-{language}"
    sample = find_task("niah_single").build(corpus, Cell("niah_single", language, 2000, 0.5), tokenizer)
    assert sample.metadata["question"] in str(sample.input)
    assert len(tokenizer.prompt_ids(sample.prompt)) == 2000


def test_a_folder_of_code_gets_the_voice_of_code(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("import os\n\n\ndef f():\n    return 1\n\n\ndef g():\n    return 2\n" * 20)
    assert open_corpus(tokenizer, tmp_path / "src").voice.name == "code"


def test_a_folder_with_a_toml_says_what_it_wants(tokenizer: Tokenizer, folder: Path) -> None:
    (folder / "corpus.toml").write_text('name = "ours"\nlicence = "private"\nvoice = "contracts"\n')
    corpus = open_corpus(tokenizer, folder)
    assert (corpus.name, corpus.voice.name, corpus.describe()["licence"]) == ("ours", "contracts", "private")
    assert "corpus.toml" not in [file.path for file in corpus.files]
    (folder / "corpus.toml").write_text('nmae = "ours"\n')
    with pytest.raises(CorpusError, match="Unknown field 'nmae'. Did you mean 'name'"):
        open_corpus(tokenizer, folder)


def test_names_that_are_not_there(tokenizer: Tokenizer, folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"Unknown corpus 'contract'. Did you mean 'contracts'\?.*folder"):
        find_source("contract")
    with pytest.raises(CorpusError, match="neutral-en.*no documents"):
        find_source("neutral-en")
    with pytest.raises(CorpusError, match="Unknown voice 'lawyer'"):
        open_corpus(tokenizer, folder, voice="lawyer")
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(DocumentError):
        open_corpus(tokenizer, empty)


def test_two_corpora_of_one_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "corpus.toml").write_text('name = "contracts"\n')
    with pytest.raises(CorpusError, match=r"Two corpora are called 'contracts': .*contracts.* and .*x"):
        find_source("contracts", [tmp_path])


@pytest.mark.slow
def test_a_longer_length_gets_more_synthetic_documents_and_a_shorter_one_the_same(
    tokenizer: Tokenizer, folder: Path
) -> None:
    corpora = Corpora(tokenizer)
    short, same, long = (corpora.get("contracts", length) for length in (1000, 60_000, 90_000))
    assert short is same and long.hash != short.hash
    assert long.tokens > 90_000


def test_shipped_corpora_have_what_a_report_prints() -> None:
    for name in ("contracts", "disclosures", "support", "policies", "code"):
        source = find_source(name)
        assert source.title and source.origin and source.licence and source.grows and source.voice
    assert json.dumps(read_source(find_source("code").folder / "corpus.toml").name) == '"code"'
