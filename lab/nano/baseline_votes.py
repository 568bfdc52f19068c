"""The trained baselines' votes about items, as arrays: many at once, for speed.

Texts, verdicts and rewards equal those of the framework's judges (`Judge` with the dialects
`pairwise` and `pairwise-tokenprob`, `ScalarRM`, `PairRM`, `CLoud`); only the batching differs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deemster.dialects import Dialect
from deemster.dialects.pairwise import PairwiseTokenProb
from deemster.errors import ParseError
from deemster.judges.classifier import Classifier, Encode, Reading, sigmoid
from deemster.judges.cloud import VALUE, with_critique
from deemster.judges.pair_rm import pair_ids
from deemster.judges.scalar_rm import chat_ids
from deemster.runtime import run_sync
from deemster.schemas import Completion, Sample, TokenLogprob
from deemster.training.baselines.cloud import critique_of
from lab.nano.baseline_drawer import DIALECT, PROMPT, Drawer, singles
from lab.nano.batching import alike
from lab.nano.device import device_of
from lab.nano.judging import Trajectory, balanced_orders
from lab.nano.measure import MOST_RESPONSES, Votes
from lab.nano.precision import mixed_precision

Floats = NDArray[np.float32]
Draw = Callable[[Sequence[Sample], int, int], Mapping[str, Votes]]
"""From items, K and a seed to the votes about the items, by the study's name of the baseline."""

MAJORITY, TOKENPROB = "llm-judge", "llm-judge-tokenprob"
_BATCH_TOKENS = 4096
_BATCH_ROWS = 64


def llm_judge(folder: Path) -> Draw:
    """K verdicts and a greedy one, read in both ways: the index, and the index's probability."""
    drawer = Drawer.load(folder)

    def draw(samples: Sequence[Sample], k: int, seed: int) -> Mapping[str, Votes]:
        drawn = draw_verdicts(drawer, samples, k, seed)
        plain = verdicts(drawn, DIALECT, [()] * len(drawn))
        weighted = verdicts(drawn, PairwiseTokenProb(), index_logprobs(drawer, drawn))
        return {
            MAJORITY: _votes(samples, *_apart(plain, k)),
            TOKENPROB: _votes(samples, *_apart(weighted, k)),
        }

    return draw


def draw_verdicts(drawer: Drawer, samples: Sequence[Sample], k: int, seed: int) -> list[Trajectory]:
    """For each sample in turn k sampled verdicts in balanced orders, then a greedy one.

    Vote j is of order j modulo the number of orders, as in `measure.draw_votes`.
    """
    rng = random.Random(seed)  # noqa: S311 - not secret
    generator = torch.Generator().manual_seed(seed)
    orders = [balanced_orders(len(sample.responses), k, rng) for sample in samples]
    votes: dict[int, list[Trajectory]] = {}
    for n in sorted({len(some) for some in orders}):
        rows = [i for i, some in enumerate(orders) if len(some) == n]
        each = -(-k // n)
        drawn = drawer.draw(
            [(samples[i], order) for i in rows for order in orders[i]], generator, each=each
        )
        for place, i in enumerate(rows):
            votes[i] = [drawn[(place * n + j % n) * each + j // n] for j in range(k)]
    firsts = [(sample, some[0]) for sample, some in zip(samples, orders, strict=True)]
    greedy = drawer.draw(firsts, generator, temperature=0)
    return [one for i, last in enumerate(greedy) for one in (*votes[i], last)]


def verdicts(
    trajectories: Sequence[Trajectory],
    dialect: Dialect,
    logprobs: Sequence[tuple[TokenLogprob, ...]],
) -> Floats:
    """[T, 4] scores in the order of the samples' responses; NaN where a verdict cannot be read."""
    found = np.full((len(trajectories), MOST_RESPONSES), np.nan, dtype=np.float32)
    for row, one, tokens in zip(found, trajectories, logprobs, strict=True):
        completion = Completion(text=one.text, logprobs=tokens)
        try:
            shown = dialect.parse(completion, n=len(one.order)).scores
        except ParseError:
            continue
        row[list(one.order)] = np.array(shown, dtype=np.float32)
    return found


@torch.inference_mode()
def index_logprobs(
    drawer: Drawer, trajectories: Sequence[Trajectory]
) -> list[tuple[TokenLogprob, ...]]:
    """What a backend would report of each text's tokens, as far as `pairwise-tokenprob` looks.

    That is the last digit with the log-probabilities of all digits in its place, between the
    texts before and after it, each given as one token. Empty where a text does not end with a
    boxed digit.
    """
    model, encoder = drawer.model, drawer.encoder
    ids = encoder.plain([str(i) for i in range(1, MOST_RESPONSES + 1)])
    digits = [token for (token,) in ids]
    close = encoder.plain(["}"])[0]
    rows: dict[int, tuple[int, ...]] = {}
    for place, one in enumerate(trajectories):
        written = [token for token in one.completion if token != encoder.eos]
        if written[-1:] == close and len(written) > 1 and written[-2] in digits:
            rows[place] = (*one.prompt, *written[:-2])
    found: list[tuple[TokenLogprob, ...]] = [()] * len(trajectories)
    places = list(rows)
    for some in alike([len(rows[i]) for i in places], tokens=_BATCH_TOKENS):
        batch = [places[i] for i in some]
        ends = torch.tensor([len(rows[i]) - 1 for i in batch])
        padded = torch.full((len(batch), int(ends.max()) + 1), encoder.pad)
        for row, i in enumerate(batch):
            padded[row, : len(rows[i])] = torch.tensor(rows[i])
        device = device_of(model)
        with mixed_precision(device):
            states = model.model(input_ids=padded.to(device)).last_hidden_state.cpu()
            last = states[torch.arange(len(batch)), ends].to(device)
            logits = model.lm_head(last).float().cpu()
        for i, values in zip(batch, logits.log_softmax(-1)[:, digits].tolist(), strict=True):
            found[i] = _around_digit(trajectories[i].text, values)
    return found


def _around_digit(text: str, logprobs: Sequence[float]) -> tuple[TokenLogprob, ...]:
    """The text as three tokens, of which the second is the digit before the last brace."""
    known = {str(digit): min(0.0, value) for digit, value in enumerate(logprobs, 1)}
    before, digit, after = text[:-2], text[-2], text[-1]
    return (
        TokenLogprob(token=before, logprob=0.0),
        TokenLogprob(token=digit, logprob=known[digit], top=tuple(known.items())),
        TokenLogprob(token=after, logprob=0.0),
    )


def bradley_terry(folder: Path) -> Draw:
    """One reward per response; nothing is drawn, so there is one vote."""

    def draw(samples: Sequence[Sample], _k: int, _seed: int) -> Mapping[str, Votes]:
        shown = [(s, i) for s, sample in enumerate(samples) for i in range(len(sample.responses))]
        logits = read_texts(
            folder,
            lambda tokenizer, encoder: [
                chat_ids(tokenizer, encoder, (*samples[s].query, samples[s].responses[i]))
                for s, i in shown
            ],
        )
        rewards = _empty(len(samples), 1)
        for (s, i), logit in zip(shown, logits, strict=True):
            rewards[s, 0, i] = logit
        return {"bt": _votes(samples, rewards)}

    return draw


def pair_rm(folder: Path) -> Draw:
    """Expected wins over the other responses, each pair read in both orders; one vote."""

    def draw(samples: Sequence[Sample], _k: int, _seed: int) -> Mapping[str, Votes]:
        shown = [
            (s, i, j)
            for s, sample in enumerate(samples)
            for i, j in permutations(range(len(sample.responses)), 2)
        ]
        logits = read_texts(
            folder,
            lambda _, encoder: [
                pair_ids(
                    encoder,
                    samples[s].query,
                    (samples[s].responses[i], samples[s].responses[j]),
                )
                for s, i, j in shown
            ],
        )
        said = dict(zip(shown, logits, strict=True))
        rewards = _empty(len(samples), 1)
        for s, sample in enumerate(samples):
            n = len(sample.responses)
            for i in range(n):
                rewards[s, 0, i] = math.fsum(
                    sigmoid(said[s, i, j] - said[s, j, i]) for j in range(n) if j != i
                )
        return {"pair-rm": _votes(samples, rewards)}

    return draw


def cloud(folder: Path) -> Draw:
    """K sampled critiques and a greedy one of every response by itself, and their values."""
    drawer = Drawer.load(folder)

    def draw(samples: Sequence[Sample], k: int, seed: int) -> Mapping[str, Votes]:
        generator = torch.Generator().manual_seed(seed)
        tasks = [(one, (0,)) for one, _ in singles(samples)]
        drawn = drawer.draw(tasks, generator, each=k)
        greedy = drawer.draw(tasks, generator, temperature=0)
        written = [(*drawn[t * k : (t + 1) * k], last) for t, last in enumerate(greedy)]
        places = [(s, i) for s, sample in enumerate(samples) for i in range(len(sample.responses))]
        prompts = [critique_of(samples[s], i, "", template=PROMPT).messages for s, i in places]
        texts = [
            with_critique(prompt, one.text)
            for prompt, critiques in zip(prompts, written, strict=True)
            for one in critiques
        ]
        logits = read_texts(
            folder / VALUE,
            lambda tokenizer, encoder: [chat_ids(tokenizer, encoder, turns) for turns in texts],
        )
        values = _empty(len(samples), k + 1)
        for (s, i), row in zip(places, logits.reshape(-1, k + 1), strict=True):
            values[s, :, i] = row
        return {"cloud": _votes(samples, values[:, :k], values[:, k])}

    return draw


def read_texts(folder: Path, encode: Encode) -> NDArray[np.float64]:
    """Outputs [T] of the scalar model in a folder for all texts of `encode`; NaN for none."""
    classifier = Classifier(str(folder), what="baseline", batch_size=_BATCH_ROWS)

    async def read() -> list[Reading]:
        try:
            return await classifier.read(encode)
        finally:
            await classifier.aclose()

    logits = (reading.logit for reading in run_sync(read()))
    return np.array([math.nan if logit is None else logit for logit in logits])


def _empty(count: int, votes: int) -> Floats:
    return np.full((count, votes, MOST_RESPONSES), np.nan, dtype=np.float32)


def _apart(scores: Floats, k: int) -> tuple[Floats, Floats]:
    """Sampled [I, K, 4] and greedy [I, 4] scores out of those of `draw_verdicts`."""
    grouped = scores.reshape(-1, k + 1, MOST_RESPONSES)
    return grouped[:, :k], grouped[:, k]


def _votes(samples: Sequence[Sample], scores: Floats, greedy: Floats | None = None) -> Votes:
    return Votes(
        samples=samples,
        scores=scores,
        greedy=_empty(len(samples), 1)[:, 0] if greedy is None else greedy,
        meta=np.full(scores.shape[:2], np.nan, dtype=np.float32),
    )


JUDGES: Mapping[str, Callable[[Path], Draw]] = {
    MAJORITY: llm_judge,
    "bt": bradley_terry,
    "pair-rm": pair_rm,
    "cloud": cloud,
}
"""By the name that the model is trained under."""
