"""Stored runs of different judges as one panel, without a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from deemster.aggregators import Ballot, Reducer, Sum, parse_aggregator, rewards_of, win_shares
from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.judges import decide
from deemster.judges.asking import as_vote
from deemster.judges.membership import weighted_by
from deemster.judges.panel_weights import PanelWeights
from deemster.judges.scaling import Kind
from deemster.schemas import JudgeInfo, Sample, Usage, Verdict
from deemster.suites.rescoring import find_judge
from deemster.suites.store import RunStore


@dataclass(frozen=True)
class Member:
    """A judge of a stored run.

    Attributes:
        info: the judge, under a name that no other member has.
        samples: by id.
        verdicts: by sample id.
    """

    info: JudgeInfo
    samples: dict[str, Sample]
    verdicts: dict[str, Verdict]

    @property
    def reducer(self) -> Reducer:
        """Its voting rule; the sum for a judge made of others, whose rule names its members."""
        spec = self.info.aggregator
        return parse_aggregator(spec) if spec and not self.info.members else Sum()

    def with_votes(self, key: str, votes: Sequence[int] | None) -> Verdict:
        """The verdict of one sample, from some of its votes only; None for all."""
        verdict = self.verdicts[key]
        if votes is None:
            return verdict
        kept = [verdict.votes[i] for i in votes if i < len(verdict.votes)]
        return decide(
            kept,
            n=len(self.samples[key].responses),
            k=len(kept),
            reducer=self.reducer,
            info=self.info.model_copy(update={"k": len(kept)}),
        )

    def votes_per_item(self, keys: Sequence[str]) -> float:
        """Votes drawn, failures included, on average."""
        return sum(len(self.verdicts[key].votes) for key in keys) / max(len(keys), 1)

    def cost_per_item(self, keys: Sequence[str]) -> float | None:
        """US dollars per item; None if it is unknown of one, or no call is on record."""
        total = Usage.total(self.verdicts[key].usage for key in keys)
        on_record = bool(total.calls or total.cost)
        return total.cost / len(keys) if total.cost is not None and on_record else None

    def ballot(self, key: str) -> Ballot:
        """The votes of one sample."""
        return Ballot.from_votes(self.verdicts[key].votes, n=len(self.samples[key].responses))

    def rewards(self, key: str, votes: Sequence[int] | None) -> tuple[float, ...] | None:
        """The rewards of `with_votes` alone, which take no resampling."""
        verdict = self.verdicts[key]
        if votes is None:
            return verdict.rewards
        kept = [verdict.votes[i] for i in votes if i < len(verdict.votes)]
        n = len(self.samples[key].responses)
        return rewards_of(self.reducer, Ballot.from_votes(kept, n=n))


@dataclass(frozen=True)
class StoredPanel:
    """Members and the samples that all of them judged, in the order of the first."""

    members: tuple[Member, ...]
    keys: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the members."""
        return tuple(member.info.name for member in self.members)

    def sample(self, key: str) -> Sample:
        """As the first member's run has it."""
        return self.members[0].samples[key]

    @property
    def labelled(self) -> tuple[str, ...]:
        """Samples with 2 or more responses, one of them labelled strictly best."""
        return tuple(key for key in self.keys if self.sample(key).best is not None)

    def verdicts(
        self,
        *,
        scale: Kind = "zscore",
        weights: PanelWeights | None = None,
        votes: int | None = None,
        seed: int = 0,
    ) -> tuple[JudgeInfo, Iterator[tuple[Sample, Verdict]]]:
        """The panel's info and its verdicts, as a live `Panel` would give them.

        Args:
            scale: how the members' rewards become comparable; see `Panel`.
            weights: by name; None for equal ones.
            votes: only the first so many votes of each member.
            seed: breaks ties.
        """
        reducer = weighted_by(weights, list(self.names), None)
        info = JudgeInfo(
            name=f"panel({', '.join(self.names)})",
            model="panel" if scale == "zscore" else f"panel:{scale}",
            k=len(self.members),
            seed=seed,
            aggregator=str(reducer),
            members=tuple(
                member.info
                if votes is None
                else member.info.model_copy(update={"k": min(votes, member.info.k)})
                for member in self.members
            ),
        )
        kept = None if votes is None else range(votes)

        def rows() -> Iterator[tuple[Sample, Verdict]]:
            for key in self.keys:
                cast = [
                    as_vote(m.with_votes(key, kept), draw=draw, judge=m.info.name, how=scale)
                    for draw, m in enumerate(self.members)
                ]
                sample = self.sample(key)
                n = len(sample.responses)
                yield sample, decide(cast, n=n, k=len(cast), reducer=reducer, info=info)

        return info, rows()


def load_member(run: Path, *, taken: Sequence[str] = ()) -> Member:
    """Read one judge of a stored run.

    Args:
        run: run directory, `DIR#NAME` where it has several judges.
        taken: names that it must not have: judges of two logs are often called alike, and are then
            told apart by their folders.

    Raises:
        InputError: there is no such run or judge.
    """
    directory, _, judge = str(run).partition("#")
    with RunStore(directory) as store:
        position = find_judge(store, judge or None)
        info = store.judges()[position]
        rows = list(store.verdicts(position))
    names = (info.name, f"{Path(directory).name}/{info.name}")
    name = next((one for one in names if one not in taken), str(run))
    return Member(
        info.model_copy(update={"name": name}),
        {sample.id: sample for sample, _ in rows},
        {sample.id: verdict for sample, verdict in rows},
    )


def load_panel(runs: Sequence[Path]) -> StoredPanel:
    """Read the runs of a panel's members.

    Args:
        runs: run directories, `DIR#NAME` where a run has several judges.

    Raises:
        InputError: fewer than two, a run or judge is not there, or they share no sample.
    """
    if len(runs) < 2:
        raise InputError(f"a panel needs 2 or more runs, got {len(runs)}")
    twice = next((run for i, run in enumerate(runs) if run in runs[:i]), None)
    if twice is not None:
        raise InputError(f"run {str(twice)!r} is given twice; a copy adds nothing to a panel")
    members: list[Member] = []
    for run in runs:
        members.append(load_member(run, taken=[member.info.name for member in members]))
    keys = tuple(key for key in members[0].samples if all(key in m.samples for m in members))
    if not keys:
        raise InputError(f"the runs {', '.join(repr(str(run)) for run in runs)} share no sample")
    for key in keys:
        if len({(m.samples[key].ground_truth, len(m.samples[key].responses)) for m in members}) > 1:
            raise InputError(f"sample {key!r} has different responses or labels in different runs")
    return StoredPanel(tuple(members), keys)


# --- as arrays ----------------------------------------------------------------------------------


def rewards_table(
    panel: StoredPanel, keys: Sequence[str], votes: Sequence[int] | None = None
) -> Floats:
    """(I, J, N): the members' rewards, made comparable, the labelled best first.

    Of 3 and more responses they are standardised within the item. Of a pair that would leave only
    who wins, so its rewards are divided by the size of the member's leads over all pairs instead.
    0 from a member that gave no rewards, or finds all responses equal: it abstains. NaN past an
    item's last response.

    Args:
        panel: the runs.
        keys: labelled samples.
        votes: numbers of the votes of each member that count; None for all.
    """
    sizes = np.array([len(panel.sample(key).responses) for key in keys])
    table = np.full((len(keys), len(panel.members), int(sizes.max())), np.nan)
    for i, key in enumerate(keys):
        best, n = panel.sample(key).best or 0, int(sizes[i])
        order = [best, *(place for place in range(n) if place != best)]
        for j, member in enumerate(panel.members):
            given = member.rewards(key, votes)
            rewards = np.zeros(n) if given is None else np.asarray(given, dtype=float)[order]
            rewards -= rewards.mean()
            spread = rewards.std()
            known = spread > 1e-9 * max(1.0, float(np.abs(rewards).max()))
            table[i, j, :n] = 0.0 if not known else rewards if n == 2 else rewards / spread
    pairs = sizes == 2
    if pairs.any():
        size = np.sqrt(np.square(table[pairs, :, :2]).mean(axis=(0, 2)))
        table[pairs] /= np.where(size > 0, size, 1.0)[:, None]
    return table


def win_share(table: Floats, weights: Floats | None = None) -> Floats:
    """(I,): share of the win of the labelled best; 1 where it is strictly best.

    Args:
        table: (I, J, N) of `rewards_table`.
        weights: (J,); None for equal ones.
    """
    w = np.ones(table.shape[1]) if weights is None else weights
    total = np.einsum("ijn,j->in", table, w)
    found: Floats = win_shares(total)[:, 0]
    # Nobody says anything: that is no answer, not a tie.
    silent = (np.nan_to_num(table) == 0).all(axis=(1, 2))
    return np.where(silent, 0.0, found)


def subsets_of(n: int) -> list[tuple[int, ...]]:
    """All subsets of n members with at least one, smallest first."""
    return [one for size in range(1, n + 1) for one in combinations(range(n), size)]
