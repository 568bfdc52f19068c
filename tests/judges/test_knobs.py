"""A decoding knob is one field: judges, suites, command line and requests take it from there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deemster.backends import FakeBackend
from deemster.errors import InputError
from deemster.judges import Judge
from deemster.judges.grm import GrmSpec
from deemster.judges.spec import read_spec
from deemster.schemas import SamplingSettings

WITH_MIN_P = """
import asyncio, sys
from typing import Annotated
from pydantic import Field
from deemster.schemas import sampling

class Settings(sampling.SamplingSettings):
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    "Drop tokens less likely than this share of the likeliest."

class Sampling(Settings, sampling.Sampling):
    pass

import deemster.schemas as schemas  # as if the field stood in schemas/sampling.py
schemas.SamplingSettings = sampling.SamplingSettings = Settings
schemas.Sampling = sampling.Sampling = Sampling

from deemster.backends import FakeBackend
from deemster.judges import Judge
from deemster.judges.spec import read_spec
from deemster.judges.building import Site

backend = FakeBackend("Scores: \\\\boxed{8}")
asyncio.run(Judge(backend, min_p=0.1).score("q", ["a"]))
assert backend.requests[0].sampling.min_p == 0.1, backend.requests
for kind in ({"type": "grm"}, {"type": "cloud", "value": "hf:x"}):
    made = Site().judge(read_spec({**kind, "model": "fake:x", "min_p": 0.2}))
    assert made.info.sampling.min_p == 0.2, made.info
from deemster.cli.app import app
from typer.testing import CliRunner
shown = CliRunner().invoke(app, ["score", "--help"]).output
assert "--min-p" in shown, shown
seen, judge = [], Judge._judge
Judge._judge = lambda self, case: (seen.append(self.sampling.min_p), judge(self, case))[1]
line = ["score", "--min-p", "0.3", "-m", "fake:Scores: \\\\boxed{8}", "-q", "q", "-r", "a"]
assert CliRunner().invoke(app, line).exit_code == 0
assert seen == [0.3], seen
"""


def test_a_new_knob_is_added_in_one_place() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITH_MIN_P],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_reaches_the_request() -> None:
    given = {"temperature": 0.3, "top_p": 0.9, "max_tokens": 77}
    assert given.keys() == SamplingSettings.model_fields.keys()
    backend = FakeBackend("Scores: \\boxed{8}")
    Judge(backend, **given).score_sync("q", ["a"])  # type: ignore[arg-type]
    sent = backend.requests[0].sampling
    assert {name: getattr(sent, name) for name in given} == given
    spec = read_spec({"model": "fake:x", **given})
    assert isinstance(spec, GrmSpec)
    assert {name: getattr(spec, name) for name in given} == given


@pytest.mark.parametrize("name", ["top_p", "max_tokens", "temperature"])
def test_settings_out_of_range_name_the_setting(name: str) -> None:
    with pytest.raises(InputError, match=name):
        Judge(FakeBackend(""), **{name: -1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "option", "meant"),
    [
        pytest.param("fake:x", "max_tokenz", "max_tokens", id="decoding"),
        pytest.param("openai/gpt-5-mini", "temprature", "temperature", id="of-the-judge"),
        pytest.param("openai/gpt-5-mini", "concurency", "concurrency", id="of-the-service"),
        pytest.param("hf:x", "batchsize", "batch_size", id="of-the-local-model"),
        pytest.param("hf:x", "concurency", None, id="not-of-this-backend"),
        pytest.param("fake:x", "colour", None, id="like-nothing"),
    ],
)
def test_an_option_that_nobody_takes_names_what_was_meant(
    model: str, option: str, meant: str | None
) -> None:
    with pytest.raises(InputError, match=f"does not take the option '{option}'") as caught:
        Judge(model, **{option: 3})  # type: ignore[arg-type]
    hint = str(caught.value).partition("; did you mean ")[2]
    assert hint == ("" if meant is None else f"'{meant}'?")
