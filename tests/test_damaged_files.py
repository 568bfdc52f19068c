"""Bits turned over, files cut, pieces zeroed: told in one line, and no figure changes in silence.

Run stores have a campaign of their own (`tests/suites/test_store.py`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from deemster.backends import Request
from deemster.backends._batch.ledger import BatchLedger
from deemster.backends.cassette import Cassette
from deemster.backends.judge_file import JudgeFile
from deemster.errors import InputError
from deemster.judges.calibrator import Calibrator, ChanceMap, judge_identity
from deemster.judges.cascade_rule import FEATURES, CascadeRule, Stage
from deemster.judges.checked_json import with_checksum
from deemster.judges.panel_weights import PanelWeights
from deemster.judges.scaling import JudgeScale, PanelScaling
from deemster.principles import PrincipleBank
from deemster.schemas import Completion, JudgeInfo, Message, Principle, Sampling, TokenLogprob
from deemster.training.manifest import Manifest, read_manifest
from deemster.training.plots import read_metrics
from deemster.training.rollouts import Rollout, RolloutFile

INFO = JudgeInfo(name="j", model="m", aggregator="sum()", k=2)


class Kind(NamedTuple):
    make: Callable[[Path], object]
    read: Callable[[Path], object]
    sure: bool = True
    """Whether a change of what is read must be told: the file has checksums."""


def request(query: str) -> Request:
    return Request(messages=(Message(role="user", content=query),), sampling=Sampling())


def record(file: Path) -> None:
    token = TokenLogprob(token="7", logprob=-0.25, top=(("7", -0.25), ("3", float("-inf"))))
    with Cassette(file) as cassette:
        for i in range(12):
            said = Completion(text=f'Scores: \\boxed{{{i}, 3}} "é"\n', logprobs=(token,))
            cassette.put(request(f"query {i}"), "m", {0: said})


def played(file: Path) -> object:
    with Cassette(file, readonly=True) as cassette:
        found = cassette.get([request(f"query {i}").key("m", 0) for i in range(12)])
        # What is not found is asked again, which is no damage; what is found must be right.
        return [found.get(request(f"query {i}").key("m", 0)) for i in range(12)]


def calibrate(file: Path) -> None:
    chances = ChanceMap(method="logistic", features=("margin",), weights=(0.5,), intercept=1.25)
    Calibrator(
        judge=INFO, fingerprint=judge_identity(INFO), n=200, raters=1, chances=chances,
        figures={"kappa": (0.7, 0.6, 0.8)},
    ).save(file)  # fmt: skip


def cascade(file: Path) -> None:
    stages = tuple(
        Stage(judge=name, weights=(0.5,) * len(FEATURES), intercept=0.1) for name in "ab"
    )
    rule = CascadeRule(
        stages=stages, thresholds=(0.9, 0.0), level=0.8, delta=0.1, n_tested=50, n_answered=40,
        n_agreed=36, bound=0.81,
    )  # fmt: skip
    file.write_text(with_checksum(rule), "utf-8")


def roll(file: Path) -> None:
    for i in range(6):
        one = Rollout(
            sample_id=str(i), order=(0, 1), messages=(Message(role="user", content="q"),),
            completion=f"Scores: \\boxed{{{i}, 2}}", scores=(i, 2.0), correct=i > 2,
        )  # fmt: skip
        RolloutFile(file).append(str(i), [one])


def bank(file: Path) -> None:
    with PrincipleBank(file) as made:
        for i in range(5):
            made.add(f"query {i}", [Principle(name=f"P{i}", weight=1.0)], source="m")


def banked(file: Path) -> object:
    with PrincipleBank(file, create=False) as found:
        return [found.queries(), found.usefulness(), found.history()]


def wait(file: Path) -> None:
    with closing(BatchLedger(file)) as ledger:
        for i in range(5):
            ledger.add(f"{i:064x}", "m", json.dumps({"messages": [f"query {i}"]}))


def waited(file: Path) -> object:
    with closing(BatchLedger(file)) as ledger:
        return [ledger.get(f"{i:064x}") for i in range(5)]


def manifest(file: Path) -> None:
    Manifest(
        stage="rft", engine="trl", seed=1, settings={"a": [1, 2]}, recipe="0", inputs={},
        versions={"torch": "2"}, device="cpu", started="2026",
    ).write(file.parent)  # fmt: skip


def measure(file: Path) -> None:
    rows = [{"step": i, "loss": i / 7, "phase": "train"} for i in range(20)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


SCALING = PanelScaling(judges={"j": JudgeScale.of([1.0, 2.5, 4.0])})
WEIGHTS = PanelWeights(method="logistic", weights={"a": 1.5, "b": 0.5}, items=30)
KINDS = {
    "cassette.sqlite": Kind(record, played),
    "calibration.json": Kind(calibrate, Calibrator.load),
    "scale.json": Kind(SCALING.save, PanelScaling.load),
    "weights.json": Kind(WEIGHTS.save, PanelWeights.load),
    "cascade.json": Kind(cascade, CascadeRule.load),
    "rollouts.jsonl": Kind(roll, lambda file: RolloutFile(file).read()),
    "bank.sqlite": Kind(bank, banked),
    "batches.sqlite": Kind(wait, waited, sure=False),
    "manifest.json": Kind(manifest, lambda file: read_manifest(file.parent)),
    "metrics.jsonl": Kind(measure, lambda file: read_metrics(file.parent), sure=False),
    "deemster.json": Kind(
        lambda file: JudgeFile(dialect="grm", k=4).write(file.parent), JudgeFile.read, sure=False
    ),
}


def damages(whole: bytes, times: int, seed: str) -> Iterable[bytes]:
    drawn = random.Random(seed)
    for number in range(times):
        at = drawn.randrange(len(whole))
        if number % 4 == 1:
            yield whole[:at]
        elif number % 4 == 3:
            yield whole[:at] + bytes(min(64, len(whole) - at)) + whole[at + 64 :]
        else:
            turned = bytes([whole[at] ^ 1 << drawn.randrange(8)])
            yield whole[:at] + turned + whole[at + 1 :]


@pytest.mark.parametrize("times", [40, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", KINDS)
def test_damage_is_told(tmp_path: Path, name: str, times: int) -> None:
    kind, file, changed = KINDS[name], tmp_path / name, []
    told: list[str] = []
    kind.make(file)
    whole, right = file.read_bytes(), kind.read(file)
    for number, damaged in enumerate(damages(whole, times, name)):
        for left_over in tmp_path.glob(f"{name}-*"):
            left_over.unlink()
        file.write_bytes(damaged)
        try:
            found = kind.read(file)
        except InputError as error:
            told.append(str(error))
            continue
        if not same(found, right, damaged, name):
            changed.append(number)
    assert not [text for text in told if len(text.splitlines()) != 1]
    assert len(told) > times / 8 or not kind.sure
    assert not kind.sure or not changed


def same(found: object, right: object, damaged: bytes, name: str) -> bool:
    """Whether nothing that is read is wrong; what is lost is asked for, or sampled, again."""
    if not damaged:
        return True  # an empty file is one that was not begun
    if isinstance(found, list) and isinstance(right, list) and name != "metrics.jsonl":
        return all(one is None or one in right for one in found)
    return found == right
