"""The section `distil` with `run`: from a run directory to the trajectories to fine-tune on."""

from __future__ import annotations

from pathlib import Path

from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.training.corpus import Corpus
from deemster.training.sections import DistilSection
from deemster.training.stored_choice import Choice, choose
from deemster.training.stored_votes import StoredVotes, read_votes
from deemster.training.trl_recipe import TrlRecipe, needed


def stored_trajectories(
    recipe: TrlRecipe, section: DistilSection, corpus: Corpus
) -> tuple[StoredVotes, Choice]:
    """What a run holds about the corpus's `stored` items, and what of it to train on.

    Raises:
        InputError: the run has no such judge, or nothing of it can be learnt.
    """
    run = recipe.folder / Path(section.run or "").expanduser()
    stored = read_votes(
        run,
        open_dialect(needed(recipe.model, "model").dialect),
        {sample.id for sample in corpus.stored},
        teachers=section.teachers,
        reasons=section.reasons,
        seed=recipe.seed,
    )
    if not stored.rollouts:
        raise InputError(_nothing_stored(stored, needed(recipe.model, "model").dialect, run))
    chosen = choose(
        stored.rollouts,
        n=section.n,
        keep_unlabelled=section.unlabelled == "keep",
        consistent=section.consistent,
    )
    return stored, chosen


def stored_facts(recipe: TrlRecipe, stored: StoredVotes, chosen: Choice) -> dict[str, object]:
    """What `--dry-run` shows of them, counts of nothing left out."""
    left_out = {**stored.counts, **chosen.rejected}
    votes = left_out.pop("votes")
    counts = chosen.counts
    unlabelled = counts["kept_unlabelled"]
    checked = "" if not unlabelled else f", {unlabelled} of them not checked by a label"
    return {
        "stored judgments of": ", ".join(str(one["judge"]) for one in stored.teachers),
        "written in": needed(recipe.model, "model").dialect,
        "stored votes": votes,
        "kept": f"{counts['kept']} about {counts['kept_items']} items{checked}",
        **{name.replace("_", " "): count for name, count in left_out.items() if count},
    }


def _nothing_stored(stored: StoredVotes, dialect: str, run: Path) -> str:
    counts = dict(stored.counts)
    votes = counts.pop("votes")
    if not votes:
        return f"run {str(run)!r} holds no votes about the items to train on"
    reasons = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items() if n)
    spoken = sorted({str(one["dialect"]) for one in stored.teachers if one["dialect"]})
    remedies = (
        [f"train in the run's own dialect ({', '.join(spoken)})"]
        if counts["not_writable"] and spoken
        else []
    )
    remedies.append(
        "learn from other judges of it" + ", such as the members" * bool(counts["order_unknown"])
    )
    return (
        f"none of the {votes} votes in run {str(run)!r} can be learnt in dialect {dialect!r}: "
        f"{reasons}; {', or '.join(remedies)}"
    )


__all__ = ["stored_facts", "stored_trajectories"]
