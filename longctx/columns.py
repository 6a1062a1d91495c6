"""The columns of the table of records, and the types that they have."""

from __future__ import annotations

from typing import get_args

from longctx.types import Outcome

OUTCOMES: tuple[str, ...] = get_args(Outcome)

COLUMNS: dict[str, tuple[str, str]] = {
    "run": ("category", "name of the run's folder; its path where two runs have the same name"),
    "id": ("str", "the sample's; unique within a run"),
    "task": ("category", "what was asked for"),
    "corpus": ("category", "name of the corpus that the haystack was cut from"),
    "model": ("category", "as it was asked for"),
    "backend": ("category", "what answered: vllm, openai, oracle, lossy"),
    "double": ("bool", "the answers come from a test double, not from a model"),
    "control": ("category", "closed-book (no haystack) or short (the needle alone); empty where there is a haystack"),
    "length_asked": ("Int64", "tokens the model should receive"),
    "length": ("Int64", "tokens the model received, as built"),
    "depth_asked": ("float64", "0-1, where the needle should stand; missing where there is no such place"),
    "depth": ("float64", "0-1, where it stands"),
    "density_asked": ("float64", "distractors per 10,000 haystack tokens, as asked"),
    "density": ("float64", "distractors per 10,000 haystack tokens, as built"),
    "seed": ("Int64", "the cell's"),
    "haystack": ("str", "hex id; equal for samples over the same haystack"),
    "host": ("category", "corpus of the document that the needle stands in; of a mixed corpus, the part"),
    "host_format": ("category", "format of that document"),
    "haystack_tokens": ("Int64", "tokens of the haystack, needles included"),
    "tokenizer": ("category", "name of the tokenizer that counted"),
    "scorer": ("category", "name of the function that scored"),
    "question": ("str", "what was asked"),
    "target": ("str", "what is right; several right answers are joined by ' | '"),
    "output_text": ("str", "what the model said"),
    "answer_text": ("str", "of that, what was scored: without the thinking; empty where it is all of it"),
    "score": ("float64", "0-1; missing for errors, which are no answers"),
    "outcome": ("category", "one of " + ", ".join(OUTCOMES)),
    "explanation": ("str", "why it was scored so"),
    "error": ("str", "why the call failed; empty where it did not"),
    "error_kind": ("category", "kind of failure; empty where there was none or it was not told"),
    "finish_reason": ("category", "as the engine said"),
    "prompt_tokens": ("Int64", "as the engine counted"),
    "cached_tokens": ("Int64", "of these, found in its prefix cache; missing where it does not say"),
    "output_tokens": ("Int64", "as the engine counted"),
    "thinking_tokens": ("Int64", "of these, spent on thinking"),
    "ttft_s": ("float64", "seconds to the first token"),
    "total_s": ("float64", "seconds to the last token"),
    "attempts": ("Int64", "how often the call was made"),
    "canaries": ("category", "what became of both ends of prompts as long as this; empty where nobody looked"),
    "started_at": ("datetime64[us, UTC]", "when the last call began"),
    "nested": ("Int64", "tokens of the longest prompt with whose haystack this one's begins alike; 0: of none"),
    "repeated": ("bool", "the haystack repeats passages because the corpus is shorter"),
    "sha256": ("str", "of the rendered prompt"),
    "needle_start": ("Int64", "token offset of the needle asked about, inside the haystack"),
    "needle_end": ("Int64", "where it ends, exclusive"),
    "needle_text": ("str", "the needle asked about"),
    "needle_file": ("str", "document that it was put into"),
    "needle_page": ("Int64", "page there; missing where the format has none"),
    "needle_line": ("Int64", "line there; missing where the format has pages instead"),
    "n_co_needles": ("Int64", "needles of other questions in the same haystack"),
    "n_distractors": ("Int64", "needles with a wrong answer in the haystack"),
    "n_needles": ("Int64", "of mrcr: how many answers are alike; missing elsewhere"),
    "noise_floor": ("float64", "score of a relevant but wrong answer; missing where the task has none"),
    "picked_tier": ("category", "tier of the distractor whose value was given; empty where none was"),
    "picked_start": ("Int64", "token offset of that distractor, inside the haystack"),
    "picked_nearness": ("float64", "its rank by distance to the needle, nearest last: (rank - ½) / distractors, 0-1"),
    "picked_lateness": ("float64", "its rank by place in the haystack, latest last: (rank - ½) / distractors, 0-1"),
}
"""Column → (dtype, what it holds). Text is never missing but empty; counts may be ``<NA>``."""

OF_THE_RUN = ("run", "double")
"""Columns that no record has but the run as a whole."""

EXTRA = ("n_needles", "noise_floor")
"""Columns that a task's own facts, ``extra``, may hold."""

OBJECTS = ("needles", "co_needles", "distractors", "variant", "recipe", "targets")
"""Columns of Python objects that ``load(…, objects=True)`` adds."""
