"""What a meta RM learns from: judgments, labelled as right or wrong (paper Eq. 10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from deemster.errors import InputError
from deemster.judges.meta_hf import meta_text
from deemster.schemas import Judgment, Record, Sample
from deemster.suites.store import RunStore
from deemster.training.outcome import check_truth, is_correct, truth_of
from deemster.training.rollouts import Rollout


class MetaExample(Record):
    """One judgment as the meta RM reads it, and its label."""

    item: str
    """Id of the sample it is about."""
    text: str
    """See `meta_text`."""
    correct: bool
    stage: str = ""
    """Which judge wrote it."""


def meta_examples(samples: Iterable[Sample], rollouts: Iterable[Rollout]) -> list[MetaExample]:
    """Trajectories as examples.

    Hinted ones are left out: they are written with knowledge that a judge lacks (paper section
    3). Unparseable ones too: they are not judgments, and no meta RM rates them.

    Raises:
        InputError: a trajectory is about an unknown sample, or a sample has no usable label.
    """
    by_id: Mapping[str, Sample] = {sample.id: sample for sample in samples}
    examples = []
    for rollout in rollouts:
        if rollout.hinted or rollout.scores is None:
            continue
        sample = by_id.get(rollout.sample_id)
        if sample is None:
            raise InputError(
                f"a trajectory is about {rollout.sample_id!r}, but there is no such sample; "
                "give the samples it was drawn from"
            )
        judgment = Judgment(scores=rollout.scores, order=rollout.order, raw=rollout.completion)
        examples.append(
            MetaExample(
                item=sample.id,
                text=meta_text(sample.query, sample.responses, judgment),
                correct=is_correct(rollout.scores, truth_of(sample)),
                stage=rollout.stage,
            )
        )
    return examples


def meta_examples_of_run(directory: str | Path) -> list[MetaExample]:
    """All labelled judgments of a stored run, of all its judges.

    Left out are samples without a decisive label (none, or tied on top) or without texts, and
    votes that failed, were superseded, have no text, do not score every response, or score a
    single one on a scale other than 0 to 1.

    Raises:
        InputError: there is no run, or not one judgment of it can be used.
    """
    examples = []
    with RunStore(directory) as store:
        for number, info in enumerate(store.judges()):
            for sample, verdict in store.verdicts(number):
                if not _labelled(sample):
                    continue
                examples += [
                    MetaExample(
                        item=sample.id,
                        text=meta_text(sample.query, sample.responses, vote),
                        correct=is_correct(vote.scores, truth_of(sample)),
                        stage=vote.judge or info.name,
                    )
                    for vote in verdict.votes
                    if isinstance(vote, Judgment) and _usable(vote)
                ]
    if not examples:
        raise InputError(
            f"no labelled judgment in {str(directory)!r}; it needs samples with ground truth, and "
            "judges whose texts were kept"
        )
    return examples


def _labelled(sample: Sample) -> bool:
    if sample.ground_truth is None or not sample.query:
        return False
    try:
        check_truth(sample.ground_truth)
    except InputError:
        return False
    return not any(response.is_blank for response in sample.responses)


def _usable(vote: Judgment) -> bool:
    if vote.superseded or not vote.raw.strip() or None in vote.scores:
        return False
    single = len(vote.scores) == 1
    return not single or (vote.scale is not None and (vote.scale.low, vote.scale.high) == (0, 1))


__all__ = ["MetaExample", "meta_examples", "meta_examples_of_run"]
