"""From facts to a sample: frame, haystack, the check that the answer is unique, and everything a record keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from longctx import __version__
from longctx.corpus import Corpus
from longctx.errors import TokenizerError
from longctx.haystack import NO_BLANKS, Haystack, Insert, assemble
from longctx.scorers import normalise, occurrences
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample
from longctx.voice import Fact, Voice


def haystack_seed(corpus: Corpus, cell: Cell) -> str:
    """Names a haystack: what its passages are drawn from, and so never the depth that is asked about."""
    parts = [corpus.hash, cell.length, cell.density, cell.seed, cell.depths_together, cell.variant]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def facts_seed(cell: Cell) -> str:
    """Names the facts: the same at every length, depth and density, so that the same questions are compared."""
    parts = [cell.corpus, cell.seed, cell.depths_together, cell.variant]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def frames(voice: Voice, tokenizer: Tokenizer, questions: Sequence[str], escape: bool = False) -> list[tuple[str, str]]:
    """Rendered text before and after the haystack for each question.

    Args:
        voice: gives the words around a question.
        tokenizer: renders.
        questions: one or more.
        escape: say what to answer where the documents do not state the fact.
    """
    return [tokenizer.frame(*_around(voice, question, escape), cue=voice.cue) for question in questions]


def _around(voice: Voice, question: str, escape: bool) -> tuple[str, str]:
    joint = "" if voice.language in NO_BLANKS else " "
    asked = (voice.escape + joint if escape else "") + voice.ask.replace("{question}", question)
    return voice.instruction + "\n\n", "\n\n" + asked


def fact_sample(
    corpus: Corpus,
    cell: Cell,
    tokenizer: Tokenizer,
    *,
    question: str,
    target: str | list[str],
    scorer: str,
    inserts: Sequence[Insert],
    asked: int | None,
    facts: Sequence[Fact],
    escape: bool = False,
) -> Sample | None:
    """Build the sample that asks `question` over a haystack that holds `inserts`.

    Args:
        corpus: filler and voice.
        cell: what was asked for.
        tokenizer: the model's.
        question: about one of the inserts, or about something that is not there.
        target: right answer.
        scorer: name of the scorer.
        inserts: needles and distractors.
        asked: index of the insert that is asked about; None where it is not there.
        escape: say in the prompt what to answer where the documents do not state the fact.
        facts: all facts that are asked about over this haystack; room is kept for the longest of their questions.

    Returns:
        The sample; None where the filler holds a fact's key or value by chance, so that others must be drawn.

    Raises:
        ImpossibleSample, CorpusError: as `haystack.assemble`.
        TokenizerError: the chat template changes the text that it is given.
    """
    voice = corpus.voice
    seed = haystack_seed(corpus, cell)
    around = frames(voice, tokenizer, [question, *(fact.question for fact in facts)], escape)
    haystack = assemble(
        corpus,
        tokenizer,
        length=cell.length,
        frame=around[0],
        inserts=inserts,
        seed=seed,
        longest_after=max(tokenizer.count(after) for _, after in around),
        repeat=corpus.repeat,
    )
    folded = haystack.text.casefold()
    if not all(is_unique(fact, folded) for fact in facts):
        return None
    before, after = _around(voice, question, escape)
    chat_input = tokenizer.as_input(before, haystack.text, after, voice.cue)
    if tokenizer.render(chat_input) != haystack.prompt:
        raise TokenizerError(f"The chat template of {tokenizer.name} changes the text of a user's message.")
    recipe = {
        "corpus": corpus.hash,
        "tokenizer": tokenizer.hash,
        "cell": asdict(cell),
        "voice": voice.name,
        "repeat": corpus.repeat,
        "longctx": __version__,
    }
    metadata = {
        **_asked(corpus, cell, tokenizer),
        **_measured(haystack, asked),
        "haystack": seed,
        "question": question,
        "scorer": scorer,
        "absent_forms": [normalise(voice.absent_answer).rstrip(".。"), *voice.absent_forms],
        "sha256": hashlib.sha256(haystack.prompt.encode()).hexdigest(),
        "recipe": recipe,
    }
    sample_id = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return Sample(sample_id, chat_input, target, metadata, haystack.prompt, haystack.prompt_ids)


def _asked(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "task": cell.task,
        "corpus": corpus.name,
        "corpus_hash": corpus.hash,
        "tokenizer": tokenizer.name,
        "tokenizer_hash": tokenizer.hash,
        "length_asked": cell.length,
        "depth_asked": cell.depth,
        "density_asked": cell.density,
        "seed": cell.seed,
        "depths_together": list(cell.depths_together),
        "variant": dict(cell.variant),
    }


def _measured(haystack: Haystack, asked: int | None) -> dict[str, Any]:
    needle = None if asked is None else haystack.spans[asked]
    rest = [span for index, span in enumerate(haystack.spans) if index != asked]
    distractors = [asdict(span) for span in rest if not span.tier.startswith("co-")]
    room = haystack.tokens - (needle.end - needle.start) if needle else 0
    return {
        "length": len(haystack.prompt_ids),
        "depth": None if needle is None else needle.start / room if room else 0.0,
        "density": 10_000 * len(distractors) / haystack.tokens,
        "haystack_tokens": haystack.tokens,
        "needles": [asdict(needle)] if needle else [],
        "co_needles": [asdict(span) for span in rest if span.tier.startswith("co-")],
        "distractors": distractors,
        "repeated": haystack.repeated,
    }


def is_unique(fact: Fact, text: str) -> bool:
    """True where a fact's key and value stand in a haystack only where its needle, if it is there, put them.

    Args:
        fact: asked about, or asked about though it is not there.
        text: the haystack, case folded.
    """
    needle = fact.needle.casefold()
    if needle not in text:
        needle = ""
    for words in {fact.key.casefold(), fact.value.casefold(), normalise(fact.value)}:
        # Counting the bare string is fast; only a surplus needs the question whether it is a word of its own.
        if text.count(words) > needle.count(words) and occurrences(words, text) > occurrences(words, needle):
            return False
    return True
