"""The formulas of `benchmarks.cost_formulas` against what servers on loopback counted.

Every set-up judges the same small made-up set, offline. The formula is given the lengths of the
prompts as rendered and of the texts that the servers say, and for stopping and escalation what the
rules say of the scores in these texts, before anything is sent. The servers' own ledgers, and the
judges' own account of money, must agree to the token.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml
from tests.support.decision_server import DecisionServer

from benchmarks.cost_formulas import Load, Price, Size, ahead, decision, in_turn, one_by_one, shared
from deemster.aggregators import Ballot, Decided
from deemster.backends import Request
from deemster.judges import Cascade, DecisionJudge, Judge, Scorer
from deemster.judges.batch import score_all
from deemster.judges.case import Case
from deemster.principles import principles_request
from deemster.schemas import Judgment, Sample, Scale, Verdict
from deemster.testing import BatchServer, Call, OpenAIServer

SAMPLES = 6
PRICE = Price(2.0, 8.0)
"""What the judges are told a token costs."""
STOP = Decided(0.95)
SURE = 0.9
"""Confidence at which a cascade stops."""
CRITERIA = [
    {"name": "Accuracy", "description": "whether what it says is so", "weight": 60},
    {"name": "Clarity", "description": "whether a reader can follow", "weight": 30},
    {"name": "Brevity", "description": "whether every sentence is needed", "weight": 10},
]
JUDGED = (
    "Analysis:\n**Response 1:** it names the rule and applies it.\n\n"
    "**Response 2:** it does not.\n\nScores: \\boxed{{{}, {}}}"
)
WITH_PRINCIPLES = (
    "Specific Criteria:\n1. Accuracy (Weight: 60%): whether what it says is so.\n"
    f"2. Clarity (Weight: 40%): whether a reader can follow.\n\n{JUDGED}"
)


@dataclass(frozen=True)
class Check:
    """A set-up: by server, what the formula says and what was counted, of all samples."""

    name: str
    formula: tuple[Load, ...]
    counted: tuple[Load, ...]
    cost: float | None
    """US dollars by the judge's own account; None where servers have prices of their own."""

    @property
    def agrees(self) -> bool:
        """Whether they are equal, money too."""
        money = sum(load.cost(PRICE) for load in self.formula)
        same_cost = self.cost is None or abs(self.cost - money) < 1e-12
        return same_cost and all(
            np.allclose(list(vars(said).values()), list(vars(found).values()), rtol=0, atol=1e-9)
            for said, found in zip(self.formula, self.counted, strict=True)
        )


def samples() -> list[Sample]:
    """Pairs of different lengths."""
    return [
        Sample(
            id=str(i),
            query=f"Question {i}: " + "why does it rain " * (i + 1),
            responses=(f"first {i} " * (3 * i + 2), f"second {i} " * (i + 5)),
        )
        for i in range(SAMPLES)
    ]


def scores(sample: int, turn: int) -> tuple[int, int]:
    """What is said of a sample, in the caller's order, in the turn-th votes of each order.

    Even ones are clear at once, odd ones a tie at first, the longer the higher their number.
    """
    if sample % 2 == 0:
        return 9, 2
    return (6, 6) if turn <= sample // 2 else (7, 5)


class Script:
    """Says the scores, in the order in which the responses are shown; or writes principles."""

    def __init__(self, text: str = WITH_PRINCIPLES) -> None:
        self.text = text
        self._asked: dict[tuple[int, bool], int] = {}

    def __call__(self, call: Call, _choice: int) -> str:
        if "response_format" in call.body:
            return json.dumps({"principles": CRITERIA})
        shown = call.query
        number = int(shown.split("Question ")[1].split(":")[0])
        swapped = shown.index(f"second {number}") < shown.index(f"first {number}")
        turn = self._asked.get((number, swapped), 0)
        self._asked[number, swapped] = turn + 1
        said = scores(number, turn)
        return self.text.format(*(reversed(said) if swapped else said))


def words(request: Request) -> int:
    """Tokens of a prompt as `OpenAIServer` counts them."""
    sent = (message.to_openai()["content"] for message in request.messages)
    return sum(len(json.dumps(content).split()) for content in sent)


def judging(judge: Judge, sample: Sample, text: str = WITH_PRINCIPLES) -> Size:
    """Of a request for one vote on a sample."""
    case = judge.with_principles(Case.of(sample.query, sample.responses))
    lengths = {words(request) for request, _, _ in judge.requests(case)}
    if len(lengths) != 1:
        raise RuntimeError(f"the orders of sample {sample.id} differ in length: {lengths}")
    return Size(lengths.pop(), len(text.split()))


def writing(judge: Judge, sample: Sample) -> Size:
    """Of the request that writes a sample's principles."""
    request = principles_request(judge.backend, sample.query, sample.responses)
    return Size(words(request), len(json.dumps({"principles": CRITERIA}).split()))


def open_judge(server: OpenAIServer, k: int, **options: Any) -> Judge:  # noqa: ANN401
    """A judge that knows what a token costs."""
    prices = {"tokens_in": PRICE.tokens_in, "tokens_out": PRICE.tokens_out}
    return Judge("openai/judge", k=k, api_base=server.url, api_key="key", prices=prices, **options)


async def judged(judge: Scorer) -> list[Verdict]:
    """All verdicts; every vote must be valid."""
    verdicts = await score_all(judge, samples())
    failed = [vote for verdict in verdicts for vote in verdict.failures]
    if failed:
        raise RuntimeError(f"{len(failed)} votes failed: {failed[0].message}")
    return verdicts


def counted(server: OpenAIServer) -> Load:
    """What a server counted; the votes are its choices, but for principles."""
    ledger = server.ledger
    written = sum("response_format" in call.body for call in ledger.calls)
    return Load(ledger.hits, ledger.choices - written, ledger.tokens_in, ledger.tokens_out)


async def _one_judge(
    name: str,
    server: OpenAIServer,
    formula: Callable[[Judge, Sample], Load],
    k: int,
    **options: Any,  # noqa: ANN401 - of the judge
) -> Check:
    with server:
        async with open_judge(server, k, **options) as judge:
            said = Load.total([formula(judge, sample) for sample in samples()])
            verdicts = await judged(judge)
    cost = sum(verdict.usage.cost or 0.0 for verdict in verdicts)
    return Check(name, (said,), (counted(server),), cost)


async def sum_without_n(k: int) -> Check:
    """Every vote is a request: the server lacks `n`."""
    return await _one_judge(
        f"sum@{k}, a request for each vote",
        OpenAIServer(Script()),
        lambda judge, sample: one_by_one(judging(judge, sample), k),
        k,
        n_mode="single",
    )


async def sum_shared(k: int) -> Check:
    """As many votes, a request for each order."""
    return await _one_judge(
        f"sum@{k}, shared `n`",
        OpenAIServer(Script()),
        lambda judge, sample: shared(judging(judge, sample), k, 2),
        k,
    )


async def adaptive(k: int) -> Check:
    """Stops when decided: the rule is asked about the scripted scores beforehand."""
    votes = np.array([[scores(i, draw // 2) for draw in range(k)] for i in range(SAMPLES)])
    used = STOP.votes_used(_ballot(votes), scale=Scale(low=1, high=10), both_orders=True)
    if len(set(used.tolist())) == 1:
        raise RuntimeError("the rule stops all samples alike: this would check nothing")
    return await _one_judge(
        f"adaptive, up to {k}",
        OpenAIServer(Script()),
        lambda judge, sample: one_by_one(judging(judge, sample), int(used[int(sample.id)])),
        k,
        stop=STOP,
    )


async def made_ahead(k: int) -> Check:
    """One request for principles of each query, then votes by them."""

    server = OpenAIServer(Script(JUDGED))
    async with open_judge(server, k, principles=CRITERIA) as given:
        return await _one_judge(
            f"principles made ahead, sum@{k}",
            server,
            lambda judge, sample: ahead(
                writing(judge, sample), shared(judging(given, sample, JUDGED), k, 2)
            ),
            k,
            principles="ahead",
        )


async def fixed(k: int) -> Check:
    """Principles that are there already: a rubric, or a bank."""
    return await _one_judge(
        f"principles from a rubric or bank, sum@{k}",
        OpenAIServer(Script(JUDGED)),
        lambda judge, sample: shared(judging(judge, sample, JUDGED), k, 2),
        k,
        principles=CRITERIA,
    )


async def cascade(k: int) -> Check:
    """A cheap judge, and the dear one for the samples that the cheap one is in two minds about."""
    cheap_server, dear_server = OpenAIServer(Script()), OpenAIServer(Script())
    with cheap_server, dear_server:
        async with (
            open_judge(cheap_server, 2, name="cheap") as cheap,
            open_judge(dear_server, k, name="dear") as dear,
        ):
            said = [
                in_turn(
                    [shared(judging(cheap, one), 2, 2), shared(judging(dear, one), k, 2)],
                    [1, int(one.id) % 2],
                )
                for one in samples()
            ]
            verdicts = await judged(Cascade([cheap, dear], thresholds=SURE))
    cost = sum(verdict.usage.cost or 0.0 for verdict in verdicts)
    formula = tuple(Load.total(loads) for loads in zip(*said, strict=True))
    return Check(
        f"cascade, 2 votes then sum@{k}",
        formula,
        (counted(cheap_server), counted(dear_server)),
        cost,
    )


async def decision_first(k: int) -> Check:
    """A decision model in both orders, and a judge for the samples it is not sure of."""

    def says(text: str, _question: dict[str, Any]) -> Sequence[float]:
        number = int(text.split("Question ")[1].split(":", maxsplit=1)[0])
        swapped = text.index(f"second {number}") < text.index(f"first {number}")
        first = 0.99 if number % 2 == 0 else 0.5
        return (1 - first, first) if swapped else (first, 1 - first)

    fast_server, dear_server = DecisionServer(says), OpenAIServer(Script())
    with fast_server, dear_server:
        async with (
            DecisionJudge(
                "decisions:openai/fast",
                ask="choice",
                api_base=fast_server.url,
                api_key="key",
                prices={"tokens_in": PRICE.tokens_in, "tokens_out": 0},
            ) as fast,
            open_judge(dear_server, k, name="dear") as dear,
        ):
            said = [
                in_turn(
                    [decision(_asked(fast, one), 2), shared(judging(dear, one), k, 2)],
                    [1, int(one.id) % 2],
                )
                for one in samples()
            ]
            verdicts = await judged(Cascade([fast, dear], thresholds=SURE))
    cost = sum(verdict.usage.cost or 0.0 for verdict in verdicts)
    formula = tuple(Load.total(loads) for loads in zip(*said, strict=True))
    found = replace(counted(fast_server), votes=fast_server.ledger.hits)
    return Check(f"decision first, then sum@{k}", formula, (found, counted(dear_server)), cost)


def _asked(judge: DecisionJudge, sample: Sample) -> float:
    """Tokens of a decision's text and questions, as `DecisionServer` counts them."""
    from deemster.backends._api.decision_wire import request_body

    case = Case.of(sample.query, sample.responses)
    lengths = set()
    for planned in judge.plan(case):
        request = planned.request
        text = request.messages[-1].text
        questions = request_body("decisions", text, request.questions)["questions"]
        lengths.add(len(text.split()) + sum(_words_of(one) for one in questions))
    if len(lengths) != 1:
        raise RuntimeError(f"the orders of sample {sample.id} differ in length: {lengths}")
    return float(lengths.pop())


def _words_of(question: dict[str, Any]) -> int:
    # the server counts the question with its options listed once more
    options = [choice["value"] for choice in question["choices"]]
    return len(str({**question, "options": options}).split())


async def batched(k: int) -> Check:
    """The same requests through the batch API: counted alike, at another price."""
    from deemster.backends.batches import BatchLimits
    from deemster.suites import load_suite, run_suite
    from deemster.suites.batching import BatchEngine

    with BatchServer(Script()) as server, TemporaryDirectory() as folder:
        async with open_judge(server, k) as judge:
            said = Load.total([shared(judging(judge, one), k, 2) for one in samples()])
        suite = _write_suite(Path(folder, "suite.yaml"), server.url, k)
        engine = BatchEngine(
            limits=BatchLimits(first_look=0.05, longest_wait=0.2), report=lambda _: None
        )
        result = await run_suite(load_suite(suite, trust=True), Path(folder, "run"), engine=engine)
        (summary,) = result.summaries.values()
    if summary.n_scored != SAMPLES:
        raise RuntimeError(f"{summary.n_scored} of {SAMPLES} samples are scored")
    return Check(f"sum@{k} by batch", (said,), (counted(server),), summary.usage.cost)


def _write_suite(path: Path, url: str, k: int) -> Path:
    rows = [
        {"id": one.id, "query": one.query[0].text, "responses": [r.text for r in one.responses]}
        for one in samples()
    ]
    options = {
        "api_base": url,
        "api_key": "key",
        "prices": {"tokens_in": PRICE.tokens_in, "tokens_out": PRICE.tokens_out},
    }
    judge = {"model": "openai/judge", "k": k, "options": options}
    suite = {"name": "cost", "data": {"samples": rows}, "judges": judge}
    path.write_text(yaml.safe_dump(suite), "utf-8")
    return path


def _ballot(votes: np.ndarray[Any, Any]) -> Ballot:
    stacked = [
        Ballot.from_votes([Judgment(scores=tuple(map(float, one))) for one in each], n=2)
        for each in votes
    ]
    return Ballot(
        scores=np.stack([one.scores for one in stacked]),
        weights=np.stack([one.weights for one in stacked]),
        meta=np.stack([one.meta for one in stacked]),
        judges=np.stack([one.judges for one in stacked]),
        by_principle=np.stack([one.by_principle for one in stacked]),
    )


CHECKS: dict[str, Callable[[int], Coroutine[Any, Any, Check]]] = {
    "sum": sum_without_n,
    "shared": sum_shared,
    "adaptive": adaptive,
    "ahead": made_ahead,
    "fixed": fixed,
    "cascade": cascade,
    "decision": decision_first,
    "batch": batched,
}


def run_checks(k: int) -> Iterator[Check]:
    """Every set-up."""
    for check in CHECKS.values():
        yield asyncio.run(check(k))


if __name__ == "__main__":
    for done in run_checks(8):
        print("agrees" if done.agrees else "DIFFERS", done)
