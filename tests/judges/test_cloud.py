from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny_model import chat_tokenizer, save_tiny_classifier, save_tiny_model

from deemster import CLoud, Panel, Sample
from deemster.backends import Backend, FakeBackend, RecordBackend, Request
from deemster.errors import InputError, RefusedError
from deemster.judges.orders import derive_seed
from deemster.schemas import Completion, Verdict
from deemster.suites.building import build_judges
from deemster.suites.loading import load_suite

QUERY = "What is 2 + 2?"
RESPONSES = ("It is 4.", "It is 5.")


@pytest.fixture(scope="module")
def value(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_classifier(tmp_path_factory.mktemp("value"))


def critic(request: Request, draw: int) -> str:
    right = "It is 4." in request.messages[-1].text
    return f"Draw {draw}: the sum is {'right' if right else 'wrong'}."


def plain_value(folder: Path, request: Request, critique: str) -> float:
    import torch
    from transformers import AutoModelForSequenceClassification

    tokenizer = chat_tokenizer()
    turns = [*(message.to_openai() for message in request.messages)]
    text = tokenizer.apply_chat_template(
        [*turns, {"role": "assistant", "content": critique}], tokenize=False
    )
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return float(model(input_ids=ids).logits[0, 0])


async def test_rewards_are_means_of_the_values_of_k_critiques(value: Path) -> None:
    backend = FakeBackend(critic)
    judge = CLoud(backend, value=f"hf:{value}", k=3, batch_size=4)
    verdict = await judge.score(QUERY, RESPONSES)
    first, second = backend.requests
    assert (first.n, second.n) == (3, 3)
    assert first.sampling.temperature == 0.5
    values = [
        [plain_value(value, request, critic(request, draw)) for draw in range(3)]
        for request in (first, second)
    ]
    assert [vote.scores for vote in verdict.judgments] == [
        pytest.approx(pair, abs=1e-4) for pair in zip(*values, strict=True)
    ]
    assert verdict.rewards == pytest.approx([sum(one) / 3 for one in values], abs=1e-4)
    assert verdict.confidence is not None
    assert verdict.judgments[1].critiques[1].text == "Draw 1: the sum is wrong."
    assert verdict.judgments[1].seed == derive_seed(0, 1)
    assert verdict.usage.calls == 12  # six critiques, six readings
    await judge.aclose()
    assert not backend.closed  # it belongs to the caller


async def test_each_response_is_criticised_by_itself(value: Path) -> None:
    backend = FakeBackend(critic)
    judge = CLoud(backend, value=f"hf:{value}")
    await judge.score(
        QUERY,
        RESPONSES,
        reference="The sum is 4.",
        principles=[{"name": "Arithmetic", "description": "sums are right", "weight": 1}],
    )
    for request, response in zip(backend.requests, RESPONSES, strict=True):
        prompt = request.messages[-1].text
        assert response in prompt
        assert sum(other in prompt for other in RESPONSES) == 1
        assert "The sum is 4." in prompt
        assert "Arithmetic" in prompt
        assert request.sampling.temperature == 0.0
    await judge.aclose()


async def test_a_lost_critique_loses_the_draw_and_no_more(value: Path) -> None:
    def script(request: Request, draw: int) -> str | RefusedError:
        lost = draw == 1 and "It is 5." in request.messages[-1].text
        return RefusedError("no") if lost else critic(request, draw)

    judge = CLoud(FakeBackend(script), value=f"hf:{value}", k=3)
    verdict = await judge.score(QUERY, RESPONSES)
    assert verdict.n_valid == 2
    (lost,) = verdict.failures
    assert (lost.draw, lost.status, lost.error) == (1, "refused", "RefusedError")
    assert "Draw 1: the sum is right." in lost.raw
    whole = CLoud(FakeBackend(critic), value=f"hf:{value}", k=3)
    scored = await whole.score(QUERY, RESPONSES)
    kept = [vote.scores for vote in scored.judgments if vote.draw != 1]
    assert [vote.scores for vote in verdict.judgments] == [
        pytest.approx(scores, abs=1e-5) for scores in kept
    ]
    await judge.aclose()
    await whole.aclose()


async def test_what_every_judge_does(value: Path, tmp_path: Path) -> None:
    """Samples, panels, records, recorded backends."""
    judge = CLoud(FakeBackend(critic), value=f"hf:{value}", k=2, name="mine")
    samples = [Sample(id=str(i), query=f"{QUERY} {i}", responses=RESPONSES) for i in range(2)]
    verdicts = await judge.score_all(samples)
    assert Verdict.model_validate_json(verdicts[0].model_dump_json()) == verdicts[0]
    assert verdicts[0].judge == judge.info
    panel = Panel([judge, CLoud(FakeBackend(critic), value=f"hf:{value}", name="other")])
    assert (await panel.score(QUERY, RESPONSES)).n_valid == 2
    recorder: list[Backend] = []

    def wrap(backend: Backend) -> Backend:
        recorder.append(RecordBackend(backend, tmp_path / "cassette.sqlite"))
        return recorder[-1]

    judge.wrap_backends(wrap)
    again = await judge.score_all(samples)
    assert [one.rewards for one in again] == [one.rewards for one in verdicts]
    assert len(recorder) == 1
    await panel.aclose()


async def test_opens_a_trained_folder(value: Path, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "critic")
    shutil.copytree(value, folder / "value")
    judge = CLoud(f"hf:{folder}", max_tokens=8, device="cpu")
    once = await judge.score(QUERY, RESPONSES)
    assert once.rewards is not None
    assert (await judge.score(QUERY, RESPONSES)).rewards == once.rewards
    assert judge.info.model == f"cloud:hf:{folder}+hf:{folder}/value"
    await judge.aclose()


async def test_a_value_that_is_none_is_a_failure(value: Path) -> None:
    long = Completion(text="word " * 3000)
    judge = CLoud(FakeBackend(lambda *_: long), value=f"hf:{value}")
    verdict = await judge.score(QUERY, RESPONSES)
    assert verdict.rewards is None
    assert "more than the context of 2048" in verdict.failures[0].message
    await judge.aclose()


async def test_a_template_without_a_slot_for_what_there_is(value: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.j2"
    path.write_text("{{ conversation }} {{ responses[0] }}", encoding="utf-8")
    judge = CLoud(FakeBackend(critic), value=f"hf:{value}", template=path)
    with pytest.raises(InputError, match="does not use the slot 'reference'"):
        await judge.score(QUERY, RESPONSES, reference="4")


def test_bad_arguments(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "no value model beside 'fake'; give value='hf:FOLDER'"),
        ({"value": "openai/x"}, "value 'openai/x' must be 'hf:FOLDER'"),
        ({"value": "hf:x", "k": 0}, "k must be a whole number"),
        ({"value": "hf:x", "min_valid": 2}, "min_valid must be a whole number from 1 to 1"),
        ({"value": "hf:x", "colour": 1}, "options .'colour'. go to a backend"),
    ]
    for options, message in cases:
        with pytest.raises(InputError, match=message):
            CLoud(FakeBackend("x"), **options)
    with pytest.raises(InputError, match="no value model beside"):
        CLoud(f"hf:{save_tiny_model(tmp_path)}")


SUITE = """name: baselines
data: [{samples: [{query: q, responses: [first, second]}]}]
judges:
  - {name: scalar, type: scalar, model: 'hf:value', batch_size: 2}
  - {name: pairs, type: pairwise, model: 'hf:value'}
  - {name: cloud, type: cloud, model: 'fake:fine', k: 3, value: 'hf:value'}
  - {name: all, members: [scalar, pairs, cloud]}
"""


async def test_in_a_suite(value: Path, tmp_path: Path) -> None:
    shutil.copytree(value, tmp_path / "value")
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE, encoding="utf-8")
    async with build_judges(load_suite(path).spec, folder=tmp_path) as built:
        verdicts = [await judge.score("q", ["first", "second"]) for judge in built.judges]
    assert [verdict.n_valid for verdict in verdicts] == [1, 1, 3, 3]
    assert [verdict.judge.name for verdict in verdicts] == ["scalar", "pairs", "cloud", "all"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            ("batch_size: 2", "k: 4"),
            r"unknown key 'judges.0.k'; allowed: .*batch_size",
            id="votes",
        ),
        pytest.param(
            ("type: cloud,", "type: cloud, dialect: json,"),
            "unknown key 'judges.2.dialect'",
            id="dialect",
        ),
        pytest.param(("batch_size: 2", "colour: 2"), "unknown key 'judges.0.colour'", id="option"),
        pytest.param(
            ("value: 'hf:value'", "options: {seed: 4}"), "option 'seed' is a setting", id="seed"
        ),
        pytest.param(
            ("members: [", "type: cloud, members: ["),
            "unknown key 'judges.3.members'",
            id="members",
        ),
    ],
)
def test_bad_suites(value: Path, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        build_judges(load_suite(path).spec, folder=tmp_path)
