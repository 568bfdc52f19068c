"""How stages draw trajectories: from teachers, and from the model being trained."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deemster.dialects import Dialect, open_dialect
from deemster.errors import BackendError
from deemster.judges import BaseJudge, Judge, Panel
from deemster.judges.own_settings import NO_META_RM
from deemster.schemas import Sample
from deemster.suites.building import SuiteJudges, build_judges
from deemster.training.rollouts import RolloutFile
from deemster.training.sampling import Sampled, sample_rollouts
from deemster.training.sections import DistilSection, ModelSection, SampledSection
from deemster.training.stage import StageContext, StageError

_MOST_FAILED = 0.05
"""Largest share of items that may be left without trajectories because of failed calls."""


def draw_rollouts(
    context: StageContext[Any],
    judge: BaseJudge,
    samples: Sequence[Sample],
    *,
    n: int,
    out: RolloutFile,
    dialect: Dialect,
    hinted: bool = False,
    built: SuiteJudges | None = None,
) -> None:
    """Draw the trajectories that `out` does not have yet, then close the judge.

    Items whose calls failed are tried once more; a few may then remain without trajectories.

    Args:
        context: of the stage.
        judge: who writes.
        samples: about what.
        n: trajectories per sample and judge.
        out: where they go.
        dialect: of the judge to train.
        hinted: name the best response in the prompt.
        built: everything that was built with the judge, if anything; closed in its place.

    Raises:
        StageError: more than 5 % of the items are without trajectories.
        InputError: see `sample_rollouts`.
    """
    phase = "hinted sampling" if hinted else "sampling"

    async def draw() -> Sampled:
        try:
            for last in (False, True):
                found = await sample_rollouts(
                    judge,
                    _counted(context, samples, phase),
                    n=n,
                    out=out,
                    hinted=hinted,
                    dialect=dialect,
                )
                if last or not found.counts.get("failed"):
                    break
        finally:
            await (built or judge).aclose()
        return found

    try:
        found = asyncio.run(draw())
    except BackendError as error:
        raise StageError(f"{error}; fix the judge and give --resume") from error
    failed = found.counts.get("failed", 0)
    if failed > _MOST_FAILED * len(samples):
        raise StageError(
            f"no trajectories of {failed} of {len(samples)} items, {_MOST_FAILED:.0%} are allowed: "
            f"{found.first_failure}; give --resume to draw them again"
        )
    context.log(phase=phase, items=found.items, resumed=found.resumed, **found.counts)


def _counted(context: StageContext[Any], samples: Sequence[Sample], what: str) -> Iterator[Sample]:
    """The samples, each counted as progress when it is asked for."""
    for number, sample in enumerate(samples, 1):
        yield sample
        context.progress(what, number, len(samples))


def teacher_of(
    section: DistilSection, *, folder: Path, seed: int, trust: bool = False
) -> tuple[BaseJudge, SuiteJudges]:
    """The judge that is not a member of another, or a panel of those; and all that was built.

    Args:
        section: describes the judges.
        folder: what relative paths start from.
        seed: of the judges.
        trust: see `load_recipe`.

    Raises:
        InputError: a judge's settings are wrong.
    """
    suite = section.suite(seed=seed)
    built = build_judges(suite, folder=folder, trust=trust)
    members = {part for spec in suite.judges for part in spec.parts if isinstance(part, str)}
    named = zip(built.judges, suite.judges, strict=True)
    tops = [judge for judge, spec in named if spec.label not in members]
    return (tops[0] if len(tops) == 1 else Panel(tops, name="teachers")), built


def judge_of(path: str, model: ModelSection, section: SampledSection, *, seed: int) -> Judge:
    """A model being trained as a judge that can be sampled from.

    Args:
        path: folder or repository of its weights.
        model: dialect, and options of the backend.
        section: how it is sampled from.
        seed: of the draws.

    Raises:
        InputError: a setting is wrong, or the folder holds no model.
    """
    options: dict[str, Any] = dict(model.backend_options)
    return Judge(
        f"hf:{path}",
        k=1,
        dialect=open_dialect(model.dialect),
        # Said, as the base may be a judge with a file that says otherwise.
        principles="self",
        orders="balanced",
        aggregator="sum",
        meta_rm=NO_META_RM,
        top_p=1.0,
        temperature=section.temperature,
        max_tokens=section.max_tokens,
        seed=seed,
        **options,
    )
