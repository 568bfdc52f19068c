"""Many continuations of few prompts: each prompt is run once, then all rows step together."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from deemster.backends._local.attention import (
    Group,
    Prefix,
    SharedPrefixAttention,
    prefix_of,
)
from deemster.backends._local.caches import cache_name, rows_of
from deemster.backends._local.drafted_rows import DraftedRows
from deemster.backends._local.own_cache import OwnCache
from deemster.backends._local.reuse import beginning_of, in_common
from deemster.backends._local.threads import Threads
from deemster.backends._local.trial import apart, narrow_window, nudged

logger = logging.getLogger(__name__)

# CPU matrix products of two or three rows are slower than those of four, and on many processors
# rows in fours all round alike.
_CPU_ROWS = 4


@dataclass(frozen=True)
class Prefilled:
    """A prompt that the model has read."""

    ids: tuple[int, ...]
    logits: Tensor
    """[vocabulary] float32: the token after the prompt."""
    cache: Any
    reused: int = 0
    """Tokens at its beginning that had been read for another prompt."""
    states: Tensor | None = None
    """[tokens, width] what the last layer made of each, where the runner keeps that."""


class Rows(Protocol):
    """Continuations of one prompt that step together."""

    def step(self, tokens: Sequence[int]) -> Tensor:
        """Give every row its next token; [rows, vocabulary] float32 logits of the one after."""
        ...

    def keep(self, order: list[int]) -> None:
        """Go on with `len(order)` rows; row i is what row `order[i]` was.

        Rows keep their place or fill a gap from the end (`gap_filling_order`).
        """
        ...


def gap_filling_order(alive: Sequence[bool]) -> list[int]:
    """Places of the rows that go on, with the last ones moved into the gaps of finished ones."""
    count = sum(alive)
    movers = iter([row for row in range(count, len(alive)) if alive[row]])
    return [row if alive[row] else next(movers) for row in range(count)]


class Runner:
    """Runs a causal language model.

    Args:
        model: any that transformers loads for causal language modelling, in eval mode.
        vocabulary: ids from here on are padding of the output layer, never chosen.
        exact: `step` runs the model for each `Rows` separately, without padding. Matrix products
            may round by their number of rows, so nothing less keeps the logits of one `Rows`
            free of the others to the last bit.
        threads: chooses CPU threads by how long steps take.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - transformers is untyped
        vocabulary: int,
        *,
        exact: bool = False,
        threads: Threads | None = None,
    ) -> None:
        self.model = model
        self._threads = threads
        self.device: torch.device = model.device
        self.vocabulary = vocabulary
        self._exact = exact
        self._multiple = _CPU_ROWS if self.device.type == "cpu" and not exact else 1
        parameters = inspect.signature(model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        self._cache_name = cache_name(model, parameters)
        self._own_implementation = getattr(model.config, "_attn_implementation", None)
        self.attention: SharedPrefixAttention | None = None
        self._states: list[Tensor] | None = None
        self.attention = self._shared_prefix_attention()

    @property
    def shares_prefix(self) -> bool:
        """Whether the prompt's keys and values are held once instead of once per row."""
        return self.attention is not None

    def keep_states(self) -> None:
        """From now on keep what the last layer makes of each token: drafts start from it."""
        self._states = []

        def keep(_module: Any, _given: Any, output: Any) -> None:  # noqa: ANN401
            self._states = [output[0]]

        self.model.get_decoder().register_forward_hook(keep)

    def _last_states(self) -> Tensor | None:
        """[rows, tokens, width] of the pass that has just ended."""
        return self._states.pop() if self._states else None

    def close(self) -> None:
        """Undo the registration with transformers."""
        if self.attention is not None:
            self.attention.unregister()

    def prefill(self, ids: Sequence[int], after: Prefilled | None = None) -> Prefilled:
        """Read a prompt of one or more tokens.

        Args:
            ids: the prompt.
            after: another prompt, whose beginning is not read again where `ids` has it too.
        """
        cache, reused = None, 0
        if after is not None and not self._exact:
            cache, reused = beginning_of(after.cache, after.ids, ids)
        with self.own_attention():
            output = self.model(
                input_ids=torch.tensor([list(ids[reused:])], device=self.device),
                use_cache=True,
                **({} if cache is None else {self._cache_name: cache}),
                **self._last_only,
            )
        cache = getattr(output, self._cache_name)
        for layer in getattr(cache, "layers", ()):
            if getattr(layer, "is_sliding", False):  # a view, which would keep what has left it
                layer.keys, layer.values = layer.keys.clone(), layer.values.clone()
        states = self._last_states()
        if states is not None:
            before = [] if after is None or after.states is None else [after.states[:reused]]
            states = torch.cat([*before, states[0]])
        return Prefilled(tuple(ids), self._logits(output)[0], cache, reused, states)

    def after(self, prompts: Sequence[Sequence[int]], *, rows: int) -> tuple[Tensor, int]:
        """What follows each of several prompts; what they have in common is read once.

        Args:
            prompts: of one or more tokens.
            rows: prompts in a batch at most.

        Returns:
            [prompts, vocabulary] float32 logits on the CPU, and how many tokens were read.
        """
        shared = min(map(len, prompts)) - 1
        for prompt in prompts[1:]:
            shared = min(shared, in_common(prompts[0], prompt))
        cache = self.prefill(prompts[0][:shared]).cache if shared else None
        found = []
        for start in range(0, len(prompts), rows):
            tails = [list(prompt[shared:]) for prompt in prompts[start : start + rows]]
            found.append(self._after(tails, cache).cpu())
        return torch.cat(found), shared + sum(len(prompt) - shared for prompt in prompts)

    def _after(self, tails: Sequence[list[int]], cache: Any) -> Tensor:  # noqa: ANN401 - transformers is untyped
        """[tails, vocabulary] logits after each, going on from a cache."""
        longest = max(map(len, tails))
        # Padding stands at the end, where a causal model does not look back at it.
        ids = torch.tensor([tail + [tail[-1]] * (longest - len(tail)) for tail in tails])
        ends = torch.tensor([len(tail) - 1 for tail in tails])
        places = torch.tensor(sorted(set(ends.tolist())))
        if cache is not None:
            cache = rows_of(copy.deepcopy(cache), torch.zeros(len(tails), dtype=torch.long))
        keep = {"logits_to_keep": places.to(self.device)} if self._last_only else {}
        with self.own_attention():
            output = self.model(
                input_ids=ids.to(self.device),
                use_cache=cache is not None,
                **{self._cache_name: cache},
                **keep,
            )
        columns = torch.searchsorted(places, ends) if keep else ends
        rows = torch.arange(len(tails), device=self.device)
        logits: Tensor = output.logits[rows, columns.to(self.device), : self.vocabulary]
        return logits.float()

    @contextmanager
    def own_attention(self) -> Iterator[None]:
        """The model's own attention, for several tokens at a time."""
        if self.attention is None:
            yield
            return
        self.model.set_attn_implementation(self._own_implementation)
        try:
            yield
        finally:
            self.model.set_attn_implementation(self.attention.name)

    def rows(self, prompt: Prefilled, count: int, room: int) -> Rows:
        """`count` continuations of a prompt, with up to `room` tokens each."""
        if self.attention is not None:
            return _SharedRows(self, prompt, room)
        return _ExpandedRows(self, prompt, count)

    def drafted_rows(self, prompt: Prefilled, count: int) -> DraftedRows:
        """`count` continuations of a prompt, whose rows go on by different lengths.

        Only where `shares_prefix`.
        """
        return DraftedRows(prefix_of(prompt.cache), len(prompt.ids), count, self.device)

    def step(self, steps: Sequence[tuple[Rows, Sequence[int]]]) -> list[Tensor]:
        """Give rows of several prompts their next tokens, in one pass where that is allowed.

        Of rows with drafts see `check`.

        Args:
            steps: rows, and a token for each of them.

        Returns:
            As `Rows.step`, for each.
        """
        if not steps:
            return []
        with self._timed():
            return self._step(steps)

    def _step(self, steps: Sequence[tuple[Rows, Sequence[int]]]) -> list[Tensor]:
        shared = [(rows, tokens) for rows, tokens in steps if isinstance(rows, _SharedRows)]
        apart = len(shared) < len(steps) or (self._exact and len(steps) > 1)
        if self.attention is None or apart:
            return [rows.step(tokens) for rows, tokens in steps]
        parts = self._together([rows.offer(tokens) for rows, tokens in shared])
        for rows, _ in shared:
            rows.position += 1
        return [logits for logits, _ in parts]

    def check(
        self, steps: Sequence[tuple[DraftedRows, Sequence[Sequence[int]]]]
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Give rows of several prompts their last tokens and drafts of what comes next.

        Args:
            steps: rows, and for each of them the token and its draft. How many of them a row
                keeps is for `DraftedRows.took` to say.

        Returns:
            For each, [tokens, vocabulary] float32 logits after every token, one row after another,
            and what the last layer made of them, [tokens, width], where that is kept.
        """
        if not steps:
            return []
        with self._timed():
            return self._together([rows.offer(tokens) for rows, tokens in steps])

    def step_and_check(
        self,
        steps: Sequence[tuple[Rows, Sequence[int]]],
        checks: Sequence[tuple[DraftedRows, Sequence[Sequence[int]]]],
    ) -> tuple[list[Tensor], list[tuple[Tensor, Tensor | None]]]:
        """`step` and `check` in one pass, which models whose rows have drafts allow."""
        if not steps or not checks:
            return self.step(steps), self.check(checks)
        shared = [(cast("_SharedRows", rows), tokens) for rows, tokens in steps]
        with self._timed():
            plain = [rows.offer(tokens) for rows, tokens in shared]
            parts = self._together([*plain, *(rows.offer(tokens) for rows, tokens in checks)])
        for rows, _ in shared:
            rows.position += 1
        return [logits for logits, _ in parts[: len(shared)]], parts[len(shared) :]

    def _timed(self) -> AbstractContextManager[None]:
        return nullcontext() if self._threads is None else self._threads.step()

    def _together(
        self, parts: Sequence[tuple[Sequence[int], Sequence[int], Group]]
    ) -> list[tuple[Tensor, Tensor | None]]:
        """One pass for tokens at their positions, each as a row of its own.

        Padding is of the whole pass: requests for one draw each would else be mostly padding.
        """
        attention = cast("SharedPrefixAttention", self.attention)
        with attention.step([group for _, _, group in parts]) as cache:
            output = self.model(
                input_ids=self.padded([token for tokens, _, _ in parts for token in tokens]),
                position_ids=self.padded([place for _, places, _ in parts for place in places]),
                use_cache=True,
                **{self._cache_name: cache},
            )
        counts = [len(tokens) for tokens, _, _ in parts]
        logits = _parted(self._logits(output), counts)
        states = self._last_states()
        if states is None:
            return [(part, None) for part in logits]
        return list(zip(logits, _parted(states[:, 0], counts), strict=True))

    def step_by_cache(self, tokens: Sequence[int], cache: Any) -> Tensor:  # noqa: ANN401
        """As `Rows.step`, of rows that `cache` has, which takes the tokens in."""
        output = self.model(
            input_ids=self.padded(tokens), use_cache=True, **{self._cache_name: cache}
        )
        return self._logits(output)[: len(tokens)]

    def padded(self, tokens: Sequence[int]) -> Tensor:
        """[rows, 1] on the device; rows are added up to the next whole multiple."""
        missing = -len(tokens) % self._multiple
        return torch.tensor([*tokens, *[tokens[-1]] * missing], device=self.device)[:, None]

    def _logits(self, output: Any) -> Tensor:  # noqa: ANN401 - transformers is untyped
        logits: Tensor = output.logits[:, -1, : self.vocabulary]
        return logits.float()

    def _shared_prefix_attention(self) -> SharedPrefixAttention | None:
        """The fast attention, if this model's layers are of the kind it covers.

        Whether it does is measured: both ways must give the same logits, also beyond a window.
        """
        model = self.model
        pluggable = getattr(model, "_supports_attention_backend", False)
        if not pluggable or self._own_implementation not in ("sdpa", "eager"):
            return None
        ids = [(7 * i) % self.vocabulary for i in range(1, 10)]
        attention = SharedPrefixAttention(model)
        try:
            with narrow_window(model.config.get_text_config()):
                before = self.prefill(ids)
                prefix_of(before.cache)
                expected = self._probe(_ExpandedRows(self, before, 3))
                with nudged(model):
                    noise = apart(self.prefill(ids).logits, before.logits)
                attention.register()
                model.set_attn_implementation(attention.name)
                self.attention = attention
                found = self._probe(_SharedRows(self, before, 4))
            # Rounding grows through the layers, in half precision to some hundredths; how much
            # depends on the model, so that it is measured too.
            off = apart(found, expected)
            if off <= max(1e-3, 4 * noise):
                return attention
            logger.info("shared-prefix attention is off by %.2g, noise %.2g: not used", off, noise)
        except Exception as error:  # noqa: BLE001 - any model may trip over it in its own way
            logger.info("shared-prefix attention does not fit this model: %s", error)
        self.attention = None
        model.set_attn_implementation(self._own_implementation)
        attention.unregister()
        return None

    def _probe(self, rows: Rows) -> Tensor:
        """[2, 3, vocabulary] logits of two steps."""
        tokens = [i % self.vocabulary for i in (3, 11, 5)]
        return torch.stack([rows.step(tokens), rows.step(tokens[::-1])])


def _parted(rows: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """So many rows for each part; what is left is padding."""
    return list(torch.split(rows[: sum(counts)], list(counts)))


class _SharedRows:
    """Rows whose prompt is held once; see `attention`."""

    def __init__(self, runner: Runner, prompt: Prefilled, room: int) -> None:
        self._runner = runner
        self._prefix: Prefix = prefix_of(prompt.cache)
        self._cache = OwnCache([layer.window for layer in self._prefix], room)
        self.position = len(prompt.ids)

    def offer(self, tokens: Sequence[int]) -> tuple[Sequence[int], list[int], Group]:
        """The tokens, their positions, and the group they make."""
        group = Group(len(tokens), self._prefix, self._cache)
        return tokens, [self.position] * len(tokens), group

    def step(self, tokens: Sequence[int]) -> Tensor:
        return self._runner.step([(self, tokens)])[0]

    def keep(self, order: list[int]) -> None:
        self._cache.keep(order)


class _ExpandedRows:
    """Rows with a copy of the prompt's cache each: works for every kind of layer."""

    def __init__(self, runner: Runner, prompt: Prefilled, count: int) -> None:
        self._runner = runner
        rows = runner.padded([0] * count)[:, 0]
        self._cache = rows_of(copy.deepcopy(prompt.cache), rows)

    def step(self, tokens: Sequence[int]) -> Tensor:
        return self._runner.step_by_cache(tokens, self._cache)

    def keep(self, order: list[int]) -> None:
        rows_of(self._cache, self._runner.padded(order)[:, 0])
