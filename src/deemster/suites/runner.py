"""Running a suite so that nothing is lost: killed at any moment and run again, it continues.

Two files ensure that. Completions go into a cassette as they arrive, so that a half-judged sample
is finished without buying the same votes again; verdicts with all their votes go into the run
store. The cassette is removed when every vote of the run is a judgment. How samples are judged in
between is up to an engine, see `engines`.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deemster._version import __version__
from deemster.backends import checked
from deemster.errors import InputError
from deemster.files import writing
from deemster.judges import BaseJudge
from deemster.schemas import JudgeInfo, Usage
from deemster.suites.building import build_judges
from deemster.suites.engines import COMPLETIONS, Engine, LocalEngine, Observer, Work
from deemster.suites.loading import Suite
from deemster.suites.metrics import Standing, Summary
from deemster.suites.requirements import check_requirements
from deemster.suites.run_folder import holds_run
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_run, write_json, write_summary
from deemster.suites.thresholds import ThresholdResult, check_thresholds
from deemster.suites.vote_budget import check_vote_budget

_PACKAGES = ("litellm", "instructor", "openai", "torch", "transformers", "pydantic", "numpy")


@dataclass(frozen=True)
class RunResult:
    """The result of a run."""

    directory: Path
    summaries: dict[str, Summary]
    """By judge name."""
    spent: dict[str, Usage]
    """By judge name: what was requested of models for it. Less than the usage of its verdicts where
    another judge of the suite had already drawn the same votes."""
    standings: tuple[Standing, ...]
    """The judges, best first; empty where there is one, or no figure to compare."""
    thresholds: tuple[ThresholdResult, ...]
    """Those of the suite, for every judge."""
    over_budget: bool
    """The budget ended the run; `--resume` with a larger one continues it."""
    unscored: int
    """Samples without rewards, over all judges."""

    @property
    def broken(self) -> tuple[str, ...]:
        """Thresholds that do not hold, one line each."""
        return tuple(str(one) for one in self.thresholds if not one.passed)

    def _repr_html_(self) -> str:
        """How notebooks show it."""
        from deemster.suites.run_html import run_html  # noqa: PLC0415 - for notebooks

        return run_html(self)


@dataclass(frozen=True)
class Plan:
    """What is left to do when a run begins."""

    judge: str
    todo: int
    total: int


async def run_suite(
    suite: Suite,
    out: Path,
    *,
    resume: bool = False,
    judges: Sequence[BaseJudge] | None = None,
    observer: Observer | None = None,
    on_plan: Callable[[list[Plan]], None] | None = None,
    engine: Engine | None = None,
) -> RunResult:
    """Judge every sample of a suite by every judge, and write the summary.

    Args:
        suite: a loaded suite.
        out: run directory. If it holds this suite's run, that is continued: finished
            samples are never judged again.
        resume: needed to continue an unfinished run; also judges those samples again that have
            a failed vote (votes that did not fail are not bought again).
        judges: in place of those that the suite describes; the caller closes them.
        observer: for progress.
        on_plan: called with what is to be done, before the first call.
        engine: what does the judging; None: this process, one judge after the other.

    Raises:
        InputError: the suite is wrong, or `out` holds another run; nothing is written then.
        CalibrationError: a judge is not the one that was calibrated, or is not what the suite
            requires; nothing is sent then.
    """
    rebuildable = judges is None
    async with AsyncExitStack() as opened:
        if judges is None:
            built = build_judges(suite.spec, folder=suite.path.parent, trust=suite.trust)
            judges = (await opened.enter_async_context(built)).judges
        check_requirements(suite.spec, judges)
        _check_vote_budget(suite, judges, engine)
        for judge in judges:
            judge.wrap_backends(checked)  # before anything is written or sent
        infos = [judge.info for judge in judges]
        digest, n_samples = _digest(suite)
        _check_directory(out, resume=resume, judges=infos)
        with RunStore(out, write=True) as store:
            store.set_judges(infos)
            _begin(store, digest, suite)
            todo = [store.left(j, with_failures=resume) for j in range(len(judges))]
            if on_plan is not None:
                on_plan([
                    Plan(info.name, len(left), n_samples)
                    for info, left in zip(infos, todo, strict=True)
                ])  # fmt: skip
            work = Work(suite, store, tuple(judges), todo, observer, rebuildable)
            over_budget = await (engine or LocalEngine()).judge_all(work)
            summaries, best_first = summarise_run(store)
            spent = {info.name: store.spent(j) for j, info in enumerate(infos)}
            finished = not any(store.left(j, with_failures=True) for j in range(len(infos)))
    thresholds = tuple(check_thresholds(suite.spec, summaries))
    write_summary(out, summaries, spent=spent, standings=best_first, thresholds=thresholds)
    _write_suite(out, suite)  # a run that goes on may have other thresholds than it began with
    if finished:
        _remove_cassette(out)
    return RunResult(
        directory=out,
        summaries=summaries,
        spent=spent,
        standings=best_first,
        thresholds=thresholds,
        over_budget=over_budget,
        unscored=sum(n_samples - one.n_scored for one in summaries.values()),
    )


def _check_vote_budget(suite: Suite, judges: Sequence[BaseJudge], engine: Engine | None) -> None:
    budget = suite.spec.budget
    if budget is None or budget.votes is None:
        return
    if not isinstance(engine, LocalEngine | None):
        raise InputError(
            "budget.votes is shared out by the rounds of one process; run without --batch and "
            "--engine"
        )
    check_vote_budget(budget.votes, judges, suite.samples())


def _remove_cassette(out: Path) -> None:
    for left_over in out.glob(f"{COMPLETIONS}*"):
        left_over.unlink()


def _check_directory(out: Path, *, resume: bool, judges: Sequence[JudgeInfo]) -> None:
    """Refuse to continue an unfinished run unless asked to, and one of other judges anyway."""
    if not holds_run(out):
        return
    with RunStore(out) as store:
        store.has_judges(judges)
        total = store.count_samples()
        finished = total > 0 and not any(store.left(j) for j in range(len(judges)))
    if not finished and not resume:
        raise InputError(f"{str(out)!r} holds an unfinished run; give --resume to continue it")


def _digest(suite: Suite) -> tuple[str, int]:
    """SHA-256 over a suite's samples, and their number; reads all data, keeps none."""
    digest, count = hashlib.sha256(), 0
    for sample in suite.samples():
        digest.update(sample.model_dump_json().encode(errors="surrogatepass"))
        count += 1
    return digest.hexdigest(), count


def _begin(store: RunStore, digest: str, suite: Suite) -> None:
    """Record samples and environment, or check that the run was begun with the same samples."""
    known = store.value("samples")
    if known is None:
        if not store.count_samples():
            store.add_samples(suite.samples())
        store.set_value("samples", digest)
        _write_suite(store.directory, suite)
        path = store.directory / "environment.json"
        with writing(path):
            write_json(path, environment(suite.path.parent))
    elif known != digest:
        raise InputError(
            f"the run in {str(store.directory)!r} was begun with other samples; give another --out"
        )


def _write_suite(out: Path, suite: Suite) -> None:
    path = out / "suite.json"
    with writing(path):
        write_json(path, suite.written)


def environment(folder: Path) -> dict[str, object]:
    """The environment of a run: versions and the git revision of the suite's folder, no secrets."""
    found: dict[str, object] = {
        "deemster": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    found["git"] = _revision(folder)
    return found


def _revision(folder: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
