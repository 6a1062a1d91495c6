from __future__ import annotations

import math
import random
from typing import Any

import pytest
import toy

from longctx.backends import BACKENDS, prepare_backend
from longctx.backends.doubles import DOUBLES, Lossy, Oracle
from longctx.backends.reader import find_passages
from longctx.errors import UsageError
from longctx.sources import find_sources
from longctx.types import Cell, Sample, Sampling
from longctx.voice import distinct_facts

FILLER = (
    "The parties met in Lisbon. Invoices fall due after 30 days. Alder Metals LLC keeps the minutes.\n\n"
    "Nobody disputes the annex. Dr. Ng of Cedar Foods Inc. signed on 4 May 2021."
)


def read(needles: list[str], question: str, filler: str = FILLER) -> list[tuple[str, bool]]:
    text = f"Read this.\n\n{filler} {' '.join(needles)} {filler}\n\nAnswer the question.\n{question}\nAnswer:"
    return [(passage.text, passage.certain) for passage in find_passages(text, question)]


@pytest.mark.parametrize(
    ("fact", "question", "keys"),
    [
        (
            "The cap on late fees under the agreement with {key} is US${value}.",
            "What is the cap on late fees under the agreement with {key}?",
            ["Alder Foods Inc.", "Wexford Tools Holdings, Inc.", "Alder Tools LLC"],
        ),
        ("The trial led by {key} enrolled {value} patients.", "How many patients were in the trial led by {key}?",
         ["Francis A. Aguilar", "Alan V. Acheampong", "Francis B. Aguilar"]),
        ("Adults take at most {value} mg of {key} a day.", "What is the highest daily dose of {key}?",
         ["Uroium", "Dalafin SR", "Miradex Select"]),
        ("{key} = {value}", "What is the value of {key}?",
         ["CACHE_VERIFY_BUDGET", "CACHE_VERIFY_LIMIT", "QUEUE_VERIFY_BUDGET"]),
        ("Die Vertragsstrafe der {key} beträgt {value} Euro.", "Wie hoch ist die Vertragsstrafe der {key}?",
         ["Felsenstahl Roth eG", "Neckarverlag Beck UG (haftungsbeschränkt)", "Felsenstahl Otto KGaA"]),
        ("{key}的违约金上限为人民币{value}元。", "{key}的违约金上限是多少？",
         ["成都众华能源有限公司", "合肥凯诚实业有限公司", "北京文邦食品有限公司"]),
        ("“{key}”的登记编号为{value}。", "“{key}”的登记编号是多少？", ["德美海四期", "远鹏中新区", "德美海三期"]),
    ],
)  # fmt: skip
def test_the_reader_finds_the_fact_among_look_alikes_and_misses_what_is_not_there(
    fact: str, question: str, keys: list[str]
) -> None:
    needles = [fact.format(key=key, value=4711 + place) for place, key in enumerate(keys)]
    for place, key in enumerate(keys):
        found = read(needles, question.format(key=key))
        assert str(4711 + place) in found[0][0] and found[0][1], found
        assert [certain for _, certain in found].count(True) == 1, found
        found = read(needles[:place] + needles[place + 1 :], question.format(key=key))
        assert not any(certain for _, certain in found), found


VOICES = {name: source.voice for name, source in sorted(find_sources().items()) if source.voice}


@pytest.mark.parametrize("name", VOICES)
def test_the_reader_is_right_about_every_fact_of_every_shipped_voice(name: str) -> None:
    voice, rng = VOICES[name], random.Random(name)
    for form in voice.facts:
        *there, absent = distinct_facts(form, 4, rng, voice.language)
        needles = [fact.needle for fact in there]
        others = [other.fill(rng, voice.language).needle for other in voice.facts if other is not form]
        paragraphs = rng.sample([*needles, *others, *FILLER.split("\n\n")], len(others) + 5)
        if voice.boundary == "sentence":  # needles stand within paragraphs, look-alikes beside each other
            paragraphs = [("" if voice.language == "zh" else " ").join(paragraphs)]
        haystack = "\n\n".join([voice.instruction, *paragraphs])
        for fact in there:
            found = find_passages(f"{haystack}\n\n{voice.ask.format(question=fact.question)}", fact.question)
            assert found[0].certain and fact.value in found[0].text, fact
        found = find_passages(f"{haystack}\n\n{voice.ask.format(question=absent.question)}", absent.question)
        assert not found[0].certain, absent


def test_the_reader_does_not_take_the_question_for_an_answer() -> None:
    assert not any(certain for _, certain in read([], "What is the cap for Alder Foods Inc.?"))
    assert find_passages("", "") == []
    assert find_passages("What is 3?", "What is 3?") == []


def cells(count: int, **fields: Any) -> list[Cell]:
    return toy.sweep(samples=count, **fields).cells()


def test_the_oracle_is_right_and_says_so_in_plausible_numbers() -> None:
    samples = [toy.build(cell) for cell in cells(3)]
    for sample, response in zip(samples, Oracle().generate(samples), strict=True):
        assert toy.score(sample, response).value == 1
        assert response.prompt_tokens == len(sample.prompt_ids)
        assert response.output_tokens and response.total_s is not None and response.finish_reason == "stop"


def without_needle(sample: Sample) -> Sample:
    begin = sample.prompt.index(" The code")
    prompt = sample.prompt[:begin] + sample.prompt[sample.prompt.index(".", begin) + 1 :]
    return Sample(sample.id, prompt, "", sample.metadata, prompt, sample.prompt_ids)


def test_the_oracle_says_that_an_absent_fact_is_not_there() -> None:
    [response] = Oracle().generate([without_needle(toy.build(cells(1)[0]))])
    assert response.text == "not stated"


@pytest.mark.parametrize("known", [True, False])
def test_lossy_forgets_as_often_as_its_truth_says(known: bool) -> None:
    lossy = Lossy(midpoint=400, steepness=1.5, dip=0.4, density_loss=0.02, ceiling=0.95)
    count = 1500
    for cell in cells(1, lengths=[200, 400], depths=[0, 0.5], densities=[0, 10]):
        grown = [Cell(cell.task, cell.corpus, cell.length, cell.depth, cell.density, seed) for seed in range(count)]
        samples = [toy.build(each) if known else without_needle(toy.build(each)) for each in grown]
        texts = [response.text for response in lossy.generate(samples)]
        kept = sum((s.target if known else "not stated") in t for s, t in zip(samples, texts, strict=True))
        truth = lossy.truth(cell.length, cell.depth, cell.density)
        assert abs(kept / count - truth) < 4 * math.sqrt(truth * (1 - truth) / count)


def test_lossy_is_wrong_about_tasks_with_a_reader_of_their_own_too() -> None:
    rents = {"Alder Foods Inc.": 4711, "Birch Metals Inc.": 8315, "Cedar Tools Inc.": 2960}
    stated = "\n\n".join(f"The monthly rent of {who} is {rent} dollars." for who, rent in rents.items())
    question = "What is the monthly rent of Alder Foods Inc.?"
    built = toy.build(cells(1, densities=[40])[0])
    prompt = f"{stated}\n\n{question}"
    samples = [
        Sample(f"{number}", prompt, "4711", {**built.metadata, "question": question}, prompt, built.prompt_ids)
        for number in range(40)
    ]

    def said(read: str) -> list[str]:
        lossy = Lossy(ceiling=0, readers={built.metadata["task"]: lambda prompt, question: read})
        return [response.text for response in lossy.generate(samples)]

    assert "not stated" not in said("not stated")  # of what is absent it invents something
    answers = said("4711 dollars")
    assert 5 < answers.count("not stated") < 35  # of what is there it gives a look-alike, or says that there is none
    assert all(answer == "not stated" or "8315" in answer or "2960" in answer for answer in answers)


def test_lossy_truth_falls_with_length_and_density_and_dips_in_the_middle() -> None:
    lossy = Lossy()
    assert lossy.truth(lossy.midpoint, 0.0, 0.0) == pytest.approx(0.5)
    assert lossy.truth(1024, 0, 0) > lossy.truth(65_536, 0, 0) > lossy.truth(1 << 20, 0, 0)
    assert lossy.truth(1024, 0.5, 0) == pytest.approx(0.7 * lossy.truth(1024, 0, 0))
    assert lossy.truth(1024, 1, 0) == lossy.truth(1024, 0, 0) > lossy.truth(1024, 0, 8)


def test_lossy_draws_belong_to_the_sample_and_the_seed() -> None:
    samples = [toy.build(cell) for cell in cells(20)]
    shuffled = random.Random(1).sample(samples, len(samples))

    def said(lossy: Lossy, asked: list[Sample]) -> dict[str, str]:
        return {response.id: response.text for response in lossy.generate(asked)}

    once = said(Lossy(midpoint=300), samples)
    assert once == said(Lossy(midpoint=300), shuffled)
    assert once != said(Lossy(midpoint=300, seed=1), samples)


@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_doubles_say_that_they_are(name: str) -> None:
    double = prepare_backend(name, model="", length=1, sampling=Sampling(), engine_args={"delay_s": 0.5}).start()
    assert double.double and double.name == name
    assert double.describe()["delay_s"] == 0.5 and "double" in double.describe()["what"]
    double.close()
    double.close()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("orakle", {}, "Unknown backend 'orakle'. Did you mean 'oracle'"),
        ("oracle", {"midpoint": 3}, "Unknown parameter of oracle 'midpoint'"),
        ("lossy", {"midpiont": 3}, "Did you mean 'midpoint'"),
        ("lossy", {"midpoint": 0}, "midpoint of lossy is 0"),
        ("lossy", {"dip": 2}, "dip of lossy is 2"),
        ("lossy", {"ceiling": -1}, "ceiling of lossy is -1"),
        ("lossy", {"steepness": "x"}, "steepness of lossy is 'x'"),
        ("oracle", {"delay_s": True}, "delay_s of oracle is True"),
    ],
)
def test_backends_and_parameters_that_cannot_be_are_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prepare_backend(name, model="", length=1, sampling=Sampling(), engine_args=arguments)


def test_every_backend_is_described() -> None:
    assert set(DOUBLES) < set(BACKENDS)
