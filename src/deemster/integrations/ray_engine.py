"""Judging on a Ray cluster: `deemster run --engine ray`, `deemster train --sample-on ray`.

Every actor holds one judge. The driver, which is the process that was started, reads samples from
the run store as actors get free, and is the only one that writes to it. It knows of each sample
where it is, so that a sample is judged again when its actor or node dies, and each verdict is
stored once. That is why these are plain actors and not a Ray Data pipeline: Ray Data repeats tasks
and rebuilds blocks that were lost, also such whose rows were taken already.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deemster.errors import InputError
from deemster.extras import need
from deemster.integrations.ray_actors import Job, RayOptions, Spread
from deemster.integrations.ray_rollouts import RolloutJob
from deemster.integrations.ray_suite import SuiteJob
from deemster.schemas import Sample
from deemster.suites.engines import Work, refuse_batches
from deemster.training.drawing import DrawSettings, MakeJudge
from deemster.training.sampling import Tally

__all__ = ["RayEngine", "RayOptions"]

_LOCAL_MEMORY = 200 * 1024**2
"""Bytes for what is under way between processes of one machine: samples and verdicts."""


class RayEngine:
    """Judges on a cluster, one judge of the suite after the other.

    An actor has two chunks at a time, and no more than that is read from the store. Completions are
    not kept apart from verdicts: a sample that is lost with its actor is asked about from the
    start. A suite's budget holds for verdicts that came back; what is under way when it is spent
    is paid for.

    Args:
        options: how samples are spread.
        report: is told, in a line, whenever something happened.

    Raises:
        InputError: Ray is not installed.
    """

    def __init__(
        self,
        options: RayOptions | None = None,
        *,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        need("ray", "engine 'ray'")
        self.options = options or RayOptions()
        self.report = report

    async def judge_all(self, work: Work) -> bool:
        """See `Engine`.

        Raises:
            InputError: the judges are not those of the suite; the cluster has no room for an
                actor; actors die without judging anything.
        """
        refuse_batches(work.store.directory)
        if not work.rebuildable:
            raise InputError(
                "engine 'ray' makes the judges anew from the suite on every machine; "
                "give no judges, or run with engine 'local'"
            )
        with _cluster(self.options, self.report):
            for j, positions in enumerate(work.todo):
                if positions and await self._spread(SuiteJob(work, j)).ask(positions):
                    return True
        return False

    async def draw(
        self, make: MakeJudge, samples: Sequence[Sample], settings: DrawSettings, tally: Tally
    ) -> None:
        """See `SamplingEngine`.

        Raises:
            InputError: see `sample_rollouts`; the cluster has no room for an actor; actors die
                without drawing anything.
        """
        pending = list(tally.unfinished(samples))
        if pending:
            with _cluster(self.options, self.report):
                job = RolloutJob(make, settings, pending, tally)
                await self._spread(job).ask(range(len(pending)))

    def _spread(self, job: Job) -> Spread:
        return Spread(self.options, self.report, job)


@contextmanager
def _cluster(options: RayOptions, report: Callable[[str], None]) -> Iterator[None]:
    """Connect to a cluster, or start one; what was started here is stopped."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    import ray  # noqa: PLC0415 - takes seconds

    mine = not ray.is_initialized()
    if mine:
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if options.address is None:
            given |= {
                "address": "local",
                "num_cpus": max(1, round(options.actors * options.cpus)),
                "object_store_memory": _LOCAL_MEMORY,
                "include_dashboard": False,
            }
        else:
            given["address"] = options.address
        try:
            ray.init(**given)
        except Exception as error:  # of no kind of its own where a busy machine starts too slowly
            ray.shutdown()
            told = " ".join(str(error).split())
            if options.address is None:
                raise InputError(f"Ray does not start on this machine: {told}") from error
            raise InputError(f"no Ray cluster at {options.address!r}: {told}") from error
    try:
        there = ray.cluster_resources()
        for name, wanted in (("CPU", options.cpus), ("GPU", options.gpus)):
            if there.get(name, 0.0) < wanted:
                text = f"an actor needs {wanted:g} {name}, the cluster has {there.get(name, 0):g}"
                if options.address is None:
                    raise InputError(f"{text}; ask for less, or give the address of another")
                report(f"{text} now; waiting for more")
        yield
    finally:
        if mine:
            ray.shutdown()
