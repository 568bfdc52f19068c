"""Working in small steps."""

from __future__ import annotations

import pytest

from lab.smol.working import added, aged, back, divided, multiplied, taken


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (added(8, 5), "8 + 5 = 13"),
        (added(12, 7), "12 + 7: 2 + 7 = 9, so 19"),
        (added(28, 15), "28 + 15: 20 + 10 = 30, 8 + 5 = 13, 30 + 13 = 43"),
        (added(20, 30), "20 + 30 = 50"),
        (added(20, 7), "20 + 7 = 27"),
        (added(20, 17), "20 + 17: 20 + 10 = 30, so 37"),
        (added(345, 278), "345 + 278: 300 + 200 = 500, 40 + 70 = 110, 5 + 8 = 13, so 623"),
        (added(12.5, 7.5), "12.5 + 7.5 = 20"),
        (taken(9, 3), "9 - 3 = 6"),
        (taken(45, 13), "45 - 13: 40 - 10 = 30, 5 - 3 = 2, so 32"),
        (taken(43, 15), "43 - 15: 5 to 20, 23 to 43, 5 + 23 = 28"),
        (taken(12, 8), "12 - 8: 2 to 10, 2 to 12, 2 + 2 = 4"),
        (taken(47, 42), "47 - 42: 7 - 2 = 5"),
        (taken(20, 8), "20 - 8: 2 to 10, 10 to 20, 2 + 10 = 12"),
        (taken(45, 40), "45 - 40 = 5"),
        (taken(102, 98), "102 - 98: 2 to 100, 2 to 102, 2 + 2 = 4"),
        (taken(754, 6), "754 - 6: 754 - 4 = 750, 750 - 2 = 748"),
        (taken(16.5, 14), "16.5 - 14 = 2.5"),
        (multiplied(3, 4), "3 x 4 = 12"),
        (multiplied(12, 7), "12 x 7: 7 x 10 = 70, 7 x 2 = 14, 70 + 14 = 84"),
        (multiplied(6, 100), "6 x 100 = 600"),
        (divided(56, 8), "56 / 8: 7 x 8 = 56, so 7"),
        (divided(84, 7), "84 / 7: 10 x 7 = 70, 2 x 7 = 14, so 12"),
        (aged(1962, 1987), "1987 - 1962: 8 to 1970, 17 to 1987, 8 + 17 = 25"),
        (aged(1984, 2013), "2013 - 1984: 6 to 1990, 10 to 2000, 13 to 2013, 6 + 10 + 13 = 29"),
        (aged(1990, 2000), "2000 - 1990 = 10"),
        (back(2013, 29), "2013 - 29: 2013 - 30 = 1983, 1983 + 1 = 1984"),
        (back(1987, 25), "1987 - 25: 80 - 20 = 60, 7 - 5 = 2, so 1962"),
        (back(2013, 40), "2013 - 40 = 1973"),
    ],
)
def test_working_goes_in_steps_of_one_digit(told: str, expected: str) -> None:
    assert told == expected
