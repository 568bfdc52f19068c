"""The meta RM: its examples, its training at toy size, its AUC."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny_trainers import FAST, save_base

from deemster import Judge, Panel
from deemster.aggregators import Sum
from deemster.backends import FakeBackend
from deemster.errors import InputError
from deemster.judges.meta_hf import HfMetaRM, meta_text
from deemster.judges.orders import order_of
from deemster.schemas import Judgment, Sample
from deemster.suites.store import RunStore
from deemster.training.meta_data import MetaExample, meta_examples, meta_examples_of_run
from deemster.training.meta_rm import auc, split_by_item, train_meta_rm
from deemster.training.rollouts import Rollout
from deemster.training.settings import LoraSettings, MetaSettings

PAIR = Sample(id="p", query="Which?", responses=["a", "b"], ground_truth=(0, 1))


def rollout(scores: tuple[float, ...] | None, **more: Any) -> Rollout:
    fields = {"sample_id": "p", "order": (1, 0), "messages": PAIR.query, "completion": "because"}
    return Rollout(**{**fields, "scores": scores, "correct": None, **more})


def quality(count: int, *, seed: int = 0) -> list[MetaExample]:
    """Four judgments an item; what is right says so near its end."""
    rng = random.Random(seed)
    examples = []
    for i in range(count):
        judgment = Judgment(
            scores=(1, 2),
            raw=f"evidence {rng.randint(0, 99)} is {'sound' if i % 4 < 2 else 'wrong'}",
        )
        text = meta_text(PAIR.query, PAIR.responses, judgment)
        examples.append(MetaExample(item=f"i{i // 4}", text=text, correct=i % 4 < 2))
    return examples


def settings(**more: Any) -> MetaSettings:
    given = {"learning_rate": 1e-2, "batch_size": 16, "micro_batch_size": 16, "max_steps": 30}
    return MetaSettings(**{**FAST, **given, "holdout": 0.25, **more})


def test_auc_overall_and_within_items() -> None:
    correct = [True, False, True, False, True, True]
    rewards = [0.9, 0.8, 0.3, 0.2, 0.1, 0.1]
    items = ["a", "a", "b", "b", "c", "c"]
    found = auc(correct, rewards, items)
    # Of 8 pairs of a right and a wrong one: .9 beats both, .3 beats one, the .1s none.
    assert found.overall == pytest.approx(3 / 8)
    assert (found.within, found.items) == (1, 2)  # item c has right ones only
    assert auc([True, False], [0.5, 0.5], ["a", "a"]).within == 0.5
    assert auc([True, True], [0.1, 0.9], ["a", "a"]) == (None, None, 0)


def test_examples_are_parsed_and_drawn_without_a_hint() -> None:
    examples = meta_examples(
        [PAIR],
        [
            rollout((2, 8), stage="rft"),
            rollout((8, 2), stage="rl"),
            rollout((2, 8), hinted=True),
            rollout(None),
        ],
    )
    assert [(e.item, e.correct, e.stage) for e in examples] == [
        ("p", True, "rft"),
        ("p", False, "rl"),
    ]
    assert examples[0].text.endswith("# Response 1\nb\n# Response 2\na\n# Judgment\nbecause")


def test_examples_need_their_samples() -> None:
    with pytest.raises(InputError, match="'p', but there is no such sample"):
        meta_examples([], [rollout((2, 8))])


def test_a_stored_run_gives_examples(tmp_path: Path) -> None:
    def script(_: object, draw: int) -> str:
        return ("Scores: \\boxed{8, 2}", "Scores: \\boxed{2, 8}", "no verdict")[draw % 3]

    judge = Judge(FakeBackend(script, name="one"), k=3, orders="fixed")
    panel = Panel([judge, Judge(FakeBackend(script, name="two"), k=1)], aggregator=Sum())
    unlabelled = PAIR.model_copy(update={"id": "u", "ground_truth": None})
    tied = PAIR.model_copy(update={"id": "t", "ground_truth": (1.0, 1.0)})
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([judge.info, panel.info])
        store.add_samples([PAIR, unlabelled, tied])
        for position in range(3):
            for number, scorer in enumerate((judge, panel)):
                store.put(number, position, scorer.score_sync(PAIR.query, PAIR.responses))
    examples = meta_examples_of_run(tmp_path)
    assert {example.item for example in examples} == {"p"}
    own = [example for example in examples if example.stage == "one"]
    assert {example.correct for example in own} == {True, False}
    assert all("\\boxed" in example.text for example in examples)


def test_a_run_without_labels_has_no_examples(tmp_path: Path) -> None:
    judge = Judge(FakeBackend(lambda *_: "Scores: \\boxed{8, 2}"))
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([judge.info])
        store.add_samples([PAIR.model_copy(update={"ground_truth": None})])
        store.put(0, 0, judge.score_sync(PAIR.query, PAIR.responses))
    with pytest.raises(InputError, match="no labelled judgment in"):
        meta_examples_of_run(tmp_path)


def test_items_are_held_out_whole() -> None:
    train, held = split_by_item(quality(64), settings())
    assert len(train) == 48
    assert not {e.item for e in train} & {e.item for e in held}
    again, _ = split_by_item(quality(64)[::-1], settings())
    assert {e.item for e in again} == {e.item for e in train}
    with pytest.raises(InputError, match="judgments of 2 or more items, got 1"):
        split_by_item(quality(4), settings())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("meta-base"))


async def test_it_learns_and_rates_as_a_meta_rm(base: Path, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    examples = [e for e in quality(80) if e.correct or int(e.item[1:]) % 2]  # 2 right : 1 wrong
    figures = train_meta_rm(
        examples,
        model=base,
        out=tmp_path,
        settings=settings(),
        log=lambda **step: seen.append(step),
    )
    assert (figures["examples"], figures["held_out"], figures["too_long"]) == (44, 16, 0)
    assert figures["correct"] == pytest.approx(2 / 3)
    assert seen[-1]["loss"] < 0.3
    assert figures["auc"] > 0.95  # type: ignore[operator]  # a JSON value
    assert figures["auc_within"] > 0.95  # type: ignore[operator]  # as above
    # Inference reads the same texts: what it was taught is what it says.
    meta_rm = HfMetaRM(str(tmp_path / "model"), device="cpu")
    sound, wrong = await meta_rm.rate(
        PAIR.query,
        PAIR.responses,
        [Judgment(scores=(1, 2), raw=f"evidence 7 is {word}") for word in ("sound", "wrong")],
    )
    await meta_rm.aclose()
    assert sound is not None
    assert wrong is not None
    assert sound > 0.8
    assert wrong < 0.2


def test_adapters_end_in_a_whole_scalar_model(base: Path, tmp_path: Path) -> None:
    adapters = settings(lora=LoraSettings(rank=2), max_steps=2, gradient_checkpointing=True)
    figures = train_meta_rm(quality(32), model=base, out=tmp_path, settings=adapters)
    assert figures["steps"] == 2
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_judgments_of_one_kind_teach_nothing(base: Path, tmp_path: Path) -> None:
    right = [example for example in quality(32) if example.correct]
    with pytest.raises(InputError, match="all 12 judgments to train the meta RM on are right"):
        train_meta_rm(right, model=base, out=tmp_path, settings=settings())


def test_order_of_is_what_the_text_shows() -> None:
    order = order_of(0, 2, kind="random", seed=3)
    judgment = Judgment(scores=(1, 2), order=order, raw="r")
    first = PAIR.responses[order[0]].text
    assert f"# Response 1\n{first}\n" in meta_text(PAIR.query, PAIR.responses, judgment)
