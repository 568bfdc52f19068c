"""Every baseline learns an easy preference and plugs back in as a judge."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.tiny_model import save_tiny_model

from deemster import CLoud, Judge, PairRM, Panel, ScalarRM
from deemster.dialects import open_dialect
from deemster.dialects.pairwise import Pairwise, PairwiseTokenProb
from deemster.errors import InputError
from deemster.judges import BaseJudge
from deemster.prompts import PromptTemplate
from deemster.schemas import Sample
from deemster.training.baselines.bradley_terry import train_bradley_terry
from deemster.training.baselines.cloud import OWN, critique_of, critiques_from, train_cloud
from deemster.training.baselines.llm_judge import trajectory_examples, verdict_examples
from deemster.training.baselines.pair_rm import train_pair_rm
from deemster.training.baselines.preferences import preferences_of
from deemster.training.baselines.settings import CloudSettings, RewardSettings
from deemster.training.outcome import is_correct
from deemster.training.prompts import training_messages
from deemster.training.rollouts import Rollout, RolloutFile
from deemster.training.settings import LoraSettings, SftSettings
from deemster.training.sft import train_sft

WORDS = ("apple", "river", "stone", "cloud", "paper", "green", "house", "tiger")
SHORT = PromptTemplate("{{ conversation }}\n{% for r in responses %}{{ r }}\n{% endfor %}", "short")
# The smallest that learns in seconds; the prompts that ship are a thousand tokens long for it.
NUMBERED = PromptTemplate(
    "{{ conversation }}\n"
    "{% for r in responses %}{{ r | replace(' ', ' ' ~ loop.index ~ ' ') }}\n{% endfor %}",
    "numbered",
)
FAST = {
    "learning_rate": 3e-3,
    "schedule": "constant_with_warmup",
    "batch_size": 16,
    "micro_batch_size": 16,
    "cpu": True,
    "gradient_checkpointing": False,
    "save_steps": 1000,
}


def make_samples(count: int, *, n: int = 2, seed: int = 0) -> list[Sample]:
    """The response that contains "good" wins."""
    rng = random.Random(seed)
    samples = []
    for i in range(count):
        responses = [rng.choices(WORDS, k=rng.randint(2, 4)) for _ in range(n)]
        best = rng.randrange(n)
        responses[best].insert(rng.randrange(len(responses[best]) + 1), "good")
        samples.append(
            Sample(
                id=str(i),
                query=f"Write about {rng.choice(WORDS)}",
                responses=[" ".join(words) for words in responses],
                ground_truth=[float(j == best) for j in range(n)],
            )
        )
    return samples


TRAIN = make_samples(64)


async def accuracy(judge: BaseJudge, samples: list[Sample]) -> float:
    """Share of the samples whose best response has strictly the highest reward."""
    async with judge:
        verdicts = await judge.score_all(samples)
    right = [
        verdict.rewards is not None and is_correct(verdict.rewards, sample.ground_truth or ())
        for sample, verdict in zip(samples, verdicts, strict=True)
    ]
    return sum(right) / len(right)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), hidden=32, spread=0.1)


async def test_bradley_terry(base: Path, tmp_path: Path) -> None:
    steps: list[dict[str, object]] = []
    figures = train_bradley_terry(
        TRAIN,
        model=base,
        out=tmp_path,
        settings=RewardSettings(**FAST, max_steps=20),
        log=lambda **line: steps.append(line),
    )
    assert (figures["pairs"], figures["too_long"], figures["steps"]) == (64, 0, 20)
    assert len(steps) == 20
    assert await accuracy(ScalarRM(f"hf:{tmp_path}/model"), TRAIN) > 0.9
    held_out = make_samples(30, n=3, seed=1)
    assert await accuracy(ScalarRM(f"hf:{tmp_path}/model"), held_out) > 0.9


async def test_pair_rm(base: Path, tmp_path: Path) -> None:
    figures = train_pair_rm(
        TRAIN, model=base, out=tmp_path, settings=RewardSettings(**FAST, max_steps=60)
    )
    assert figures["pairs"] == 64
    assert await accuracy(PairRM(f"hf:{tmp_path}/model"), TRAIN) > 0.9
    assert await accuracy(PairRM(f"hf:{tmp_path}/model"), make_samples(30, n=3, seed=1)) > 0.8


async def test_llm_judge_by_majority_and_by_token_probability(base: Path, tmp_path: Path) -> None:
    examples = verdict_examples(TRAIN, dialect=Pairwise(NUMBERED))
    train_sft(
        examples,
        model=base,
        out=tmp_path,
        settings=SftSettings(**{**FAST, "learning_rate": 1e-2}, max_steps=200),
    )
    some = TRAIN[:30]
    for dialect in (Pairwise(NUMBERED), PairwiseTokenProb(NUMBERED)):
        judge = Judge(f"hf:{tmp_path}/model", dialect=dialect, k=2, temperature=0, max_tokens=24)
        assert await accuracy(judge, some) > 0.9


async def test_cloud(base: Path, tmp_path: Path) -> None:
    given = [
        critique_of(sample, i, "Yes." if true else "No.", template=SHORT)
        for sample in TRAIN
        for i, true in enumerate(sample.ground_truth or ())
    ]
    figures = train_cloud(
        TRAIN,
        given,
        model=base,
        out=tmp_path,
        settings=CloudSettings(
            critic=SftSettings(**FAST, max_steps=100),
            value=RewardSettings(**FAST, max_steps=20),
            max_tokens=16,
        ),
        template=SHORT,
    )
    assert figures["critiques"] == 128
    template = tmp_path / "short.j2"
    template.write_text(SHORT.source, encoding="utf-8")
    judge = CLoud(f"hf:{tmp_path}/model", k=2, max_tokens=16, template=template)
    verdict = await judge.score(TRAIN[0].query, TRAIN[0].responses)
    texts = [critique.text for critique in verdict.judgments[0].critiques]
    assert texts == ["Yes." if i == TRAIN[0].best else "No." for i in range(2)]
    assert await accuracy(judge, TRAIN[:30]) > 0.9
    other = CLoud(f"hf:{tmp_path}/model", max_tokens=16, template=template, name="other")
    panel = Panel([judge, other])
    assert await accuracy(panel, TRAIN[:3]) == 1


def test_cloud_goes_on_where_it_was_killed(base: Path, tmp_path: Path) -> None:
    few = TRAIN[:4]

    def train(*, resume: bool) -> dict[str, object]:
        once = {**FAST, "batch_size": 4, "max_steps": 1}
        settings = CloudSettings(
            critic=SftSettings(**once), value=RewardSettings(**once), max_tokens=4
        )
        given = [critique_of(sample, 0, "Fine.", template=SHORT) for sample in few]
        return dict(
            train_cloud(
                few, given, model=base, out=tmp_path, settings=settings, template=SHORT,
                resume=resume,
            )
        )  # fmt: skip

    first = train(resume=False)
    written = (tmp_path / OWN).read_bytes()
    (tmp_path / OWN).write_bytes(written[:-20])  # the last sample's line is torn
    again = train(resume=True)
    assert first["critic"] is not None
    assert again["critic"] is None
    assert again["critiques"] == first["critiques"] == 8
    order = [rollout.sample_id for rollout in RolloutFile(tmp_path / OWN).read()]
    assert sorted(order) == [str(i) for i in range(4) for _ in range(2)]
    assert (tmp_path / "model" / "value" / "model.safetensors").is_file()


@pytest.mark.filterwarnings(
    # peft asks for it by the old name
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)
def test_lora_trains_the_head_too(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    settings = RewardSettings(**FAST, max_steps=2, lora=LoraSettings(rank=2))
    train_bradley_terry(TRAIN[:16], model=base, out=tmp_path, settings=settings)
    weights = load_file(tmp_path / "model" / "model.safetensors")
    assert weights["score.weight"].abs().sum() > 0
    assert ScalarRM(f"hf:{tmp_path}/model").score_sync("q", ["a", "b"]).rewards is not None


def test_training_reads_what_the_judges_read(base: Path) -> None:
    """A message of the examples is the one that the judge sends."""
    sample = TRAIN[0]
    dialect = open_dialect("pairwise")
    shown = {tuple(example.messages) for example in verdict_examples([sample])}
    assert shown == {training_messages(sample, dialect, order=o, seed=0) for o in [(0, 1), (1, 0)]}


def trajectory(sample: Sample, text: str, order: tuple[int, ...], *, correct: bool) -> Rollout:
    return Rollout(
        sample_id=sample.id,
        order=order,
        messages=training_messages(sample, open_dialect("grm"), order=order, seed=0),
        completion=text,
        scores=None,
        correct=correct,
    )


GRM_TEXT = """Specific Criteria:
1. Praise (weight: 100%): it is good

Analysis:
- Response 1: it does not say it
- Response 2: it says so

Scores: \\boxed{2, 9}"""


def test_trajectories_become_verdicts_and_critiques() -> None:
    sample = Sample(id="a", query="q", responses=("good", "bad"), ground_truth=(1, 0))
    rollouts = [
        trajectory(sample, GRM_TEXT, (1, 0), correct=True),
        trajectory(sample, GRM_TEXT, (0, 1), correct=False),
        trajectory(sample, "no verdict", (1, 0), correct=True),
        trajectory(sample, r"\boxed{1, 2}" + GRM_TEXT, (1, 0), correct=True),
    ]
    (example,) = trajectory_examples(rollouts, [sample])
    assert example.completion == GRM_TEXT.replace("Scores: \\boxed{2, 9}", "Best: \\boxed{2}")
    assert "RESPONSE 2" in example.messages[-1].text
    found = critiques_from(rollouts[:3], [sample], open_dialect("grm"))
    assert [(one.order, one.completion) for one in found] == [
        ((0,), "it says so"),
        ((1,), "it does not say it"),
    ]
    assert "good" in found[0].messages[-1].text


def test_pairs_follow_the_ground_truth() -> None:
    graded = Sample(id="a", query="q", responses=("x", "y", "z"), ground_truth=(0.5, 2, 0.5))
    single = Sample(id="b", query="q", responses=("x",), ground_truth=(1,))
    assert [pair[1:] for pair in preferences_of([graded, single])] == [(1, 0), (1, 2)]
    with pytest.raises(InputError, match="no pairs to train on"):
        preferences_of([single])
    with pytest.raises(InputError, match="no sample has 2 or more responses"):
        verdict_examples([single])


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        pytest.param(None, "sample 'a' has no ground_truth", id="unlabelled"),
        pytest.param((1, 1), "sample 'a': .*2 maxima", id="two-maxima"),
    ],
)
def test_bad_labels(truth: tuple[float, ...] | None, message: str) -> None:
    sample = Sample(id="a", query="q", responses=("x", "y"), ground_truth=truth)
    with pytest.raises(InputError, match=message):
        preferences_of([sample])
    with pytest.raises(InputError, match=message):
        verdict_examples([sample])


def test_bad_input_to_the_trainers(base: Path, tmp_path: Path) -> None:
    settings = RewardSettings(**FAST, max_length=5)
    with pytest.raises(InputError, match="all 64 pairs are longer than max_length 5 tokens"):
        train_bradley_terry(TRAIN, model=base, out=tmp_path, settings=settings)
    with pytest.raises(InputError, match="cannot load model"):
        train_pair_rm(TRAIN, model=tmp_path, out=tmp_path, settings=settings)
    with pytest.raises(InputError, match="sample id '0' occurs 2 times"):
        train_cloud([TRAIN[0]] * 2, [], model=base, out=tmp_path, settings=CloudSettings())
    with pytest.raises(InputError, match="no trajectories to fine-tune on"):
        train_cloud(TRAIN, [], model=base, out=tmp_path, settings=CloudSettings())
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    shown = Sample(
        id="i",
        query=[{"role": "user", "content": [image]}],
        responses=("a", "b"),
        ground_truth=(1, 0),
    )
    with pytest.raises(InputError, match=r"cannot train on a response: .*text only"):
        train_bradley_terry([shown], model=base, out=tmp_path, settings=settings)
