"""The judges of a suite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deemster.backends.base import Trust
from deemster.backends.limits import Budget
from deemster.judges import BaseJudge, Judge
from deemster.judges.building import Site
from deemster.suites.spec import SuiteSpec


@dataclass(frozen=True)
class SuiteJudges:
    """A suite's judges, in its order, and everything they were built from. Closes all of it."""

    judges: tuple[BaseJudge, ...]
    site: Site

    async def aclose(self) -> None:
        """Close every judge that was built. Idempotent."""
        await self.site.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def build_judges(spec: SuiteSpec, *, folder: Path, trust: Trust = False) -> SuiteJudges:
    """The judges of a suite; they share its budget, and a judge named twice is built once.

    Args:
        spec: the suite.
        folder: what relative paths in it start from.
        trust: whether the suite is the user's own, which decides where keys go; see `Trust`.

    Raises:
        InputError: a judge's settings are wrong; the text names the judge.
    """
    given = spec.budget
    limits = {} if given is None else given.model_dump(exclude={"votes"}, exclude_none=True)
    budget = Budget(**limits) if limits else None
    run = spec.expanded()
    # A member may be named as it is written, before the matrix varies it.
    specs = {judge.label: judge for judge in (*spec.judges, *run)}
    site = Site(specs=specs, seed=spec.seed, folder=folder, budget=budget, trust=trust)
    judges = tuple(site.judge(judge.label) for judge in run)
    for judge in judges:
        if given is not None and given.votes is not None and isinstance(judge, Judge):
            judge.shared_votes = given.votes
    return SuiteJudges(judges, site)
