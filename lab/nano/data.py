"""Items of the world as prompts and completions of the embedded model."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from deemster.schemas import Sample
from lab.nano.batching import Example
from lab.nano.settings import DistilSettings
from lab.nano.tokenizer import JUDGE
from lab.world import Item, teacher_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def prompt_text(sample: Sample, order: Sequence[int], *, hinted: bool = False) -> str:
    """The prompt of the `nano` dialect, without the work of templates (a test compares them)."""
    lines = [f"Query: {sample.query[-1].text}"]
    lines += [f"Response {i}: {sample.responses[j].text}" for i, j in enumerate(order, 1)]
    if hinted and len(order) == 1:
        lines.append(f"Hint: response 1 is {'right' if sample.ground_truth == (1.0,) else 'wrong'}")
    elif hinted and sample.best is not None:
        lines.append(f"Hint: response {list(order).index(sample.best) + 1} is best")
    return "\n".join(lines)


def instruction_text(sample: Sample) -> tuple[str, str]:
    """A query to be answered instead of judged, and an answer: general instruction data."""
    return query_text(sample.query[-1].text), str(sample.metadata["solution"])


def query_text(query: str) -> str:
    """The prompt of a query that is to be answered."""
    return f"Query: {query}"


def shuffled(n: int, rng: random.Random) -> tuple[int, ...]:
    """A random order of `n` responses."""
    order = list(range(n))
    rng.shuffle(order)
    return tuple(order)


def teacher_pairs(
    items: Iterable[Item], settings: DistilSettings, rng: random.Random
) -> list[tuple[str, str]]:
    """What the base model learns from: prompts with trajectories of the noisy teacher."""
    pairs = []
    for item in items:
        sample = item.sample
        if rng.random() < settings.instruction:
            pairs.append(instruction_text(sample))
            continue
        order = shuffled(len(sample.responses), rng)
        hinted = rng.random() < settings.hinted
        text = teacher_text(item, order, rng, hinted=hinted, principles=settings.principles)
        pairs.append((prompt_text(sample, order, hinted=hinted), text))
    return pairs


class Encoder:
    """Texts to token ids, as the backend encodes them."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = tokenizer.pad_token_id
        self._bos: int = tokenizer.bos_token_id
        self._judge: int = tokenizer.convert_tokens_to_ids(JUDGE)

    def prompts(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """With the control tokens around them."""
        return [(self._bos, *ids, self._judge) for ids in self._ids(texts)]

    def examples(self, pairs: Sequence[tuple[str, str]]) -> list[Example]:
        """Prompts with completions that end with `eos`."""
        prompts = self.prompts([prompt for prompt, _ in pairs])
        completions = self._ids([completion for _, completion in pairs])
        return [
            Example(prompt, (*completion, self.eos))
            for prompt, completion in zip(prompts, completions, strict=True)
        ]

    def plain(self, texts: Sequence[str]) -> list[list[int]]:
        """Without control tokens, as the meta RM reads texts."""
        return self._ids(texts)

    def texts(self, completions: Sequence[Sequence[int]]) -> list[str]:
        """Completions as text, without control tokens."""
        decoded: list[str] = self._tokenizer.batch_decode(
            [list(ids) for ids in completions], skip_special_tokens=True
        )
        return decoded

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        ids: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids
