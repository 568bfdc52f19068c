"""Working that a calculator can take over."""

from __future__ import annotations

import pytest

from lab.smol.item import concluded, ending, quoted
from lab.smol.kinds.dates import stepped
from lab.smol.kinds.times import Way, apart, moved
from lab.smol.working import (
    added,
    added_cash,
    changed,
    compared,
    divided,
    less,
    multiplied,
    percentage,
    percentage_of,
    taken,
    totalled,
)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (added(28, 15), "28 + 15 = 43"),
        (added(12.5, 7.5), "12.5 + 7.5 = 20"),
        (taken(43, 15), "43 - 15 = 28"),
        (taken(16.5, 14), "16.5 - 14 = 2.5"),
        (multiplied(12, 7), "12 x 7 = 84"),
        (multiplied(4.5, 1000), "4.5 x 1000 = 4500"),
        (divided(84, 7), "84 / 7 = 12"),
        (changed(1340, 2000), "20 - 13.40 = 6.60"),
        (changed(1300, 2000), "20 - 13 = 7"),
        (added_cash(180, 220), "1.80 + 2.20 = 4"),
        (totalled(4, 250), "4 x 2.50 = 10"),
        (percentage(15, 80, 12), "15% of 80 is 80 x 15 / 100 = 12"),
        (percentage_of(15, 80, 12), "12 of 80: 12 x 100 / 80 = 15, so 15%"),
        (less("80", "60"), "80 - 60 = 20, 60 is less"),
        (moved(650, 105, Way("24")), "10:50 + 1 h 45 min = 12:35"),
        (moved(650, 60, Way("bare", "."), back=True), "10.50 - 1 h = 9.50"),
        (apart(650, 105, Way("side")), "10:50 am to 12:35 pm = 1 h 45 min"),
        (stepped(4, 10), "Friday + 10 days = Monday"),
        (stepped(0, 1, back=True), "Monday - 1 day = Sunday"),
    ],
)
def test_working_says_what_to_calculate(told: str, expected: str) -> None:
    assert told == expected


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ("63", "73", "63 - 73 = -10, 63 is less than 73"),
        ("6", "2", "6 - 2 = 4, 6 is more than 2"),
        ("10.5", "11", "10.5 - 11 = -0.5, 10.5 is less than 11"),
        ("12.059", "12.300", "12.059 - 12.300 = -0.241, 12.059 is less than 12.300"),
        ("-3", "-15", "3 - 15 = -12, so -3 is more"),
        ("1 of 4 parts", "1 of 8 parts", "1 of 4 parts is more than 1 of 8 parts"),
    ],
)
def test_numbers_are_compared_by_their_difference(x: str, y: str, expected: str) -> None:
    assert compared(x, y) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat.", '"The cat"'),
        ("One two three four five six seven eight.", '"One two three four five six seven ..."'),
        ('- "a"\n- b', "\"- 'a'\""),
    ],
)
def test_a_response_is_quoted_in_one_line(text: str, expected: str) -> None:
    assert quoted(text) == expected
    assert ending("It is over now, friends!", 2) == '"now, friends!"'


def test_the_truth_ends_in_the_answer() -> None:
    assert concluded("the capital of Peru is Lima", "Lima") == "the capital of Peru is Lima"
    assert concluded("Defoe wrote Crusoe", "Defoe") == "Defoe wrote Crusoe, so Defoe"
