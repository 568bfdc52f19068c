"""Sums that a model writes are worked out for it: it says what to calculate, not what comes out.

A small model knows that 14 x 3 has to be worked out and writes 48. After `14 x 3 =` only tokens
that spell 42 are allowed (a calculator as in "Training Verifiers to Solve Math Word Problems",
arXiv 2110.14168, but for every sum of a text). Which spelling it takes (42, 42.00) is
the model's, and so is everything else: where nothing is worked out (`sums`), no logit is touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deemster.backends._local.sums import results

_SEEN = 1024
"""Tokens back from a `=` that are read: of a line longer than that, quotes may be overlooked."""
_DIGIT = re.compile(r"[.,]?\d")


class Keys:
    """The tokens of a model that spell sums.

    Args:
        tokenizer: a fast tokenizer of transformers.
        size: number of logits.
    """

    def __init__(self, tokenizer: Any, size: int) -> None:  # noqa: ANN401 - transformers is untyped
        self._tokenizer = tokenizer
        spelled = tokenizer.convert_ids_to_tokens(list(range(size)))
        self.texts = [(text or "").replace("Ġ", " ").replace("▁", " ") for text in spelled]
        """Of all tokens; those of other characters than ASCII in the tokenizer's own spelling."""
        self.ids = {text: i for i, text in enumerate(self.texts) if text}
        self.begins = {i for i, text in enumerate(self.texts) if text.rstrip().endswith("=")}
        """Tokens after which a result may be due."""
        digits = [i for i, text in enumerate(self.texts) if _DIGIT.match(text)]
        self.digits = torch.tensor(digits, dtype=torch.long)
        """Tokens with which a number would go on."""

    def text(self, ids: Sequence[int]) -> str:
        """The end of what was written."""
        text: str = self._tokenizer.decode(list(ids[-_SEEN:]), clean_up_tokenization_spaces=False)
        return text


class Calculator:
    """What is worked out in one draw.

    Args:
        keys: of the model.
        prompt: see `results`.
        prefix: text before the first token of the draw.
    """

    def __init__(self, keys: Keys, prompt: str, prefix: str = "") -> None:
        self._keys = keys
        self._prompt = prompt
        self._prefix = prefix
        self._left = results(prefix, prompt)
        """What may be written next, as far as it is certain."""

    @property
    def waits(self) -> bool:
        """Whether a result is being written."""
        return bool(self._left)

    def restrict(self, logits: Tensor) -> None:
        """Forbid what spells another result, in place.

        Args:
            logits: [vocabulary].
        """
        starts = {text[:n] for text in self._left for n in range(1, len(text) + 1)}
        allowed = [self._keys.ids[text] for text in starts if text in self._keys.ids]
        kept = logits[allowed]
        if "" in self._left:
            logits[self._keys.digits.to(logits.device)] = -torch.inf
        elif allowed:
            logits[:] = -torch.inf
        logits[allowed] = kept

    def accept(self, ids: Sequence[int]) -> None:
        """Take in the last token of all that were drawn."""
        if self._left:
            text = self._keys.texts[ids[-1]]
            left = [one[len(text) :] for one in self._left if text and one.startswith(text)]
            # A number may be followed by the end of a sentence, whose mark no digit follows.
            if text in (".", ",") and "" in self._left:
                left.append("")
            self._left = left
        if ids[-1] in self._keys.begins:
            self._left = results(self._prefix + self._keys.text(ids), self._prompt)
