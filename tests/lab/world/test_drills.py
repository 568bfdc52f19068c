"""Exercises whose answers are right, and that teach no held-out word or pattern of counting."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lab.world import drills
from lab.world.split import Split
from lab.world.words import HELD_OUT


@given(st.integers(0, 10_000))
def test_answers_are_right_and_nothing_is_held_out(seed: int) -> None:
    for query, answer in drills(8, seed):
        kind, _, task = query.partition(": ")
        words = re.findall("[a-z]+", task)
        assert not set(words) & set(HELD_OUT)
        match kind:
            case "Sums":
                sums = [one.split(" = ") for one in answer.split(" ; ")]
                assert " , ".join(left for left, _ in sums) == task
                for left, right in sums:
                    a, sign, b = left.split()
                    assert int(right) == (int(a) + int(b) if sign == "+" else int(a) - int(b))
            case "Letters":
                assert [one.replace(" ", "") for one in answer.split(" ; ")] == words
                assert max(map(len, answer.split())) == 1
            case "Copy":
                assert answer == task
            case _:
                word, _, items = task.partition(" in ")
                steps, _, count = answer.partition(" ; ")
                assert [step.split()[:2] for step in steps.split(" , ")] == [
                    [word, item] for item in items.split()
                ]
                places = [i for i, item in enumerate(items.split()) if item == word]
                assert int(count) == len(places)
                assert Split("train").allows("count", len(items.split()), *places)


def test_every_sum_of_two_digits_comes_up_soon() -> None:
    seen = {
        one.split(" = ")[0]
        for query, answer in drills(800, 0)
        if query.startswith("Sums")
        for one in answer.split(" ; ")
    }
    wanted = {f"{a} + {b}" for a in range(10) for b in range(10)}
    wanted |= {f"{a + b} - {b}" for a in range(10) for b in range(10)}
    assert wanted == seen


def test_the_same_seed_gives_the_same_exercises() -> None:
    assert list(drills(8, 3)) == list(drills(12, 3))[:8]
    assert list(drills(8, 3)) != list(drills(8, 4))
