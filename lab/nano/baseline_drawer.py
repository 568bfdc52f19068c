"""The prompts of the study's generative baselines, in training and when they judge.

The base model knows only the prompt of the dialect `nano`, and has no room for the long ones that
ship with `pairwise` and `cloud`; so these two baselines read the template `nano.j2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from deemster.dialects.pairwise import Pairwise
from deemster.prompts import builtin_template
from deemster.schemas import Sample
from lab.nano.data import Encoder
from lab.nano.judging import Trajectory, judge
from lab.nano.model import load_judge
from lab.nano.sampler import Sampler

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

PROMPT = builtin_template("nano")
DIALECT = Pairwise(PROMPT)
TEMPERATURE = 1.0
"""Temperature of all draws: the base model was trained on samples drawn at 1."""


@dataclass(frozen=True)
class Drawer:
    """A model that judges in the layout of the dialect `nano`, or writes a part of it."""

    model: LlamaForCausalLM
    sampler: Sampler
    encoder: Encoder

    @classmethod
    def load(cls, folder: Path) -> Drawer:
        """From a folder of weights and tokenizer."""
        model, tokenizer = load_judge(folder)
        encoder = Encoder(tokenizer)
        return cls(model, Sampler(model, eos=encoder.eos, pad=encoder.pad), encoder)

    def draw(
        self,
        tasks: Sequence[tuple[Sample, tuple[int, ...]]],
        generator: torch.Generator,
        *,
        each: int = 1,
        temperature: float = TEMPERATURE,
        hinted: bool = False,
    ) -> list[Trajectory]:
        """See `judging.judge`."""
        return judge(
            self.sampler,
            self.encoder,
            tasks,
            each=each,
            temperature=temperature,
            generator=generator,
            hinted=hinted,
        )


def singles(samples: Sequence[Sample]) -> list[tuple[Sample, int]]:
    """Every response by itself, right (1) if it is the best one, with its index in its sample."""
    return [
        (
            sample.model_copy(
                update={
                    "id": f"{sample.id} {i}",
                    "responses": (response,),
                    "ground_truth": (float(i == sample.best),),
                }
            ),
            i,
        )
        for sample in samples
        for i, response in enumerate(sample.responses)
    ]
