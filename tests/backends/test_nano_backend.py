"""The embedded model's backend, with a stand-in for the model (`tiny_nano`)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.tiny_nano import FOREIGN, QUERY, RESPONSES, needs_model

from deemster import Judge, Panel, Verdict
from deemster.backends import FakeBackend, RecordBackend, nano, only_dialect, open_backend
from deemster.backends.nano import NanoBackend
from deemster.backends.replay import ReplayBackend
from deemster.data.samples import read_samples
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.judges.meta_rm import open_meta_rm
from deemster.principles import generate_principles
from deemster.schemas import Completion, Judgment

ROOT = Path(__file__).parents[2]
SCORES = r"Scores: \boxed{7, 3}"


def judge(**settings: object) -> Judge:
    return Judge(threads=1, max_tokens=16, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["nano", "nano:"])
def test_model_string(tiny_nano: Path, model: str) -> None:
    backend = open_backend(model)
    assert isinstance(backend, NanoBackend)
    weights = (tiny_nano / "judge" / "model.safetensors").read_bytes()
    release = hashlib.sha256(weights).hexdigest()[:8]
    assert (backend.name, only_dialect(backend)) == (f"nano@{release}", "nano")


def test_there_is_one_embedded_model(tiny_nano: Path) -> None:
    with pytest.raises(InputError, match=r"'nano:a/b': there is one .*; open one of your own with"):
        open_backend("nano:a/b")


@pytest.mark.parametrize("missing", ["judge", "domain.json"])
def test_missing_files_are_told_at_once(
    tiny_nano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for part in {"judge", "domain.json"} - {missing}:
        (tmp_path / part).symlink_to(tiny_nano / part)
    monkeypatch.setattr(nano, "assets", lambda: tmp_path)
    with pytest.raises(InputError, match=f"is not installed: '.*{missing}' is missing; reinstall"):
        Judge()


def test_judge_without_a_model_is_the_embedded_one(tiny_nano: Path) -> None:
    one, many = Judge(), Judge(k=4)
    assert one.info.model == one.name == open_backend("nano").name
    assert one.info.dialect == "nano"
    assert one.sampling.temperature == 0
    assert many.sampling.temperature == 1.0
    assert Judge(k=4, temperature=0.3).sampling.temperature == 0.3
    assert Judge(FakeBackend(SCORES), k=4).sampling.temperature == 0.5


def test_it_knows_one_dialect(tiny_nano: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"alone, got 'json'; leave out dialect, or give another"):
        Judge("nano", dialect="json")
    assert Judge("nano", dialect="nano").dialect == open_dialect("nano")
    template = tmp_path / "mine.j2"
    template.write_text("Query: {{ conversation }} {{ responses }}", encoding="utf-8")
    assert Judge("nano", template=template).dialect.name == "nano"
    # The dialect is free: a model of one's own may have learnt it.
    assert Judge(FakeBackend(SCORES), dialect="nano").info.dialect == "nano"


def test_recordings_keep_the_dialect(tiny_nano: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"

    async def run() -> tuple[Verdict, Verdict]:
        async with judge(k=2) as live:
            live.wrap_backends(lambda backend: RecordBackend(backend, path))
            assert only_dialect(live.backend) == "nano"
            drawn = await live.score(QUERY, RESPONSES)
        return drawn, await Judge(ReplayBackend(path), k=2, max_tokens=16).score(QUERY, RESPONSES)

    drawn, replayed = asyncio.run(run())
    assert replayed.votes == drawn.votes


def test_a_foreign_query_is_said_and_noted(
    tiny_nano: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with judged(judge(k=4)) as one, caplog.at_level(logging.WARNING, "deemster"):
        home = one.score_sync(QUERY, RESPONSES)
        foreign = one.score_sync(FOREIGN, RESPONSES)
    assert home.warnings == ()
    (warning,) = foreign.warnings
    assert FOREIGN in warning
    assert all(vote.warnings == (warning,) for vote in foreign.votes)
    assert len(caplog.records) == 1  # both orders of the pair were asked about
    assert FOREIGN in caplog.text
    assert capfd.readouterr().err.count("demonstration model") == 1
    assert Verdict.model_validate_json(foreign.model_dump_json()).warnings == (warning,)


def test_only_the_first_foreign_queries_are_logged(
    tiny_nano: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with judged(judge()) as one, caplog.at_level(logging.WARNING, "deemster"):
        verdicts = [one.score_sync(f"{FOREIGN} {i}", RESPONSES) for i in range(7)]
    assert all(verdict.warnings for verdict in verdicts)
    assert len(caplog.records) == 5
    assert "further ones are noted in the votes only" in caplog.records[-1].getMessage()


def test_foreign_responses_are_said_too(tiny_nano: Path) -> None:
    with judged(judge()) as one:
        assert one.score_sync(
            QUERY, [FOREIGN * 3, "Nobody knows; they were told by the fire."]
        ).warnings


def test_the_notice_can_be_hidden(
    tiny_nano: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEEMSTER_NANO_NOTICE", "0")
    with judged(judge()) as one:
        one.score_sync(QUERY, RESPONSES)
    assert "demonstration" not in capfd.readouterr().err


async def test_warnings_pass_through_panels() -> None:
    def warns(_request: object, _draw: int) -> Completion:
        return Completion(text=f"Both fine. {SCORES}", warnings=("beware",))

    members = [
        Judge(FakeBackend(warns), k=2, name="warns"),
        Judge(FakeBackend(f"Both fine. {SCORES}"), k=2, name="fine"),
    ]
    verdict = await Panel(members).score("q", ["a", "b"])
    assert isinstance(verdict.votes[0], Judgment)
    assert verdict.warnings == ("beware",)


def test_votes_stored_before_there_were_warnings_are_readable() -> None:
    vote = Judgment(scores=(1.0,)).model_dump()
    del vote["warnings"]
    assert Judgment.model_validate(vote).warnings == ()


async def test_it_writes_no_principles_by_themselves(tiny_nano: Path) -> None:
    with pytest.raises(InputError, match=r"'nano@.*' cannot write principles by themselves"):
        await generate_principles(open_backend("nano"), QUERY)


async def test_meta_rm_of_the_embedded_model(tiny_nano: Path) -> None:
    rm = open_meta_rm("nano")
    assert rm.name == "nano"
    async with Judge(FakeBackend(SCORES), k=2, meta_rm=rm) as one:
        verdict = await one.score(QUERY, RESPONSES)
    assert all(isinstance(vote.meta_reward, float) for vote in verdict.judgments)
    assert verdict.judge.meta_rm == "nano"


def test_meta_rm_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nano, "assets", lambda: tmp_path)
    with pytest.raises(InputError, match=r"'.*meta' is missing"):
        Judge(FakeBackend(SCORES), meta_rm="nano")


class judged:  # noqa: N801 - reads as a verb
    """Closes a judge at the end."""

    def __init__(self, one: Judge) -> None:
        self._one = one

    def __enter__(self) -> Judge:
        return self._one

    def __exit__(self, *_: object) -> None:
        asyncio.run(self._one.aclose())


OFFLINE = """
import socket
def refuse(*_): raise OSError("the network was asked for")
socket.socket.connect = socket.create_connection = refuse
from deemster import Judge
verdict = Judge(k=8, meta_rm="nano").score_sync("Work out 48 plus 27.", ["It is 75.", "It is 65."])
assert verdict.n_valid >= 6, verdict.failures
assert all(vote.principles and len(vote.critiques) == 2 for vote in verdict.judgments)
assert all(vote.meta_reward is not None for vote in verdict.judgments)
assert not verdict.warnings
"""


@needs_model
def test_works_offline_with_an_empty_cache(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not any(tmp_path.rglob("*.safetensors"))


@needs_model
def test_files_are_small_and_safe() -> None:
    files = [path for path in nano.assets().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert {path.suffix for path in files} <= {".json", ".jinja", ".md", ".safetensors"}


@needs_model
async def test_the_examples_are_of_its_domain() -> None:
    samples = list(read_samples(ROOT / "examples" / "data" / "quickstart.jsonl"))
    async with Judge() as one:
        verdicts = await one.score_all(samples)
    assert not any(verdict.warnings for verdict in verdicts)
