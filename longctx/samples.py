"""From a haystack to a sample: the words around it, the check that the answer is unique, all that a record keeps."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from longctx import __version__
from longctx.content import digests
from longctx.corpus import Corpus, Section
from longctx.errors import TokenizerError
from longctx.exact import Haystack, Insert
from longctx.haystack import NO_BLANKS, Wanted, assemble
from longctx.rendering import renders
from longctx.scorers import normalise, occurrences
from longctx.tokens import Tokenizer
from longctx.types import Cell, Message, Sample, Span
from longctx.voice import Voice

AROUND = ("distance", "escape", "gap", "keys", "tier")
"""Further axes that change what stands around a fact, not the fact."""

_SPAN = tuple(field.name for field in fields(Span))


def haystack_seed(corpus: Corpus, cell: Cell) -> str:
    """Names a haystack: what its passages are drawn from, and so never the depth that is asked about.

    Nor the length of a nested one.
    """
    length = ["nested", cell.nested] if cell.nested else cell.length
    parts = [corpus.hash, length, cell.density, cell.seed, cell.depths_together, cell.variant]
    return _digest(json.dumps(parts))


def own_haystack(corpus: Corpus, cell: Cell) -> str:
    """Names the haystack of a task that makes its own, so that it is not taken for one of documents."""
    return _digest(f"{haystack_seed(corpus, cell)}:{cell.task}")


def facts_seed(cell: Cell) -> str:
    """Names the facts, so that the same questions are compared: the same at every length, depth and density.

    Nor does what stands around a fact change it: see `AROUND`.
    """
    axes = [(name, value) for name, value in cell.variant if name not in AROUND]
    parts = [cell.corpus, cell.seed, cell.depths_together, axes]
    return _digest(json.dumps(parts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def pick_host(corpus: Corpus, cell: Cell) -> Section:
    """The part of a mixed corpus in which the needle stands: drawn by share, the same at every length and depth."""
    rng = random.Random(f"{facts_seed(cell)}:host")
    return rng.choices(corpus.sections, [section.share for section in corpus.sections])[0]


def variant(cell: Cell, name: str, default: Any) -> Any:
    """Value of a further axis of the cell."""
    return dict(cell.variant).get(name, default)


def frames(voice: Voice, tokenizer: Tokenizer, questions: Sequence[str], escape: bool = False) -> list[tuple[str, str]]:
    """Rendered text before and after the haystack for each question.

    Args:
        voice: gives the words around a question.
        tokenizer: renders.
        questions: one or more.
        escape: say what to answer where the documents do not state the fact.
    """
    return [tokenizer.frame(*around(voice, question, escape), cue=voice.cue) for question in questions]


def around(voice: Voice, question: str, escape: bool = False) -> tuple[str, str]:
    """Text of the user's message before and after the haystack."""
    joint = "" if voice.language in NO_BLANKS else " "
    asked = (voice.escape + joint if escape else "") + voice.ask.replace("{question}", question)
    return voice.instruction + "\n\n", "\n\n" + asked


def inserted_sample(
    corpus: Corpus,
    cell: Cell,
    tokenizer: Tokenizer,
    *,
    question: str,
    target: str | list[str],
    scorer: str,
    inserts: Sequence[Insert],
    asked: Sequence[int],
    unique: Iterable[str],
    questions: Sequence[str] = (),
    escape: bool = False,
    host: Section | None = None,
    headers: bool = False,
    exclude: Sequence[tuple[int, int]] = (),
    extra: Mapping[str, Any] | None = None,
) -> Sample | None:
    """Build the sample that asks `question` over documents into which `inserts` are put.

    Args:
        corpus: filler and voice.
        cell: what was asked for.
        tokenizer: the model's.
        question: about some of the inserts, or about something that is not there.
        target: right answer.
        scorer: name of the scorer.
        inserts: needles and distractors.
        asked: indices of the inserts that are asked about, the one whose depth counts first; none where it is absent.
        unique: words, such as keys and values, that the filler must not hold.
        questions: all that are asked about this haystack; room is kept for the longest.
        escape: say in the prompt what to answer where the documents do not state the fact.
        host: part of a mixed corpus in whose documents the inserts stand.
        headers: show where a document begins, by its file's name; always done in a mixed corpus.
        exclude: (begin, end) bytes of the corpus's text that must not be filler.
        extra: what else the metadata should hold.

    Returns:
        The sample; None where the filler holds one of `unique` by chance, so that other facts must be drawn.

    Raises:
        ImpossibleSample, CorpusError: as `haystack.assemble`.
        TokenizerError: the chat template changes the text that it is given.
    """
    voice = corpus.voice
    seed = haystack_seed(corpus, cell)
    rendered = frames(voice, tokenizer, [question, *questions], escape)
    wanted = Wanted(
        length=cell.length,
        frame=rendered[0],
        inserts=inserts,
        seed=seed,
        longest_after=max(tokenizer.count(after) for _, after in rendered),
        host=host,
        headers=headers or corpus.mixed,
        exclude=exclude,
        nested=cell.nested,
        spacing=10_000 / cell.density if cell.nested and cell.density else 0.0,
    )
    haystack = assemble(corpus, tokenizer, wanted)
    if not is_unique(perhaps_held(corpus, haystack, unique), haystack, inserts):
        return None
    before, after = around(voice, question, escape)
    chat_input = as_input(tokenizer, haystack, before + haystack.border, after, voice.cue)
    more = dict(extra or {})
    if asked:
        file = haystack.spans[asked[0]].file
        more = {"host": (host or corpus.sections[0]).name, "host_format": corpus.format_of(file), **more}
    return make_sample(
        corpus, cell, tokenizer, haystack, chat_input,
        question=question, target=target, scorer=scorer, asked=asked, seed=seed, extra=more,
    )  # fmt: skip


def make_sample(
    corpus: Corpus,
    cell: Cell,
    tokenizer: Tokenizer,
    haystack: Haystack,
    chat_input: str | list[Message],
    *,
    question: str,
    target: str | list[str],
    scorer: str,
    asked: Sequence[int],
    seed: str,
    extra: Mapping[str, Any] | None = None,
) -> Sample:
    """The sample that asks `question` over a haystack, with everything that a record keeps.

    Args:
        corpus: that it was made from.
        cell: what was asked for.
        tokenizer: the model's.
        haystack: inside its prompt.
        chat_input: the prompt before the chat template.
        question: what is asked.
        target: right answer.
        scorer: name of the scorer.
        asked: indices of the spans that are asked about, the one whose depth counts first.
        seed: names the haystack.
        extra: what else the metadata should hold.

    Raises:
        TokenizerError: the chat template changes the text that it is given.
    """
    if not renders(tokenizer, chat_input, haystack.prompt):
        raise TokenizerError(f"The chat template of {tokenizer.name} changes the text of a message.")
    recipe = {
        "corpus": corpus.hash,
        "tokenizer": tokenizer.hash,
        "cell": asdict(cell),
        "files": digests(cell.variant),
        "voice": corpus.voice.name,
        "repeat": corpus.repeat,
        "longctx": __version__,
    }
    voice = corpus.voice
    metadata = {
        **_asked(corpus, cell, tokenizer),
        **_measured(haystack, asked),
        "haystack": _digest(f"{seed}:{cell.length}") if cell.nested else seed,
        "question": question,
        "scorer": scorer,
        "absent_forms": [normalise(voice.absent_answer).rstrip(".。"), *voice.absent_forms],
        "sha256": haystack.sha256,
        "recipe": recipe,
        **(extra or {}),
    }
    sample_id = _digest(json.dumps(recipe, sort_keys=True))
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
        "nested": cell.nested,
    }


def _measured(haystack: Haystack, asked: Sequence[int]) -> dict[str, Any]:
    needles = [haystack.spans[index] for index in asked]
    rest = [span for index, span in enumerate(haystack.spans) if index not in set(asked)]
    distractors = [_as_dict(span) for span in rest if not span.tier.startswith("co-")]
    room = haystack.tokens - (needles[0].end - needles[0].start) if needles else 0
    return {
        "length": len(haystack.prompt_ids),
        "depth": needles[0].start / room if room else 0.0 if needles else None,
        "density": 10_000 * len(distractors) / haystack.tokens,
        "haystack_tokens": haystack.tokens,
        "haystack_at": haystack.at,
        "needles": [_as_dict(needle) for needle in needles],
        "co_needles": [_as_dict(span) for span in rest if span.tier.startswith("co-")],
        "distractors": distractors,
        "repeated": haystack.repeated,
    }


def _as_dict(span: Span) -> dict[str, Any]:
    """What `dataclasses.asdict` gives, without the copies that it makes of plain values."""
    return {name: getattr(span, name) for name in _SPAN}


def as_input(tokenizer: Tokenizer, haystack: Haystack, before: str, after: str, cue: str = "") -> str | list[Message]:
    """A sample's input, as `Tokenizer.as_input` makes it: copied once where the prompt holds it as it is."""
    begin, end = haystack.inner
    prompt = haystack.prompt
    if tokenizer.has_template and prompt.endswith(before, 0, begin) and prompt.startswith(after, end):
        return [{"role": "user", "content": prompt[begin - len(before) : end + len(after)]}]
    return tokenizer.as_input(before, haystack.text, after, cue)


def perhaps_held(corpus: Corpus, haystack: Haystack, words: Iterable[str]) -> list[str]:
    """Those words that the filler may hold: documents are folded once, a haystack of millions of characters never."""
    added = haystack.added.casefold()
    forms = {word: {word.casefold(), normalise(word)} for word in words}
    return [word for word, own in forms.items() if any(corpus.holds(form) or form in added for form in own)]


def is_unique(words: Iterable[str], held: Haystack | str, inserts: Sequence[Insert]) -> bool:
    """True where words such as a fact's key and value stand in a haystack only where inserts put them.

    A value may stand in the inserts alone whose value it is, a key in any.

    Args:
        words: that nothing else must hold; looked for as they are and as `scorers.normalise` writes them.
        held: the haystack, or text of it.
        inserts: what was put into it.
    """
    words = set(words)
    if not words:
        return True
    folded = (held if isinstance(held, str) else held.text).casefold()
    for given in words:
        own = [insert.text for insert in inserts if insert.value == given] or [insert.text for insert in inserts]
        put = "\n".join(own).casefold()
        for word in {given.casefold(), normalise(given)}:
            # Counting the bare string is fast; only a surplus needs the question whether it is a word of its own.
            if folded.count(word) > put.count(word) and occurrences(word, folded) > occurrences(word, put):
                return False
    return True
