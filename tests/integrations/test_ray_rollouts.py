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
from tests.support.model_server import model_server
from tests.support.ray_rollouts import KINDS, N, made, samples
from tests.support.toy_training import pairs, write_recipe, write_rows

from deemster.schemas import Sample
from deemster.suites.engines import Work
from deemster.suites.suite_job import SuiteJob
from deemster.training.drawing import DrawSettings, MakeJudge
from deemster.training.evaluation import Candidate, evaluate
from deemster.training.recipe import Recipe
from deemster.training.rollout_job import RolloutJob
from deemster.training.rollouts import Rollout, RolloutFile
from deemster.training.sampling import Tally, sample_rollouts
from deemster.training.sections import DistilSection, EvalSettings, ModelSection, RftSection
from deemster.training.stage import StageContext, StageError
from deemster.training.stage_sampling import alone, draw_rollouts, teacher_of

ROOT = Path(__file__).parents[2]
needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="needs ray: pip install 'deemster[ray]'"
)


class OneActor:
    """A cluster of one actor, in this process, that dies with some samples."""

    def __init__(
        self, lost: Collection[int] = (5,), *, why: str = "", always: bool = False
    ) -> None:
        self.lost, self.why, self.always = lost, why, always
        self.judged = 0

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

    async def judge_all(self, work: Work) -> bool:
        for judge, positions in enumerate(work.todo):
            job = SuiteJob(work, judge)
            kind, given = pickle.loads(pickle.dumps(job.actor()))
            actor = kind(*given)
            for position in positions:
                self.judged += 1
                assert not job.take([position], await actor.ask([job.sample(position)]))
            await actor.aclose()
        return False


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


def test_the_stage_eval_draws_its_samples_elsewhere_too(tmp_path: Path) -> None:
    engine = OneActor()
    asked = Candidate("base", "fake:Scores: \\boxed{7, 3}")
    figures = {}
    for name, sampling in (("elsewhere", engine), ("here", None)):
        (tmp_path / name).mkdir()
        context: StageContext[Any] = StageContext(
            "eval", tmp_path / name, {}, Recipe(name="r", seed=3), resume=False, sampling=sampling
        )
        evaluate([asked], samples()[:8], EvalSettings(k=2), context)
        figures[name] = (tmp_path / name / "evaluation.json").read_text(encoding="utf-8")
    assert figures["elsewhere"] == figures["here"]
    assert engine.judged == 2 * 8, "greedily and by votes"


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
@needs_ray
def test_the_command_evaluates_a_recipe_by_actors(tmp_path: Path) -> None:
    write_rows(tmp_path / "evaluation.jsonl", pairs(12, "evaluation"))
    with model_server() as server:
        server.serve("judge-base")
        sampling = {"model": "hosted_vllm/judge-{stage}", "api_base": server.url}
        recipe = write_recipe(tmp_path, {
            "name": "served", "data": {"evaluation": {"path": "evaluation.jsonl"}},
            "model": {"base": "org/base", "dialect": "grm", "sampling": sampling},
            "eval": {"k": 2, "max_tokens": 32, "models": ["base"]},
        })  # fmt: skip
        figures = {}
        for where, given in (("local", []), ("ray", ["--sample-on", "ray", "--actors", "2"])):
            done = subprocess.run(
                [sys.executable, "-m", "deemster", "train", str(recipe), "--out", where, *given],
                cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert ("an actor is ready" in done.stderr) == (where == "ray")
            figures[where] = (tmp_path / where / "eval" / "evaluation.json").read_bytes()
    assert figures["ray"] == figures["local"]


@pytest.mark.slow
@needs_ray
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
