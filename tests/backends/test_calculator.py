"""Sums are worked out for a model that writes them; nothing else of what it writes changes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.backends._local.sums import results
from deemster.backends.base import Request
from deemster.backends.transformers import TransformersBackend
from deemster.schemas import Completion, Message, Sampling


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14 x 3 =", "42"),
        ("right total (80%): 14 × 3 =", "42"),
        ("2 + 3 x 4 =", "14"),
        ("2 x 3 + 4 x 5 =", "26"),
        ("10 - 2 + 3 =", "11"),
        ("63 - 73 =", "-10"),
        ("5.40 + 0.60 =", "6"),
        ("20 - 13.40 =", "6.60"),
        ("20 - 13.40 =", "6.6"),
        ("12.059 - 12.300 =", "-0.241"),
        ("1,200 + 300 =", "1500"),
        ("1,200 + 300 =", "1,500"),
        ("80 x 15 / 100 =", "12"),
        ("84 / 7 =", "12"),
        ("7 / 2 =", "3.5"),
        ("7 / 2 =", "3 rest 1"),
        ("10 / 3 =", "3.33"),
        ("2 / 3 =", "0.67"),
        ("50 - 17: 50 - 20 = 30, 30 + 3 =", "33"),
        ("9 x 6 = 54 + 3 =", "57"),
        ("a box 2 + 3 =", "5"),
        ("10.45 + 30 min =", "11.15"),
        ("11:30 + 3 h =", "14:30"),
        ("11:30 + 3 h =", "2:30"),
        ("9:05 pm - 2 h 10 min =", "6:55"),
        ("0:15 - 30 min =", "23:45"),
        ("09:00 - 15 min =", "08:45"),
        ("12:25 pm to 5:00 pm =", "4 h 35 min"),
        ("22:40 to 05:40 =", "7 h"),
        ("11:30 to 2:15 =", "2 h 45 min"),
        ("75 min =", "1 h 15 min"),
        ("1 h 15 min =", "75 min"),
        ("Friday + 10 days =", "Monday"),
        ("Monday - 1 day =", "Sunday"),
        ("Monday + 2 weeks =", "Monday"),
        ("November + 3 months =", "February"),
        ('It says "so". 2 + 2 =', "4"),
    ],
)
def test_what_comes_out(text: str, expected: str) -> None:
    assert f" {expected}" in results(text)
    assert expected in results(text + " ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "so =",
        "x =",
        "42 =",
        "x + 3 =",
        "2x + 3 =",
        "a * 2 + 3 =",
        "(2 + 3) x 4 =",
        "sqrt(2 + 3 =",
        "3 - (2 + 3 =",
        "e^2 + 3 =",
        "v1.2 + 3 =",
        "2+3 =",
        "3-4 =",
        "5 km + 3 km =",
        "10% x 50 =",
        "7 / 0 =",
        "= SUM(A1) + 2 =",
        "- 5 + 3 =",
        "45 = 30 +",
        "9" * 15 + " x " + "9" * 15 + " =",
        "Friday + " + "9" * 5000 + " days =",
        "9" * 5000 + " min =",
        " x ".join(["9" * 15] * 400) + " / 7 =",
        "99:99 + 30 min =",
        "10.75 to 11.00 =",
        "30 min =",
        "Friday + 2 months =",
        "May + 2 days =",
        "Sun + 2 days =",
        'It says "2 + 2 =',
        "2 + 3\n=",
        "1" * 40 + " + 2 =",
    ],
)
def test_what_is_left_to_the_model(text: str) -> None:
    assert results(text) == []


@pytest.mark.parametrize("claim", ["17 x 6 = 112", "17*6=112", "17 × 6 = 112", "17 x 6\n= 112"])
def test_what_a_response_claims_can_be_repeated_and_not_believed(claim: str) -> None:
    prompt = f"What is 17 times 6?\nResponse 1: {claim}"
    assert results("Response 1: It says 17 x 6 =", prompt) == []
    assert " 102" in results("right product (80%): 17 x 6 =", prompt)
    assert " 102" in results("Response 1: It says 17 x 6 =", "What is 17 times 6?")


@given(st.integers(0, 10**6), st.sampled_from("+-x"), st.integers(0, 10**6))
def test_whole_numbers(a: int, sign: str, b: int) -> None:
    value = {"+": a + b, "-": a - b, "x": a * b}[sign]
    found = results(f"{a} {sign} {b} =")
    assert f" {value}" in found
    assert {float(one.replace(",", "")) for one in found} == {float(value)}


@given(st.text('0123456789 +-x/=.,:hminapFriday"', max_size=60))
def test_any_text(text: str) -> None:
    for one in results(text + " ="):
        assert re.fullmatch(r" \S.*", one)


def completions(path: Path, prefix: str, *, query: str = "hello", **options: Any) -> list[str]:
    request = Request(
        messages=(Message(role="user", content=query),),
        sampling=Sampling(temperature=1.0, max_tokens=12),
        n=6,
        seeds=tuple(range(6)),
        prefix=prefix,
    )

    async def run() -> list[str]:
        backend = TransformersBackend(str(path), **options)
        try:
            outcomes = await backend.generate(request)
        finally:
            await backend.aclose()
        assert all(isinstance(one, Completion) for one in outcomes)
        return [one.text for one in outcomes if isinstance(one, Completion)]

    return asyncio.run(run())


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"speculate": "lookup"}], ids=str)
def test_a_model_without_sense_works_out_sums(tiny_model: Path, options: dict[str, Any]) -> None:
    texts = completions(tiny_model, "14 x 3 =", calculator=True, **options)
    assert all(re.match(r" ?42(?:\.00?)?(?![\d.]*\d)", text) for text in texts)
    assert len(set(texts)) > 1  # what comes after it is the model's
    assert not all(" 42" in text for text in completions(tiny_model, "14 x 3 =", **options))


def test_texts_without_sums_stay_what_they_are(tiny_model: Path) -> None:
    assert completions(tiny_model, "") == completions(tiny_model, "", calculator=True)
