"""Hypothesis strategies for every record: arbitrary but valid."""

from __future__ import annotations

import itertools
import math
from typing import Any

from hypothesis import strategies as st

from deemster import schemas
from deemster.errors import FailureStatus
from deemster.schemas import (
    Band,
    Completion,
    Critique,
    Failure,
    FunctionCall,
    ImagePart,
    ImageUrl,
    JudgeInfo,
    Judgment,
    Message,
    Principle,
    Record,
    Rubric,
    Sample,
    Sampling,
    SamplingSettings,
    Scale,
    TextPart,
    TokenLogprob,
    ToolCall,
    Usage,
    Verdict,
    Vote,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
COUNT = st.integers(0, 10**6)
SEED = st.integers(-(2**70), 2**70)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
AMOUNT = st.floats(0, 1e6)

usage = st.builds(
    Usage,
    calls=COUNT,
    tokens_in=COUNT,
    tokens_out=COUNT,
    tokens_cached=COUNT,
    cost=st.none() | AMOUNT,
    seconds=AMOUNT,
)
sampling_settings = st.builds(
    SamplingSettings,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.floats(0, 1, exclude_min=True),
    max_tokens=st.integers(1, 10**6),
)
sampling = st.builds(
    Sampling,
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1, exclude_min=True),
    max_tokens=st.integers(1, 10**6),
    stop=st.tuples(TEXT),
    top_logprobs=st.integers(0, 20),
)
text_part = st.builds(TextPart, text=TEXT)
image_part = st.builds(ImagePart, image_url=st.builds(ImageUrl, url=TEXT))
tool_call = st.builds(
    ToolCall, id=TEXT, function=st.builds(FunctionCall, name=TEXT, arguments=TEXT)
)


def messages(*roles: str) -> st.SearchStrategy[Message]:
    return st.builds(
        Message,
        role=st.sampled_from(roles),
        content=TEXT | st.lists(text_part | image_part, max_size=3).map(tuple),
        name=st.none() | NAME,
        tool_calls=st.lists(tool_call, max_size=2).map(tuple),
        tool_call_id=st.none() | TEXT,
    )


log_probability = st.floats(max_value=0, allow_nan=False) | st.just(-math.inf)
token = st.builds(
    TokenLogprob,
    token=TEXT,
    logprob=log_probability,
    top=st.lists(st.tuples(TEXT, log_probability), max_size=3).map(tuple),
)
completion = st.builds(
    Completion,
    text=TEXT,
    finish=st.sampled_from(["stop", "length"]),
    logprobs=st.none() | st.lists(token, max_size=3).map(tuple),
    usage=usage,
    model=TEXT,
)


@st.composite
def _bands(draw: st.DrawFn) -> tuple[Band, ...]:
    edges = sorted(draw(st.sets(st.integers(-50, 50), max_size=6)))
    bands = [
        Band(low=low, high=following - 1, meaning=draw(TEXT))
        for low, following in itertools.pairwise(edges)
    ]
    return tuple(reversed(bands))


principle = st.builds(
    Principle, name=NAME, description=TEXT, weight=st.floats(1e-9, 1e9), bands=_bands()
)
principles = st.lists(principle, max_size=3, unique_by=lambda p: p.name).map(tuple)
rubric = st.builds(
    Rubric,
    name=NAME,
    description=TEXT,
    version=st.integers(1, 99),
    principles=principles.filter(bool),
)
json_value: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def _sample(draw: st.DrawFn) -> Sample:
    responses = draw(st.lists(messages("assistant"), min_size=1, max_size=3))
    n = len(responses)
    numbers = st.lists(NUMBER, min_size=n, max_size=n).map(tuple)
    names = st.lists(TEXT, min_size=n, max_size=n).map(tuple)
    turns = st.lists(
        messages("system", "user", "assistant", "tool").filter(lambda m: not m.is_blank),
        max_size=3,
    )
    return Sample(
        id=draw(TEXT),
        query=tuple(draw(turns)),
        responses=tuple(responses),
        reference=draw(st.none() | TEXT),
        principles=draw(principles),
        ground_truth=draw(st.none() | numbers),
        policies=draw(st.none() | names),
        subset=draw(TEXT),
        metadata=draw(st.dictionaries(TEXT, json_value, max_size=3)),
    )


@st.composite
def _drawn(draw: st.DrawFn, n: int) -> dict[str, Any]:
    order = draw(st.permutations(range(n)))
    return {
        "draw": draw(COUNT),
        "judge": draw(TEXT),
        "order": tuple(order[: draw(st.integers(0, n))]),
        "seed": draw(st.none() | SEED),
        "raw": draw(TEXT),
        "usage": draw(usage),
    }


@st.composite
def judgments(draw: st.DrawFn, n: int | None = None) -> Judgment:
    n = draw(st.integers(1, 4)) if n is None else n
    whole = draw(st.booleans())
    score: st.SearchStrategy[float] = st.integers(1, 10).map(float) if whole else st.floats(1, 10)
    used = draw(principles)
    per_principle = st.lists(st.none() | score, min_size=len(used), max_size=len(used)).map(tuple)
    scores = draw(
        st.lists(st.none() | score, min_size=n, max_size=n).filter(
            lambda row: any(value is not None for value in row)
        )
    )
    critique = st.builds(
        Critique,
        response=st.integers(0, n - 1),
        text=TEXT,
        scores=st.none() | per_principle,
    )
    return Judgment(
        scores=tuple(scores),
        scale=draw(st.none() | st.just(Scale(low=1, high=10, integer=whole))),
        principles=used,
        critiques=tuple(draw(st.lists(critique, max_size=3))),
        analysis=draw(TEXT),
        meta_reward=draw(st.none() | NUMBER),
        **draw(_drawn(n)),
    )


@st.composite
def failures(draw: st.DrawFn, n: int = 3) -> Failure:
    return Failure(
        status=draw(st.sampled_from(FailureStatus.__args__)),  # type: ignore[attr-defined]
        message=draw(TEXT),
        error=draw(TEXT),
        **draw(_drawn(n)),
    )


judge_info: st.SearchStrategy[JudgeInfo] = st.recursive(
    st.builds(
        JudgeInfo,
        name=TEXT,
        model=TEXT,
        sampling=st.none() | sampling,
        k=COUNT,
        seed=SEED,
    ),
    lambda inner: st.builds(
        JudgeInfo, name=TEXT, model=TEXT, members=st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=3,
)


@st.composite
def _verdict(draw: st.DrawFn) -> Verdict:
    n = draw(st.integers(1, 3))
    vote: st.SearchStrategy[Vote] = judgments(n) | failures(n)
    votes = tuple(draw(st.lists(vote, max_size=3)))
    rewards = draw(st.none() | st.lists(NUMBER, min_size=n, max_size=n).map(tuple))
    ranking = None if rewards is None else tuple(sorted(range(n), key=lambda i: -rewards[i]))
    tied = rewards is None or rewards.count(max(rewards)) > 1
    return Verdict(
        rewards=rewards,
        scores=None if rewards is None else draw(st.none() | st.just(rewards)),
        best=None if ranking is None or tied else ranking[0],
        ranking=ranking,
        confidence=None if rewards is None else draw(st.none() | st.floats(0, 1)),
        votes=votes,
        k=draw(st.integers(len(votes), 10)),
        n_valid=sum(isinstance(one, Judgment) for one in votes),
        usage=draw(usage),
        judge=draw(judge_info),
    )


RECORDS: dict[str, st.SearchStrategy[Any]] = {
    "Usage": usage,
    "Sampling": sampling,
    "SamplingSettings": sampling_settings,
    "TextPart": text_part,
    "ImagePart": image_part,
    "ToolCall": tool_call,
    "Message": messages("system", "user", "assistant", "tool"),
    "TokenLogprob": token,
    "Completion": completion,
    "Principle": principle,
    "Rubric": rubric,
    "Sample": _sample(),
    "Critique": st.builds(Critique, response=COUNT, text=TEXT),
    "Scale": st.builds(Scale, low=NUMBER, high=NUMBER, integer=st.booleans()),
    "Judgment": judgments(),
    "Failure": failures(),
    "JudgeInfo": judge_info,
    "Verdict": _verdict(),
}


def all_records() -> set[str]:
    """Names of the public record classes, those that only occur inside others left out."""
    inside = {"Record", "Band", "ImageUrl", "FunctionCall"}
    public = {
        name
        for name in schemas.__all__
        if isinstance(getattr(schemas, name), type) and issubclass(getattr(schemas, name), Record)
    }
    return public - inside
