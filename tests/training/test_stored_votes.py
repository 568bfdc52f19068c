"""Distilling from a run: what of it is learnt, what is left out, and what is said of that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deemster.aggregators import Mean
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.judges.decide import decide
from deemster.schemas import (
    Failure,
    ImagePart,
    ImageUrl,
    JudgeInfo,
    Judgment,
    Message,
    Sample,
    Scale,
    TextPart,
    Vote,
)
from deemster.suites.metrics import Item
from deemster.suites.store import RunStore
from deemster.training.agreement import agreement, teachers_of
from deemster.training.corpus import Corpus, load_corpus
from deemster.training.prompts import training_messages
from deemster.training.rollouts import Rollout
from deemster.training.stored_choice import choose
from deemster.training.stored_run import stored_trajectories
from deemster.training.stored_votes import agrees_with_label, items_of, read_votes, split_items
from deemster.training.trl_recipe import TrlRecipe

GRM = open_dialect("grm")
UNIT = Scale(low=0, high=1)
Row = tuple[Sample, list[list[Vote]]]
"""A sample, and the votes of each judge."""


def pair(name: str, truth: tuple[float, ...] | None = (1, 0), query: str = "") -> Sample:
    return Sample(
        id=name, query=query or f"Which of {name}?", responses=["a", "b"], ground_truth=truth
    )


def vote(best: int, order: tuple[int, ...] = (0, 1), **fields: Any) -> Judgment:
    scores = (1.0, 0.0) if best == 0 else (0.0, 1.0)
    letter = "AB"[order.index(best)] if order else "?"
    given = {"scores": scores, "order": order, "scale": UNIT, "raw": f"[[{letter}]]", **fields}
    return Judgment(**given)


LOST = Failure(status="parse_error", message="no verdict", raw="Both are fine.", order=(0, 1))


def info(name: str, members: Sequence[JudgeInfo] = ()) -> JudgeInfo:
    return JudgeInfo(
        name=name, model=name, dialect="mt-bench-pair", k=2, aggregator="mean",
        members=tuple(members),
    )  # fmt: skip


def write_run(folder: Path, rows: Sequence[Row], judges: Sequence[JudgeInfo]) -> Path:
    """A run in which each sample has the votes of each judge."""
    with RunStore(folder, write=True) as store:
        store.set_judges(judges)
        store.add_samples(sample for sample, _ in rows)
        for position, (sample, by_judge) in enumerate(rows):
            for number, votes in enumerate(by_judge):
                drawn = [one.model_copy(update={"draw": i}) for i, one in enumerate(votes)]
                verdict = decide(
                    drawn, n=len(sample.responses), k=2, reducer=Mean(), info=judges[number]
                )
                store.put(number, position, verdict)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    alone = info("gpt")
    rows: list[Row] = [
        (pair("a"), [[vote(0), vote(0, (1, 0))], [vote(0, ())]]),
        (pair("b"), [[vote(1), LOST], [vote(1, ())]]),
        (pair("c", None), [[vote(0), vote(0, superseded=True)], []]),
        (pair("d", (1, 1)), [[vote(0), vote(0, ())], []]),
    ]
    return write_run(tmp_path / "run", rows, [alone, info("panel", [alone])])


def test_votes_become_trajectories_of_the_judge_to_train(run: Path) -> None:
    found = read_votes(run, GRM, {"a", "b", "c", "d"}, seed=3)
    assert [(one.sample_id, one.order, one.scores, one.correct) for one in found.rollouts] == [
        ("a", (0, 1), (10, 1), True),
        ("a", (1, 0), (10, 1), True),
        ("b", (0, 1), (1, 10), False),
        ("c", (0, 1), (10, 1), None),
        ("d", (0, 1), (10, 1), False),
    ]
    assert found.counts == {
        "votes": 8, "failed": 1, "superseded": 1, "order_unknown": 1, "not_writable": 0,
        "without_reasons": 5,
    }  # fmt: skip
    assert read_votes(run, GRM, {"a"}, reasons=False).counts["without_reasons"] == 0
    second = found.rollouts[1]
    assert second.completion == "Scores: \\boxed{1, 10}"
    assert second.messages == training_messages(pair("a"), GRM, order=(1, 0), seed=3)
    # The panel's votes are those of its member, which stands beside it.
    assert [one["judge"] for one in found.teachers] == ["gpt"]
    assert found.teachers[0]["fingerprint"] == info("gpt").fingerprint


def test_the_judges_to_learn_from_and_the_items_are_chosen(run: Path) -> None:
    twice = read_votes(run, GRM, {"a"}, teachers=["gpt", "gpt"])
    assert (len(twice.teachers), twice.counts["votes"]) == (1, 2)
    found = read_votes(run, GRM, {"a"}, teachers=["panel"])
    assert found.counts["order_unknown"] == found.counts["votes"] == 1
    own = read_votes(run, open_dialect("mt-bench-pair"), {"a"})
    assert [one.completion for one in own.rollouts] == ["[[A]]", "[[B]]"]
    with pytest.raises(
        InputError, match=r"distil\.teachers: no judge 'x' in .*; there: gpt, panel"
    ):
        read_votes(run, GRM, {"a"}, teachers=["x"])


def test_items_that_cannot_be_learnt_from_are_counted(tmp_path: Path) -> None:
    one = Sample(id="one", query="q", responses=["a"], ground_truth=(1,))
    blank = Sample(id="blank", query=(), responses=["", ""])
    image = ImagePart(image_url=ImageUrl(url="data:image/png;base64,AA=="))
    seen = pair("seen").model_copy(
        update={"query": (Message(role="user", content=(TextPart(text="see"), image)),)}
    )
    half = Sample(id="half", query="q", responses=["a", " "], ground_truth=(1, 0))
    rows: list[Row] = [
        (pair("a"), [[vote(0)]]), (one, [[]]), (blank, [[]]), (seen, [[vote(0)]]),
        (half, [[vote(0)]]),
    ]  # fmt: skip
    folder = write_run(tmp_path / "mixed", rows, [info("gpt")])
    found = items_of(folder, open_dialect("mt-bench-pair"))
    assert [sample.id for sample in found.usable] == ["a"]
    assert found.counts == {"items": 5, "without_texts": 2, "other_shape": 2}
    for lost, part in ((blank, "the query"), (half, "response 1")):
        folder = write_run(tmp_path / lost.id, [(lost, [[]])], [info("gpt")])
        with pytest.raises(
            InputError, match=f"item '{lost.id}' has no text of {part}; import it with --data"
        ):
            items_of(folder, GRM)
    single = write_run(tmp_path / "single", [(one, [[]])], [info("gpt")])
    with pytest.raises(
        InputError, match=r"judges 2 responses at once, got 1; or set another model\.dialect"
    ):
        items_of(single, open_dialect("mt-bench-pair"))


def test_a_query_is_held_out_with_all_its_items() -> None:
    samples = [pair(str(i), query=f"q{i % 10}") for i in range(40)]
    out = split_items(samples, share=0.3, seed=0)
    queries = {int(name) % 10 for name in out}
    assert len(queries) == 3
    assert out == {str(i) for i in range(40) if i % 10 in queries}
    assert split_items(samples[::-1], share=0.3, seed=0) == out
    assert split_items(samples, share=0.3, seed=1) != out
    assert split_items(samples, share=0, seed=0) == set()
    with pytest.raises(InputError, match=r"distil\.holdout 0\.3 of the run's 1 different queries"):
        split_items(samples[:1], share=0.3, seed=0)


def corpus_of(tmp_path: Path, dialect: str, rows: Sequence[Row], **sections: Any) -> Corpus:
    write_run(tmp_path / "log", rows, [info("gpt")])
    recipe = TrlRecipe.model_validate(
        {
            "name": "x",
            "model": {"base": "none", "dialect": dialect},
            "distil": {"run": "log", "holdout": 0.5},
            "eval": {},
            **sections,
        }
    )
    return load_corpus(recipe.in_folder(tmp_path))


@pytest.mark.parametrize(
    ("dialect", "measured"),
    [pytest.param("grm", 0, id="1-to-10"), pytest.param("grm:binary", 2, id="0-or-1")],
)
def test_single_responses_are_held_out_where_their_label_can_be_met(
    tmp_path: Path, dialect: str, measured: int
) -> None:
    rows: list[Row] = [(pair(str(i)), [[vote(0)]]) for i in range(4)]
    for i in range(4):
        one = Sample(id=f"s{i}", query=f"Which of {i}?", responses=["a"], ground_truth=(1,))
        rows.append((one, [[]]))
    found = corpus_of(tmp_path, dialect, rows)
    assert sum(len(one.responses) == 1 for one in found.evaluation) == measured
    assert len(found.evaluation) == 2 + measured
    counts = found.counts["run"]
    assert isinstance(counts, dict)
    assert (counts["held_out"], counts["not_measurable"]) == (2 + measured, 2 - measured)
    assert len(found.stored) == 4  # none of them is trained on instead


def test_held_out_items_and_evaluation_data_may_share_ids(tmp_path: Path) -> None:
    """Both may be numbered by their rows; what is the same item is evaluated once."""
    rows: list[Row] = [(pair(str(i)), [[vote(0)]]) for i in range(8)]
    out = split_items([sample for sample, _ in rows], share=0.5, seed=0)
    first, second, *_ = sorted(out)
    other = {"id": first, "query": "Another?", "responses": ["a", "b"], "ground_truth": [1, 0]}
    again = pair(second).model_dump(mode="json", exclude_none=True)
    lines = f"{json.dumps(other)}\n{json.dumps(again)}\n"
    (tmp_path / "evaluation.jsonl").write_text(lines)
    found = corpus_of(tmp_path, "grm", rows, data={"evaluation": {"path": "evaluation.jsonl"}})
    ids = [one.id for one in found.evaluation]
    assert ids == [first, second, *sorted(out - {first, second}), f"run:{first}"]


@pytest.mark.parametrize(
    ("scores", "truth", "dialect", "agrees"),
    [
        pytest.param((10, 1), (1, 0), "grm", True, id="right"),
        pytest.param((1, 10), (1, 0), "grm", False, id="wrong"),
        pytest.param((5, 5), (1, 0), "grm", False, id="undecided"),
        pytest.param((5, 5), None, "grm", None, id="no-label"),
        pytest.param((5, 5), (1, 1), "grm", True, id="a-tie-found"),
        pytest.param((6, 5), (1, 1), "grm", False, id="a-tie-missed"),
        pytest.param((1,), (1,), "smol", True, id="single"),
        pytest.param((0,), (1,), "grm:binary", False, id="single-wrong"),
        pytest.param((7,), (1,), "mt-bench-single", None, id="single-on-another-scale"),
        pytest.param((1,), (0.7,), "smol", None, id="single-label-between"),
    ],
)
def test_what_a_label_says(
    scores: tuple[float, ...], truth: tuple[float, ...] | None, dialect: str, agrees: bool | None
) -> None:
    texts = ["a", "b"][: len(scores)]
    sample = Sample(id="s", query="q", responses=texts, ground_truth=truth)
    assert agrees_with_label(scores, sample, open_dialect(dialect)) is agrees


def rollout(item: str, correct: bool | None = True, **fields: Any) -> Rollout:
    given = {
        "sample_id": item, "order": (0, 1), "completion": "c", "scores": (10, 1),
        "correct": correct, "stage": "gpt", **fields,
    }  # fmt: skip
    asked = training_messages(pair(item), GRM, order=given["order"], seed=0)
    return Rollout(**{"messages": asked, **given})


SWAPPED: dict[str, Any] = {"order": (1, 0)}
OTHERWISE: dict[str, Any] = {"order": (1, 0), "scores": (1, 10)}


@pytest.mark.parametrize(
    ("rollouts", "how", "kept", "rejected"),
    [
        pytest.param([rollout("a"), rollout("b", False)], {}, 1, {"incorrect": 1}, id="labels"),
        pytest.param([rollout("a"), rollout("b", None)], {}, 2, {}, id="unlabelled-kept"),
        pytest.param(
            [rollout("a"), rollout("b", None)],
            {"keep_unlabelled": False}, 1, {"unchecked": 1}, id="unlabelled-dropped",
        ),
        pytest.param([rollout("a"), rollout("a")], {}, 1, {"duplicates": 1}, id="said-twice"),
        pytest.param(
            [rollout("a"), rollout("a", stage="b")], {}, 1, {"duplicates": 1}, id="said-by-two"
        ),
        pytest.param(
            [rollout("a"), rollout("b", messages=rollout("a").messages)],
            {}, 1, {"duplicates": 1}, id="one-text-with-two-ids",
        ),
        pytest.param([rollout("a"), rollout("a", **SWAPPED)], {}, 2, {}, id="both-orders"),
        pytest.param(
            [rollout("a"), rollout("a", False, **OTHERWISE), rollout("b")],
            {"consistent": True}, 1, {"incorrect": 1, "inconsistent": 1}, id="right-in-one-order",
        ),
        pytest.param(
            [rollout("a", None), rollout("a", None, **OTHERWISE), rollout("b", None)],
            {"consistent": True}, 1, {"inconsistent": 2}, id="two-minds-without-labels",
        ),
    ],
)  # fmt: skip
def test_which_are_chosen(
    rollouts: list[Rollout], how: dict[str, Any], kept: int, rejected: dict[str, int]
) -> None:
    found = choose(rollouts, **how)
    assert len(found.kept) == kept
    assert {why: count for why, count in found.rejected.items() if count} == rejected
    assert found.counts["trajectories"] == len(rollouts)


def test_a_few_of_each_item_are_of_both_orders() -> None:
    four = [rollout("a", completion=text) for text in "wx"]
    four += [rollout("a", completion=text, **SWAPPED) for text in "yz"]
    found = choose([*four, rollout("b", None)], n=2)
    assert [one.completion for one in found.kept] == ["w", "y", "c"]
    assert found.counts | {} == {
        "trajectories": 5, "kept": 3, "kept_items": 2, "kept_unlabelled": 1, "kept_both_orders": 1,
        "incorrect": 0, "unchecked": 0, "inconsistent": 0, "duplicates": 0, "beyond_n": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rollouts", "how", "message"),
    [
        pytest.param(
            [rollout("a", False)], {}, "1 incorrect; learn from a better judge", id="wrong"
        ),
        pytest.param(
            [rollout("a", None)],
            {"keep_unlabelled": False},
            "1 unchecked; label the items",
            id="bare",
        ),
    ],
)
def test_nothing_left(rollouts: list[Rollout], how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(rollouts, **how)


@pytest.mark.parametrize(
    ("dialect", "teacher", "told"),
    [
        pytest.param(
            "grm", "panel", "2 order unknown; learn from .*, such as the members$", id="p"
        ),
        pytest.param("json", "gpt", r"not writable; train in .*dialect \(mt-bench-pair\)", id="d"),
    ],
)
def test_what_cannot_be_learnt_says_what_would_help(
    dialect: str, teacher: str, told: str, run: Path
) -> None:
    distil = {"run": run.name, "teachers": [teacher]}
    fields = {"name": "x", "model": {"base": "none", "dialect": dialect}, "distil": distil}
    recipe = TrlRecipe.model_validate(fields).in_folder(run.parent)
    assert recipe.distil is not None
    with pytest.raises(InputError, match=told):
        stored_trajectories(recipe, recipe.distil, load_corpus(recipe))


def test_agreement_is_accuracy_with_the_teacher_for_the_truth(run: Path) -> None:
    # Another id, as in a file of held-out items; the texts say that it is the same.
    samples = [pair("b").model_copy(update={"id": "x"}), pair("d"), pair("elsewhere")]
    teachers = teachers_of(run, samples, names=["gpt"])
    assert [(one.name, one.rewards) for one in teachers] == [("gpt", {"x": (0, 1), "d": (1, 0)})]

    def judged(*bests: int) -> list[Item]:
        return [
            Item.from_scores(one.id, [[1 - best, best]], ground_truth=one.ground_truth)
            for one, best in zip(samples, bests, strict=True)
        ]

    before, after = judged(0, 1, 0), judged(1, 1, 0)
    figures = agreement(teachers, {"base": (before, before), "distil": (after, after)})["gpt"]
    assert figures.n == 2
    assert (figures.models["base"].greedy.value, figures.models["distil"].greedy.value) == (0, 0.5)
    assert figures.accuracy.value == 0.5
    assert figures.greedy_gain is not None
    assert figures.greedy_gain.difference.value == 0.5
