"""Trajectories drawn by actors are those that one process draws."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.ray_rollouts import KINDS, N, made, samples

from deemster.schemas import Sample
from deemster.suites.engines import Work
from deemster.training.drawing import DrawSettings, MakeJudge
from deemster.training.rollout_job import RolloutJob
from deemster.training.rollouts import Rollout, RolloutFile
from deemster.training.sampling import Tally, sample_rollouts
from deemster.training.sections import DistilSection, ModelSection, RftSection
from deemster.training.stage import StageContext, StageError
from deemster.training.stage_sampling import alone, draw_rollouts, teacher_of

ROOT = Path(__file__).parents[2]


class OneActor:
    """A cluster of one actor, in this process, that dies with some samples."""

    def __init__(
        self, lost: Collection[int] = (5,), *, why: str = "", always: bool = False
    ) -> None:
        self.lost, self.why, self.always = lost, why, always

    async def draw(
        self, make: MakeJudge, samples: Sequence[Sample], settings: DrawSettings, tally: Tally
    ) -> None:
        job = RolloutJob(make, settings, list(tally.unfinished(samples)), tally)
        kind, given = job.actor()
        actor = kind(*given)
        for position, sample in enumerate(job.samples):
            if sample.id in {f"q{i}" for i in self.lost}:
                job.give_up(position, self.why)
            else:
                assert not job.take([position], await actor.ask([job.sample(position)]))
        self.lost = self.lost if self.always else ()

    async def judge_all(self, _: Work) -> bool:
        raise AssertionError


def local(folder: Path, name: str, settings: DrawSettings) -> RolloutFile:
    file = RolloutFile(folder / f"local-{name}.jsonl")
    asked = {"n": settings.n, "hinted": settings.hinted, "stage": settings.stage}
    asyncio.run(sample_rollouts(made(folder, deadly=False)[0], samples(), out=file, **asked))  # type: ignore[arg-type]  # of three types
    return file


class Listener:
    """Notes the progress of the stage `rft`."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def progress(self, stage: str, what: str, done: int, total: int) -> None:
        assert (stage, what, total) == ("rft", "sampling", N)
        self.seen.append(done)

    def figures(self, stage: str, figures: Any) -> None: ...


def draw(folder: Path, engine: OneActor, listener: Listener) -> list[Rollout]:
    """The trajectories that a stage draws."""
    file = RolloutFile(folder / "rows.jsonl")
    context: StageContext[Any] = StageContext(
        "rft", folder, {}, None, resume=False, listener=listener, sampling=engine
    )
    make = partial(made, folder, deadly=False)
    draw_rollouts(context, make, samples(), n=3, out=file, dialect=make()[0].dialect)
    return file.read()


def test_a_stage_draws_the_same_rows_elsewhere(tmp_path: Path) -> None:
    listener = Listener()
    drawn = draw(tmp_path, OneActor(), listener)
    # The one whose actors died has been asked about again, and died no more.
    assert drawn == local(tmp_path, "rows", DrawSettings(3)).read()
    assert listener.seen == [*range(1, N + 1), N]


def test_too_many_lost_samples_end_the_stage(tmp_path: Path) -> None:
    listener = Listener()
    with pytest.raises(StageError, match=r"no trajectories of 3 of 40 .*actors died .*no power"):
        draw(tmp_path, OneActor(lost={1, 2, 3}, why="no power", always=True), listener)


def test_what_makes_a_judge_can_be_sent() -> None:
    section = RftSection()
    own = partial(alone, "some/model", ModelSection(base="some/model"), section, seed=1)
    teachers = DistilSection.model_validate({"judges": {"model": "openai/none"}, "n": 2})
    others = partial(teacher_of, teachers, folder=Path("here"), seed=1, trust=False)
    for make in (own, others):
        sent = pickle.loads(pickle.dumps(make))
        assert (sent.func, sent.args, sent.keywords) == (make.func, make.args, make.keywords)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(["--sample-on", "spark"], "of --sample-on; known: local, ray", id="name"),
        pytest.param(["--actors", "3"], "for --sample-on ray; give that too", id="without-ray"),
    ],
)  # fmt: skip
def test_options_of_the_command(given: list[str], reason: str) -> None:
    recipe = ROOT / "recipes" / "nano.yaml"
    assert reason in one_line(deemster("train", str(recipe), *given))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install 'deemster[ray]'")
def test_a_cluster_draws_what_one_process_draws_though_an_actor_dies(tmp_path: Path) -> None:
    source = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.ray_rollouts", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            shown, _ = process.communicate(timeout=300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, shown
    assert "an actor died" in shown
    for name, settings in KINDS.items():
        drawn = RolloutFile(tmp_path / f"{name}.jsonl").read()
        assert len(drawn) == N * settings.n
        assert drawn == local(tmp_path, name, settings).read()
