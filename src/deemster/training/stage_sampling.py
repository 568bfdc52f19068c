"""How stages draw trajectories: from teachers, and from the model being trained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deemster.dialects import Dialect, open_dialect
from deemster.errors import BackendError
from deemster.judges import BaseJudge, Judge, Panel
from deemster.judges.own_settings import NO_META_RM
from deemster.schemas import Sample
from deemster.suites.building import SuiteJudges, build_judges
from deemster.training.drawing import Drawer, DrawSettings, MakeJudge
from deemster.training.rollouts import RolloutFile
from deemster.training.sampling import Sampled, Tally, draw_all
from deemster.training.sections import DistilSection, ModelSection, SampledSection
from deemster.training.stage import StageContext, StageError

_MOST_FAILED = 0.05
"""Largest share of items that may be left without trajectories because of failed calls."""


def draw_rollouts(
    context: StageContext[Any],
    make: MakeJudge,
    samples: Sequence[Sample],
    *,
    n: int,
    out: RolloutFile,
    dialect: Dialect,
    hinted: bool = False,
) -> None:
    """Draw the trajectories that `out` does not have yet.

    Items whose calls failed are tried once more; a few may then remain without trajectories.

    Args:
        context: of the stage.
        make: makes the judge that writes, here or where the context's `sampling` wants it.
        samples: about what.
        n: trajectories per sample and judge.
        out: where they go.
        dialect: of the judge to train.
        hinted: name the best response in the prompt.

    Raises:
        StageError: more than 5 % of the items are without trajectories.
        InputError: see `sample_rollouts`.
    """
    phase = "hinted sampling" if hinted else "sampling"
    settings = DrawSettings(n, hinted=hinted, dialect=dialect)

    async def draw() -> Sampled:
        async with _asking(context, make, settings) as ask:
            for last in (False, True):
                tally = Tally(out, lambda done: context.progress(phase, done, len(samples)))
                await ask(samples, tally)
                found = tally.sampled()
                if last or not found.counts.get("failed"):
                    break
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


@asynccontextmanager
async def _asking(
    context: StageContext[Any], make: MakeJudge, settings: DrawSettings
) -> AsyncIterator[Callable[[Sequence[Sample], Tally], Awaitable[None]]]:
    """What draws trajectories of samples, until it is closed."""
    if (engine := context.sampling) is not None:
        yield lambda samples, tally: engine.draw(make, samples, settings, tally)
        return
    judge, built = make()
    try:
        drawer = Drawer(judge, settings)
        yield lambda samples, tally: draw_all(drawer, samples, tally)
    finally:
        await built.aclose()


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


def alone(
    path: str,
    model: ModelSection,
    section: SampledSection,
    *,
    seed: int,
    name: str = "base",
    trust: bool = False,
) -> tuple[Judge, Judge]:
    """`judge_of`, as a `MakeJudge`: the judge closes itself."""
    judge = judge_of(path, model, section, seed=seed, name=name, trust=trust)
    return judge, judge


def judge_of(
    path: str,
    model: ModelSection,
    section: SampledSection,
    *,
    seed: int,
    name: str = "base",
    trust: bool = False,
) -> Judge:
    """A model being trained as a judge that can be sampled from, here or from its server.

    Args:
        path: folder or repository of its weights.
        model: dialect, options of the backend, and the server if there is one.
        section: how it is sampled from.
        seed: of the draws.
        name: the stage that trained it, or `base`.
        trust: whether the recipe is the user's own, which decides where keys go.

    Raises:
        InputError: a setting is wrong, or the folder holds no model.
    """
    string, given = model.opened(name, path)
    options: dict[str, Any] = {**given, **({"trust": trust} if model.sampling else {})}
    return Judge(
        string,
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
