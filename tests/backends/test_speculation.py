"""Drafted tokens change no text, whatever is drafted and however much of it is accepted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import chisquare
from tests.support.tiny_grm import WINDOW, save_tiny_grm
from tests.support.tiny_model import save_tiny_model
from torch import Tensor
from transformers import AutoModelForCausalLM, DeepseekV3ForCausalLM

from deemster.backends._local.decoding import Prefilled, Runner
from deemster.backends._local.generation import Draw, Plan
from deemster.backends._local.loading import LocalModel, load
from deemster.backends._local.lookup import Lookup, LookupDrafter
from deemster.backends._local.mtp import MTP_FILE, MtpBlocks, new_blocks
from deemster.backends._local.sampling import Noise
from deemster.backends._local.speculating import CPU_ROWS
from deemster.backends._local.speculation import Speculated
from deemster.backends._local.work import Work, step
from deemster.backends.base import Request
from deemster.backends.transformers import TransformersBackend
from deemster.errors import InputError
from deemster.schemas import Message, Sampling

GREEDY, SAMPLED = Sampling(temperature=0), Sampling(temperature=0.7, top_p=0.9)
LENGTH = 2 * WINDOW + 8


def opened(path: Path, **options: Any) -> LocalModel:
    return load(
        str(path), device="cpu", dtype="float32", max_context=None, sanitize=True,
        template_args={}, **options,
    )  # fmt: skip


class Clairvoyant:
    """Drafts what plain decoding draws, with mistakes: a drafter of every kind of acceptance."""

    def __init__(self, prompt: Sequence[int], known: dict[int, list[int]], seed: int = 0) -> None:
        self._known, self._rng = known, np.random.default_rng([seed, *prompt])

    def begin(self, runner: Runner, prompt: Prefilled, count: int, plan: Plan) -> Clairvoyant:
        return self

    def draft(
        self, draws: Sequence[Draw], taken: Sequence[int], states: Tensor | None
    ) -> list[list[int]]:
        found = []
        for draw in draws:
            text = next(text for text in self._known.values() if text[: len(draw.ids)] == draw.ids)
            draft = text[len(draw.ids) :][: int(self._rng.integers(0, 6))]
            found.append([i if self._rng.random() < 0.8 else (i + 1) % 900 for i in draft])
        return found

    def keep(self, order: list[int]) -> None:
        """Nothing is held by row."""


class Spy:
    """Notes what another drafts, by draw and by how many tokens that had."""

    def __init__(self, of: Any) -> None:
        self._of = of
        self.found: dict[int, dict[int, list[int]]] = {}

    def begin(self, *given: Any) -> Any:
        drafter = self._of.begin(*given)
        draft = drafter.draft

        def noted(draws: Sequence[Draw], *rest: Any) -> Any:
            found = draft(draws, *rest)
            for draw, ids in zip(draws, found, strict=True):
                self.found.setdefault(id(draw), {})[len(draw.ids)] = ids
            return found

        drafter.draft = noted
        return drafter


def with_blocks(folder: Path) -> MtpBlocks:
    """New blocks for a model, saved beside it."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    blocks = new_blocks(model, 2).eval()
    blocks.save(folder)
    return blocks


def drawn(
    model: LocalModel,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    speculations: Sequence[Any] = (None, None),
    *,
    k: int = 5,
    rooms: Sequence[int] = (LENGTH, LENGTH - 7),
) -> list[list[Draw]]:
    """Draws of several prompts that step together."""
    works = []
    with torch.inference_mode():
        for prompt, speculation, room in zip(prompts, speculations, rooms, strict=False):
            plan = Plan(
                sampling, room, frozenset({7}), model.tokenizer,
                speculation=None if speculation is None else Speculated(speculation),
            )  # fmt: skip
            draws = [Draw(Noise(seed)) for seed in range(k)]
            works.append(Work(model, model.runner.prefill(prompt), draws, plan, size=3))
        while any(not work.ended for work in works):
            for work in works:
                if work.next_rows:
                    work.start()
            assert not step(works)
    return [list(work.draws) for work in works]


@pytest.mark.parametrize(
    "kind",
    [
        "llama", "gemma2", "deepseek-v2",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("gemma3", "deepseek-v3", "gpt-oss")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_texts_are_those_of_plain_decoding(kind: str, sampling: Sampling, tmp_path: Path) -> None:
    """Rows of two prompts accept different lengths, end, and outgrow sliding windows."""
    save_tiny_model(tmp_path) if kind == "llama" else save_tiny_grm(tmp_path, kind)
    model = opened(tmp_path)
    rng = np.random.default_rng(1)
    prompts = [rng.integers(9, 900, length).tolist() for length in (5, 40)]
    plain = drawn(model, prompts, sampling)
    texts = [{i: draw.ids for i, draw in enumerate(draws)} for draws in plain]
    oracles = [Clairvoyant(prompt, known) for prompt, known in zip(prompts, texts, strict=True)]
    for given in (oracles, (None, oracles[1])):  # the one prompt with drafts, the other without
        drafted = drawn(model, prompts, sampling, given)
        for before, after in zip(plain, drafted, strict=True):
            assert [draw.ids for draw in after] == [draw.ids for draw in before]
            assert [draw.finish for draw in after] == [draw.finish for draw in before]
    model.runner.close()


def test_rows_with_and_without_drafts_share_a_pass(tmp_path: Path) -> None:
    save_tiny_model(tmp_path)
    model = opened(tmp_path)
    passes, works = [], []
    lookup = Speculated(Lookup(3))
    with torch.inference_mode():
        for prompt, drafts in (([9, 10, 11] * 4, lookup), ([12, 13], None)):
            plan = Plan(SAMPLED, 12, frozenset({7}), model.tokenizer, speculation=drafts)
            read = model.runner.prefill(prompt)
            works.append(Work(model, read, [Draw(Noise(0))], plan, size=1))
            works[-1].start()
        model.runner.model.register_forward_hook(lambda *_: passes.append(1))
        assert not step(works)
    assert len(passes) == 1
    assert lookup.tally.passes == 1
    assert all(len(draw.ids) >= 2 for work in works for draw in work.draws)
    model.runner.close()


KINDS = ["llama", "deepseek-v2", pytest.param("gemma3", marks=pytest.mark.slow)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_drafts_what_it_says_of_the_whole_text(kind: str, tmp_path: Path) -> None:
    """Its cache, of rows that went on by different lengths, holds what it holds of one pass."""
    save_tiny_model(tmp_path) if kind == "llama" else save_tiny_grm(tmp_path, kind)
    blocks = with_blocks(tmp_path)
    model = opened(tmp_path, speculate="mtp", draft_tokens=3)
    assert model.speculated is not None
    spy = Spy(model.speculated.speculation)
    prompts = [np.random.default_rng(2).integers(9, 900, length).tolist() for length in (1, 20)]
    plain = drawn(model, prompts, SAMPLED)
    drafted = drawn(model, prompts, GREEDY, [spy, spy], k=1)
    assert [draw.ids for draws in drafted for draw in draws] == [
        draw.ids for draws in drawn(model, prompts, GREEDY, k=1) for draw in draws
    ]
    assert [draw.ids for draws in drawn(model, prompts, SAMPLED, [spy, spy]) for draw in draws] == [
        draw.ids for draws in plain for draw in draws
    ]
    with torch.inference_mode(), model.runner.own_attention():
        for prompt, [draw] in zip(prompts, drafted, strict=True):
            ids = torch.tensor([[*prompt, *draw.ids]])
            states = model.runner.model.get_decoder()(input_ids=ids).last_hidden_state
            said = blocks.logits(blocks.read(ids[:, 1:], states[:, :-1], cache=None))[0]
            found = spy.found[id(draw)]
            assert len(found) > 5
            for length, draft in found.items():
                whole = said[len(prompt) + length - 2, : model.runner.vocabulary]
                assert whole.max() - whole[draft[0]] < 1e-4
    model.runner.close()


class Peeking:
    """Drafts one of the likeliest second tokens by the very noise that will draw it."""

    def __init__(self, likely: dict[int, list[int]]) -> None:
        self._likely = likely

    def begin(self, *_: Any) -> Peeking:
        return self

    def draft(
        self, draws: Sequence[Draw], taken: Sequence[int], states: Tensor | None
    ) -> list[list[int]]:
        """Only the second token; of a biased rule, what is accepted would follow the noise."""
        return [
            [self._likely[draw.ids[0]][draw.noise.ahead(0) < 0.5]] if len(draw.ids) == 1 else []
            for draw in draws
        ]

    def keep(self, order: list[int]) -> None:
        """Nothing is held by row."""


def test_draws_are_distributed_as_the_model_says(tmp_path: Path) -> None:
    """Pairs of tokens, over 1,500 seeds, of which the second was drafted."""
    model = opened(save_tiny_model(tmp_path))
    sampling = Sampling(temperature=0.4, top_p=0.6)
    prompt = list(range(20, 30))
    with torch.inference_mode():
        before = model.runner.prefill(prompt)
        first = probabilities(before.logits[None], sampling)[0]
        tokens = first.nonzero()[:, 0].tolist()
        second = probabilities(model.runner.rows(before, len(tokens), 1).step(tokens), sampling)
    expected = first[tokens, None] * second
    likely = {i: row.topk(2).indices.tolist() for i, row in zip(tokens, second, strict=True)}
    peeking = Speculated(Peeking(likely))
    plan = Plan(sampling, 3, frozenset(), model.tokenizer, speculation=peeking)
    draws = [Draw(Noise(seed)) for seed in range(1500)]
    work = Work(model, before, draws, plan, size=750)
    while not work.ended:
        if work.next_rows:
            work.start()
        step([work])
    assert 0.1 < (peeking.tally.acceptance or 0) < 0.9
    counts = torch.zeros_like(expected)
    for draw in draws:
        counts[tokens.index(draw.ids[0]), draw.ids[1]] += 1
    often = expected * len(draws) >= 5
    found = [*counts[often].tolist(), float(counts[~often].sum())]
    wanted = [*expected[often].tolist(), 1 - float(expected[often].sum())]
    assert len(found) > 4
    assert chisquare(found, np.array(wanted) / sum(wanted) * len(draws)).pvalue > 0.01
    model.runner.close()


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """[rows, vocabulary] of the tokens that may be drawn."""
    found = torch.softmax(logits / sampling.temperature, dim=-1)
    ordered, order = found.sort(dim=-1, descending=True)
    cut = ordered.cumsum(-1) - ordered >= sampling.top_p
    found = found.masked_fill(torch.zeros_like(cut).scatter(-1, order, cut), 0)
    return found / found.sum(-1, keepdim=True)


def test_lookup_drafts_what_came_after_the_same_words() -> None:
    drafter = LookupDrafter([1, 2, 3, 4, 5, 9, 3, 4, 6, 7, 8], 3)
    quoting, other = Draw(Noise(0), ids=[3, 4]), Draw(Noise(1), ids=[50])
    assert drafter.draft([quoting, other], [2, 1], None) == [[6, 7, 8], []]  # the last place
    quoting.ids += [5]
    other.ids += [3, 4, 5]
    assert drafter.draft([quoting, other], [1, 3], None) == [[9, 3, 4]] * 2  # the longest match
    quoting.ids += [60, 61, 62]
    other.ids += [60, 61]
    assert drafter.draft([quoting, other], [3, 2], None)[1] == [62]  # of another draw
    assert drafter.draft([quoting], [0], None) == [[]]


SCHEMA = {
    "type": "object",
    "properties": {"scores": {"type": "array", "items": {"type": "integer"}, "maxItems": 3}},
    "required": ["scores"],
}


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"sampling": Sampling(temperature=1.0, max_tokens=40)}, id="sampled"),
        pytest.param(
            {"sampling": Sampling(temperature=0, max_tokens=24, top_logprobs=2)}, id="logprobs"
        ),
        pytest.param(
            {"sampling": Sampling(temperature=1.0, max_tokens=40, stop=("a", "e"))}, id="stop"
        ),
        pytest.param(
            {"sampling": Sampling(temperature=1.0, max_tokens=48), "json_schema": SCHEMA}, id="json"
        ),
    ],
)
async def test_a_backend_says_the_same_with_drafts(
    request_: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CPU_ROWS, "mtp", 4)
    save_tiny_model(tmp_path)
    with_blocks(tmp_path)
    request = Request(messages=(Message(role="user", content="a b a b"),), n=4, **request_)
    found = {}
    for way in (None, "lookup", "mtp"):
        backend = TransformersBackend(str(tmp_path), device="cpu", speculate=way)
        outcomes = await backend.generate(request)
        found[way] = [
            (one.text, one.finish, [top.token for top in one.logprobs or ()])
            for one in outcomes
            if not isinstance(one, Exception)
        ]
        assert (backend.tally is None) == (way is None)
        if backend.tally is not None:
            assert backend.tally.tokens_per_pass is not None
        await backend.aclose()
    assert found["lookup"] == found["mtp"] == found[None]
    assert len(found[None]) == 4


@pytest.mark.parametrize("way", ["lookup", "mtp"])
async def test_many_rows_step_without_drafts(way: str, tmp_path: Path) -> None:
    """Drafts cost more than they save there, whoever asks for the rows."""
    save_tiny_model(tmp_path)
    with_blocks(tmp_path)
    backend = TransformersBackend(str(tmp_path), device="cpu", speculate=way)
    sampling = Sampling(temperature=1.0, max_tokens=40)

    async def passes(*draws: int) -> int:
        before = 0 if backend.tally is None else backend.tally.passes
        requests = [
            Request(messages=(Message(role="user", content=f"a b {i}"),), n=n, sampling=sampling)
            for i, n in enumerate(draws)
        ]
        await asyncio.gather(*map(backend.generate, requests))
        assert backend.tally is not None
        return backend.tally.passes - before

    most = CPU_ROWS[way]
    assert await passes(most) > 0
    assert await passes(most + 1) == 0
    # Together they are too many; at most the first begins before the second has come.
    assert await passes(most, most) <= 40 * most
    await backend.aclose()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"speculate": "eagle"}, "allowed: lookup, mtp", id="unknown"),
        pytest.param({"draft_tokens": 2}, "goes with speculate", id="without"),
        pytest.param({"speculate": "lookup", "exact": True}, "leave out exact", id="exact"),
        pytest.param({"speculate": "lookup", "draft_tokens": 0}, "1 or more, got 0", id="none"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    save_tiny_model(tmp_path)
    with pytest.raises(InputError, match=says):
        TransformersBackend(str(tmp_path), **options)


async def test_a_model_without_a_block_says_what_to_do(tmp_path: Path) -> None:
    save_tiny_model(tmp_path)
    backend = TransformersBackend(str(tmp_path), device="cpu", speculate="mtp")
    with pytest.raises(InputError, match=r"has no block .* or give speculate='lookup'"):
        await backend.preload()
    (tmp_path / MTP_FILE).write_bytes(b"no weights")
    with pytest.raises(InputError, match="holds no blocks for this model"):
        await backend.preload()
    await backend.aclose()


def test_blocks_of_a_released_checkpoint_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DeepSeek-V3 keeps its block as one more layer, which transformers knows by its number."""
    save_tiny_grm(tmp_path, "deepseek-v3", num_hidden_layers=4)
    whole = load_file(tmp_path / "model.safetensors")
    place, width = "model.layers.3", 64
    extra = {
        f"{place}.{name}.weight": torch.ones(width)
        for name in ("enorm", "hnorm", "shared_head.norm")
    }
    joined = torch.randn(width, 2 * width, generator=torch.Generator().manual_seed(0))
    save_file(
        whole | extra | {f"{place}.eh_proj.weight": joined / 8},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"num_hidden_layers": 3, "num_nextn_predict_layers": 1}
    config.pop("num_mtp_layers", None)
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(
        DeepseekV3ForCausalLM, "_keys_to_ignore_on_load_unexpected", [r"model\.layers\.3.*"]
    )
    model = opened(tmp_path, speculate="mtp")
    assert model.speculated is not None
    blocks = model.speculated.speculation.blocks  # type: ignore[attr-defined]
    layer = blocks.layers[0]
    assert torch.equal(layer.eh_proj.weight, joined / 8)
    name = "self_attn.o_proj.weight"
    assert torch.equal(layer.mtp_block.self_attn.o_proj.weight, whole[f"{place}.{name}"])
    prompts = [np.random.default_rng(6).integers(9, 900, 12).tolist()]
    spy = Spy(model.speculated.speculation)
    assert drawn(model, prompts, GREEDY, [spy])[0][0].ids == drawn(model, prompts, GREEDY)[0][0].ids
    assert spy.found
    model.runner.close()
