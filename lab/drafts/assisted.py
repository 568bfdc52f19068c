"""Look-up here beside transformers' own, on the same prompts: one draw at a time, greedy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from deemster.backends.base import Request
from deemster.backends.transformers import TransformersBackend
from deemster.dialects import open_dialect
from deemster.schemas import Completion, Conversation, Sample, Sampling
from deemster.training.prompts import training_messages


class Written(NamedTuple):
    """What one way wrote."""

    texts: list[str]
    tokens: int
    cpu: float
    """Seconds of processor time, prompts included."""


def assisted(
    model: str, samples: Sequence[Sample], *, dialect: str, most: int, tokens: int = 4
) -> dict[str, Written]:
    """What each way writes about samples, at most `most` tokens each.

    Args:
        model: folder or repository.
        samples: what is judged, in their own order.
        dialect: of the prompts.
        most: tokens of a text.
        tokens: of a draft.
    """
    given = open_dialect(dialect)
    prompts = [
        training_messages(one, given, order=range(len(one.responses)), seed=0) for one in samples
    ]
    plain, lookup = (
        TransformersBackend(model, device="cpu", threads=1, speculate=way)
        for way in (None, "lookup")
    )
    ways: dict[str, Callable[[Conversation], tuple[str, int]]] = {
        "here, plain": _here(plain, most),
        "here, `lookup`": _here(lookup, most),
        "transformers, plain": _there(plain, most),
        "transformers, look-up": _there(plain, most, prompt_lookup_num_tokens=tokens),
    }
    return {name: _timed(write, prompts) for name, write in ways.items()}


def _timed(
    write: Callable[[Conversation], tuple[str, int]], prompts: list[Conversation]
) -> Written:
    write(prompts[0])  # loads the model, and warms up
    before = time.process_time()
    found = [write(prompt) for prompt in prompts]
    used = time.process_time() - before
    return Written([text for text, _ in found], sum(count for _, count in found), used)


def _here(backend: TransformersBackend, most: int) -> Callable[[Conversation], tuple[str, int]]:
    def write(prompt: Conversation) -> tuple[str, int]:
        sampling = Sampling(temperature=0, max_tokens=most)
        [found] = asyncio.run(backend.generate(Request(messages=prompt, sampling=sampling)))
        if not isinstance(found, Completion):
            raise found
        return found.text, found.usage.tokens_out

    return write


def _there(
    backend: TransformersBackend,
    most: int,
    **options: Any,  # noqa: ANN401 - of transformers
) -> Callable[[Conversation], tuple[str, int]]:
    def write(prompt: Conversation) -> tuple[str, int]:
        loaded = backend._load()  # noqa: SLF001 - the same weights, by its own generation
        ids = torch.tensor([loaded.chat.encode(prompt)])
        with torch.inference_mode(), loaded.runner.own_attention():
            found = loaded.runner.model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=most,
                eos_token_id=sorted(loaded.eos), pad_token_id=0, **options,
            )  # fmt: skip
        said = [one for one in found[0, ids.shape[1] :].tolist() if one not in loaded.eos]
        text: str = loaded.tokenizer.decode(
            said, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text, len(said)

    return write
