from __future__ import annotations

import math

import pytest

from deemster.dialects import open_dialect
from deemster.errors import AmbiguousError, InputError, ParseError
from deemster.schemas import Completion, TokenLogprob


@pytest.mark.parametrize(
    ("text", "n", "scores"),
    [
        (r"Best: \boxed{2}", 2, (0, 1)),
        (r"\boxed{Response 1}", 2, (1, 0)),
        (r"\boxed{3} so \boxed{ 3 }", 4, (0, 0, 1, 0)),
        (r"<think>\boxed{1}</think>\boxed{12}", 12, (*[0] * 11, 1)),
    ],
)
def test_index_of_the_best(text: str, n: int, scores: tuple[float, ...]) -> None:
    assert open_dialect("pairwise").parse(Completion(text=text), n=n).scores == scores


@pytest.mark.parametrize("box", ["0", "3", "-1", "1, 2", "A", "", "1.0", "²", "②", "i"])
def test_not_an_index(box: str) -> None:
    with pytest.raises(ParseError, match="not an index from 1 to 2"):
        open_dialect("pairwise").parse(Completion(text=rf"\boxed{{{box}}}"), n=2)


def test_two_indices_are_ambiguous() -> None:
    with pytest.raises(AmbiguousError, match="different verdicts: '1' and '2'"):
        open_dialect("pairwise").parse(Completion(text=r"\boxed{1} or \boxed{2}"), n=2)


def tokens(
    pieces: list[str], digit: int, top: tuple[tuple[str, float], ...], own: float
) -> Completion:
    logprobs = tuple(
        TokenLogprob(
            token=piece,
            logprob=own if i == digit else -1.0,
            top=top if i == digit else (("x", -1.0),),
        )
        for i, piece in enumerate(pieces)
    )
    return Completion(text="".join(pieces), logprobs=logprobs)


@pytest.mark.parametrize(
    ("pieces", "digit", "top", "own", "chance"),
    [
        pytest.param(
            ["Best: ", "\\boxed{", "2", "}"],
            2,
            (("2", math.log(0.6)), ("1", math.log(0.2)), ("the", math.log(0.2))),
            math.log(0.6),
            0.75,
            id="relative-to-the-other-index",
        ),
        pytest.param(
            ["\\boxed", "{2", "}"],
            1,
            (("{2", math.log(0.5)), ("{1", math.log(0.5))),
            math.log(0.5),
            0.5,
            id="digit-inside-a-token",
        ),
        pytest.param(["\\boxed{", "2", "}"], 1, (), math.log(0.4), 0.4, id="own-probability"),
        pytest.param(["\\boxed{", "2", "}"], 1, (("x", -9.0),), 0.0, 1.0, id="no-other-index"),
        pytest.param(
            ["\\boxed{", "２", "}"], 1, (("２", -0.5),), math.log(0.5), 0.5, id="full-width-digit"
        ),
        pytest.param(["\\boxed{", "2", "}"], 1, (), 1e-7, 1.0, id="rounding-above-0"),
        pytest.param(
            ["\\boxed{1}", "</think>", "\\boxed{", "2", "}"], 3, (), -1.5, math.exp(-1.5), id="last"
        ),
    ],
)
def test_token_probability(
    pieces: list[str], digit: int, top: tuple[tuple[str, float], ...], own: float, chance: float
) -> None:
    dialect = open_dialect("pairwise-tokenprob")
    parsed = dialect.parse(tokens(pieces, digit, top, own), n=2)
    first, second = parsed.scores
    assert first == 0
    assert second is not None
    assert second == pytest.approx(chance)
    assert second <= 1


@pytest.mark.parametrize(
    ("completion", "problem"),
    [
        pytest.param(Completion(text=r"\boxed{2}"), "offered no log-probabilities", id="none"),
        pytest.param(
            Completion(text=r"\boxed{2}", logprobs=(TokenLogprob(token="2", logprob=-1),)),
            "another text",
            id="another-text",
        ),
        pytest.param(
            Completion(text=r"\boxed{2}", logprobs=(TokenLogprob(token=r"\boxed{1}", logprob=-1),)),
            "another text",
            id="another-index",
        ),
        pytest.param(
            tokens(["\\boxed{", "2", "}"], 1, (), 0.5), "not a log-probability", id="above-0"
        ),
        pytest.param(
            tokens(["\\boxed{", "2", "}"], 1, (), -math.inf), "log-probability -inf", id="minus-inf"
        ),
    ],
)
def test_no_token_probability(completion: Completion, problem: str) -> None:
    with pytest.raises(ParseError, match=problem):
        open_dialect("pairwise-tokenprob").parse(completion, n=2)


def test_numbers_of_responses() -> None:
    with pytest.raises(InputError, match="judges 2 to many responses at once, got 1"):
        open_dialect("pairwise").check_n(1)
    with pytest.raises(InputError, match="judges 2 to 9 responses at once, got 10"):
        open_dialect("pairwise-tokenprob").check_n(10)
    with pytest.raises(InputError, match="judges 1 responses at once, got 2"):
        open_dialect("realmistake").check_n(2)
    open_dialect("pairwise").check_n(100)


def choice(*tops: tuple[str, float]) -> str:
    parts = ", ".join(f'{{"token": "{token}", "logprob": {value}}}' for token, value in tops)
    return f'{{"logprobs": {{"content": [{{"top_logprobs": [{parts}]}}]}}}}'


@pytest.mark.parametrize(
    ("completion", "scores"),
    [
        pytest.param(Completion(text=choice(("m", 0), ("M", 0))), (0.5, 0.5), id="choice"),
        pytest.param(Completion(text=choice(("M", -3), ("The", -1))), (0, 1), id="one-token-told"),
        pytest.param(Completion(text="m"), (1, 0), id="first"),
        pytest.param(Completion(text="M\n"), (0, 1), id="second"),
        pytest.param(
            tokens(["m"], 0, (("m", math.log(0.8)), ("M", math.log(0.2))), math.log(0.8)),
            (0.8, 0.2),
            id="beside-the-text",
        ),
        pytest.param(
            Completion(text="[{'model': 'model_2', 'rank': 1}, {'model': 'model_1', 'rank': 2}]"),
            (0, 1),
            id="literal",
        ),
        pytest.param(
            Completion(text='[{"model": "m", "rank": 1}, {"model": "M", "rank": 1}]'),
            (1, 0),
            id="rank-of-the-first",
        ),
    ],
)
def test_alpaca_eval_as_published(completion: Completion, scores: tuple[float, float]) -> None:
    parsed = open_dialect("alpaca-eval:published").parse(completion, n=2)
    assert parsed.scores == pytest.approx(scores)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"logprobs": {}}', id="no-content"),
        pytest.param('{"logprobs": {"content": []}}', id="no-token"),
        pytest.param('{"logprobs": {"content": [{"top_logprobs": [{"token": 1}]}]}}', id="shape"),
        pytest.param(choice(("x", -1)), id="other-tokens"),
        pytest.param(choice(("m", 1)), id="above-0"),
        pytest.param(choice(("m", -1)).replace("-1", '"-1"'), id="string"),
        pytest.param(choice(("m", -1)).replace("-1", "true"), id="bool"),
        pytest.param(choice(("m", -1)).replace("-1", "9" * 400), id="huge"),
        pytest.param("Both are fine", id="prose"),
        pytest.param('"m"', id="string-document"),
        pytest.param(
            "[{'model': 'model_1', 'rank': 3}, {'model': 'model_2', 'rank': 2}]", id="rank"
        ),
    ],
)
def test_alpaca_eval_as_published_without_a_verdict(text: str) -> None:
    with pytest.raises(ParseError):
        open_dialect("alpaca-eval:published").parse(Completion(text=text), n=2)
