"""Working in small steps."""

from __future__ import annotations

import pytest

from lab.smol.item import concluded, ending, quoted
from lab.smol.working import added, aged, compared, divided, multiplied, taken


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (added(8, 5), "8 + 5 = 13"),
        (added(12, 7), "12 + 7: 2 + 7 = 9, 10 + 9 = 19"),
        (added(28, 15), "28 + 15: 20 + 10 = 30, 8 + 5 = 13, 30 + 13 = 43"),
        (added(20, 30), "20 + 30 = 50"),
        (added(40, 60), "40 + 60 = 100"),
        (added(20, 7), "20 + 7 = 27"),
        (added(20, 17), "20 + 17: 20 + 10 = 30, 30 + 7 = 37"),
        (
            added(345, 278),
            "345 + 278: 300 + 200 = 500, 40 + 70 = 110, 5 + 8 = 13, 500 + 110 + 13 = 623",
        ),
        (added(12.5, 7.5), "12.5 + 7.5 = 20"),
        (taken(9, 3), "9 - 3 = 6"),
        (taken(45, 13), "45 - 13: 45 - 20 = 25, 25 + 7 = 32"),
        (taken(43, 15), "43 - 15: 43 - 20 = 23, 23 + 5 = 28"),
        (taken(12, 8), "12 - 8 = 4"),
        (taken(47, 42), "47 - 42: 7 - 2 = 5"),
        (taken(20, 8), "20 - 8 = 12"),
        (taken(45, 40), "45 - 40 = 5"),
        (taken(102, 98), "102 - 98: 102 - 100 = 2, 2 + 2 = 4"),
        (taken(250, 37), "250 - 37: 250 - 40 = 210, 210 + 3 = 213"),
        (taken(240, 144), "240 - 144: 240 - 150 = 90, 90 + 6 = 96"),
        (taken(70, 20), "70 - 20 = 50"),
        (taken(110, 40), "110 - 40 = 70"),
        (taken(754, 6), "754 - 6: 754 - 10 = 744, 744 + 4 = 748"),
        (taken(16.5, 14), "16.5 - 14 = 2.5"),
        (multiplied(3, 4), "3 x 4 = 12"),
        (multiplied(12, 7), "12 x 7: 7 x 10 = 70, 7 x 2 = 14, 70 + 14 = 84"),
        (multiplied(6, 100), "6 x 100 = 600"),
        (divided(56, 8), "56 / 8: 7 x 8 = 56, so 7"),
        (divided(84, 7), "84 / 7: 10 x 7 = 70, 2 x 7 = 14, 10 + 2 = 12"),
        (aged(1962, 1987), "1987 - 1962: 87 - 62: 87 - 70 = 17, 17 + 8 = 25"),
        (
            aged(1984, 2013),
            (
                "to 2000: 100 - 84: 100 - 90 = 10, 10 + 6 = 16, to 2013: 13, "
                "16 + 13: 10 + 10 = 20, 6 + 3 = 9, 20 + 9 = 29"
            ),
        ),
        (aged(1906, 1970), "1970 - 1906: 70 - 6: 70 - 10 = 60, 60 + 4 = 64"),
        (aged(1900, 1950), "1950 - 1900 = 50"),
        (aged(1990, 2000), "2000 - 1990: 100 - 90 = 10"),
        (taken(2013, 29), "2013 - 29: 2013 - 30 = 1983, 1983 + 1 = 1984"),
        (taken(1987, 25), "1987 - 25: 1987 - 30 = 1957, 1957 + 5 = 1962"),
        (taken(2013, 40), "2013 - 40 = 1973"),
    ],
)
def test_working_goes_in_steps_of_one_digit(told: str, expected: str) -> None:
    assert told == expected


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ("63", "73", "63 has 2 digits, 73 has 2: 6 is less than 7"),
        ("6", "2", "6 has 1 digit, 2 has 1: 6 is more than 2"),
        ("10.5", "11", "before the point 10 has 2 digits, 11 has 2: 0 is less than 1"),
        ("9.5", "11", "before the point 9 has 1 digit, 11 has 2"),
        ("1.5", "1.25", "1.5 and 1.25: 5 is more than 2"),
        ("3835", "638", "3835 has 4 digits, 638 has 3"),
        ("7", "12", "7 has 1 digit, 12 has 2"),
        ("0.90", "0.45", "0.90 and 0.45: 9 is more than 4"),
        ("-3", "-15", "3 is less than 15, so -3 is more"),
        ("1 of 4 parts", "1 of 8 parts", "1 of 4 parts is more than 1 of 8 parts"),
    ],
)
def test_numbers_are_compared_digit_by_digit(x: str, y: str, expected: str) -> None:
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
