"""The synthetic world: its truth, its splits and its teacher."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.dialects.nano import Nano
from deemster.errors import InputError
from deemster.schemas import Completion
from deemster.training.outcome import check_truth, is_correct
from lab.world import (
    DOMAINS,
    NOISELESS,
    SPLITS,
    Item,
    TeacherNoise,
    World,
    teacher_text,
)
from lab.world.split import Split
from lab.world.templates import WORDINGS
from lab.world.words import HELD_OUT, TRAIN

NANO = Nano()


def judged(item: Item, text: str, order: tuple[int, ...]) -> bool:
    shown = NANO.parse(Completion(text=text), n=len(order)).scores
    scores: list[float | None] = [None] * len(order)
    for position, index in enumerate(order):
        scores[index] = shown[position]
    assert item.sample.ground_truth is not None
    return is_correct(scores, item.sample.ground_truth)


@given(seed=st.integers(0, 10_000), split=st.sampled_from(SPLITS))
@settings(max_examples=60)
def test_every_item_can_be_learnt_from(seed: int, split: str) -> None:
    for item in World(seed).items(11, split=split):  # type: ignore[arg-type]
        sample = item.sample
        assert sample.ground_truth is not None
        check_truth(sample.ground_truth)
        assert 1 <= len(sample.responses) <= 4
        for criterion in (*item.proper, *item.improper):
            assert len(criterion.checks) == len(sample.responses)
        best = [all(c.checks[i].ok for c in item.proper) for i in range(len(sample.responses))]
        if len(best) > 1:
            assert best.count(True) == 1
            assert best.index(True) == sample.best
        else:
            assert best[0] == (sample.ground_truth == (1.0,))


def test_the_same_seed_gives_the_same_items_whatever_came_before() -> None:
    whole = World(3).samples(40, split="fresh")
    assert World(3).samples(10, split="fresh", start=30) == whole[30:]
    assert World(4).samples(40, split="fresh") != whole


def test_domains_and_counts_are_balanced() -> None:
    samples = World(1).samples(2200)
    assert Counter(sample.subset for sample in samples) == dict.fromkeys(DOMAINS, 200)
    counts = Counter(len(sample.responses) for sample in samples)
    assert counts[2] > counts[3] > 250
    assert counts[1] > 200


def test_dress_says_nothing_about_truth() -> None:
    """Neither length nor any style gives the best response away."""
    samples = [s for s in World(2).samples(4000, n=2) if s.subset != "two-rules"]
    longest = sum(
        max((0, 1), key=lambda i: len(s.responses[i].text)) == s.best for s in samples
    ) / len(samples)
    assert abs(longest - 0.5) < 0.05
    sure = [
        s for s in samples if ("Sure!" in s.responses[0].text) != ("Sure!" in s.responses[1].text)
    ]
    share = sum("Sure!" in s.responses[s.best or 0].text for s in sure) / len(sure)
    assert abs(share - 0.5) < 0.1


@pytest.mark.parametrize("split", ["numbers", "words", "templates"])
def test_held_out_numbers_never_meet_in_training(split: str) -> None:
    def sums(name: str) -> set[str]:
        texts = [
            s.query[0].text
            for s in World(0).samples(1500, split=name, domains=["arithmetic"])  # type: ignore[arg-type]
        ]
        # The numbers of the task, whatever the wording.
        return {" ".join(sorted(re.findall(r"\d+", text))) + str("-" in text) for text in texts}

    keys = {(a, plus, b) for a in range(11, 99) for b in range(2, 89) for plus in (True, False)}
    train, held_out = Split("train"), Split(split)  # type: ignore[arg-type]
    assert all(train.allows(key) != held_out.allows(key) for key in keys)
    share = sum(held_out.allows(key) for key in keys) / len(keys)
    assert 0.12 < share < 0.18
    assert sums(split)


def test_held_out_words_and_wordings_stay_out_of_training() -> None:
    assert not set(TRAIN) & set(HELD_OUT)
    text = " ".join(
        message.text for s in World(0).samples(3000) for message in (*s.query, *s.responses)
    )
    words = set(re.findall(r"[a-z]+", text.lower()))
    assert not words & set(HELD_OUT)
    for wordings in WORDINGS.values():
        assert not set(wordings.train) & set(wordings.held_out) - {""}
    queries = [name for name in WORDINGS if not name.startswith("rule_")]
    assert all(len(WORDINGS[name].train) >= 5 for name in queries)


def test_queries_have_at_least_ten_wordings() -> None:
    styles = {"short", "list", "quoted", "rule_count", "rule_contains", "rule_starts", "rule_ends"}
    assert all(len(w.train) >= 10 for name, w in WORDINGS.items() if name not in styles)


def test_without_noise_the_teacher_is_right_where_two_principles_are_enough() -> None:
    rng = random.Random(0)
    for item in World(7).items(1100):
        if item.domain == "two-rules":
            continue
        order = tuple(rng.sample(range(len(item.sample.responses)), len(item.sample.responses)))
        text = teacher_text(item, order, rng, noise=NOISELESS)
        assert judged(item, text, order), text


def test_votes_of_the_noisy_teacher_are_better_than_one() -> None:
    rng = random.Random(0)
    items = list(World(8).items(440, n=2))
    single, voted = [], []
    for item in items:
        totals = [0.0, 0.0]
        truth = item.sample.ground_truth
        assert truth is not None
        for _ in range(16):
            scores = NANO.parse(Completion(text=teacher_text(item, (0, 1), rng)), n=2).scores
            totals = [total + (score or 0) for total, score in zip(totals, scores, strict=True)]
            single.append(is_correct(scores, truth))
        voted.append(is_correct(totals, truth))
    alone, together = sum(single) / len(single), sum(voted) / len(voted)
    assert 0.6 < alone < 0.85
    assert together > alone + 0.1


def test_the_teachers_text_is_complete() -> None:
    item = next(World(9).items(1, n=3))
    text = teacher_text(item, (2, 0, 1), random.Random(1), noise=NOISELESS)
    parsed = NANO.parse(Completion(text=text), n=3)
    assert parsed.principles
    assert [critique.response for critique in parsed.critiques] == [0, 1, 2]
    bare = teacher_text(item, (2, 0, 1), random.Random(1), principles=False)
    assert "Criteria" not in bare
    assert NANO.parse(Completion(text=bare), n=3).scores


def test_a_hint_can_be_taken_as_a_shortcut() -> None:
    item = next(World(9).items(1, n=2))
    noise = TeacherNoise(improper=0, habitual=0, slip=0, score=0, shortcut=1)
    text = teacher_text(item, (0, 1), random.Random(1), noise=noise, hinted=True)
    assert "as told" in text


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="unknown domain 'chess'"):
        list(World().items(1, domains=["chess"]))
    with pytest.raises(InputError, match="unknown split 'test'"):
        list(World().items(1, split="test"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="1 to 4"):
        list(World().items(1, n=5))
