"""Drawing trajectories item by item, so that a killed run resumes.

The trajectories of a judge train another one (distillation), the judge itself (rejective
fine-tuning, paper section 3) and its meta RM.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from deemster.dialects import Dialect
from deemster.errors import BackendError, InputError
from deemster.judges import Scorer
from deemster.judges.batch import IN_FLIGHT
from deemster.judges.together import together
from deemster.schemas import Sample
from deemster.training.drawing import Drawer, Drawn, DrawSettings
from deemster.training.rollouts import Rollout, RolloutFile


@dataclass(frozen=True)
class Sampled:
    """The result of a call of `sample_rollouts`."""

    items: int
    """Samples finished by this call."""
    resumed: int
    """Samples that were finished before."""
    counts: dict[str, int] = field(default_factory=dict)
    """Of this call: `trajectories` written and how many of them are `unparseable`; draws
    `without text` (refused, or see `transcribe.completion_of`), which give none; and `failed`
    samples, left for the next call because a draw got no answer."""
    first_failure: str = ""
    """The message of the first failed draw."""


async def sample_rollouts(
    judge: Scorer,
    samples: Iterable[Sample],
    *,
    n: int,
    out: RolloutFile,
    hinted: bool = False,
    stage: str = "",
    dialect: Dialect | None = None,
    in_flight: int = IN_FLIGHT,
) -> Sampled:
    """Draw trajectories about every sample of which `out` has none yet; see `Drawer`.

    Args:
        judge: who writes.
        samples: about what; ids must differ. Those with ground truth get `correct`.
        n: see `DrawSettings`.
        out: where they go; hinted ones need a file of their own.
        hinted: see `DrawSettings`.
        stage: see `DrawSettings`.
        dialect: see `DrawSettings`.
        in_flight: samples asked about at a time, >= 1.

    Raises:
        InputError: an argument is wrong, a sample cannot be judged, or `out` cannot be written.
        BackendError: not one trajectory could be drawn.
    """
    if n < 1 or in_flight < 1:
        raise InputError(f"n and in_flight must be >= 1, got n={n} and in_flight={in_flight}")
    drawer = Drawer(judge, DrawSettings(n, hinted=hinted, stage=stage, dialect=dialect))
    tally = Tally(out)
    await draw_all(drawer, samples, tally, in_flight=in_flight)
    return tally.sampled()


async def draw_all(
    drawer: Drawer, samples: Iterable[Sample], tally: Tally, *, in_flight: int = IN_FLIGHT
) -> None:
    """Draw what the tally's file does not have yet; see `sample_rollouts`."""
    pending = tally.unfinished(samples)

    async def work() -> None:
        for sample in pending:  # shared: each sample goes to the worker that is free
            tally.add(sample.id, await drawer.draw(sample))

    await together(work() for _ in range(in_flight))


@dataclass
class Tally:
    """Writes what was drawn, and counts it.

    Args:
        out: where it goes.
        observer: called with the number of samples that are through, failed ones among them.
    """

    out: RolloutFile
    observer: Callable[[int], None] | None = None
    items: int = 0
    resumed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first_failure: str = ""

    def unfinished(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The samples to ask about; those of which the file has trajectories are counted.

        Raises:
            InputError: an id occurs twice, or the file cannot be read.
        """
        done, seen = self.out.done_ids(), set[str]()
        for sample in samples:
            if sample.id in seen:
                raise InputError(f"sample id {sample.id!r} occurs twice; ids must be unique")
            seen.add(sample.id)
            if sample.id in done:
                self.resumed += 1
            else:
                yield sample

    def add(self, sample_id: str, drawn: Drawn) -> None:
        """Write what came of one sample, or nothing if a draw failed."""
        if drawn.rollouts is None:
            self.counts["failed"] += 1
            self.first_failure = self.first_failure or drawn.failure
        else:
            self._write(sample_id, drawn.rollouts)
            self.counts["without text"] += drawn.without_text
        if self.observer is not None:
            self.observer(self.resumed + self.items + self.counts["failed"])

    def _write(self, sample_id: str, rollouts: Sequence[Rollout]) -> None:
        self.out.append(sample_id, rollouts)
        self.items += 1
        self.counts["trajectories"] += len(rollouts)
        self.counts["unparseable"] += sum(rollout.scores is None for rollout in rollouts)

    def sampled(self) -> Sampled:
        """All counts.

        Raises:
            BackendError: not one trajectory could be drawn.
        """
        if self.counts["failed"] and not self.items and not self.resumed:
            raise BackendError(f"no trajectory could be drawn: {self.first_failure}")
        return Sampled(self.items, self.resumed, dict(self.counts), self.first_failure)
