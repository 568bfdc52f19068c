"""The page of `benchmarks.cost`: tables and text, made of its figures and the formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.cost_formulas import Load, Price, ahead, decision, in_turn, one_by_one, shared
from benchmarks.cost_inputs import CASCADES, DECISION, SURE, K, as_sizes
from benchmarks.tables import table

JUDGMENTS = 1000
PER_QUERY = 8
"""Judgments that use the principles made ahead for a query, where they are kept."""
ESCALATED = (0.2, 0.5)
"""Assumed shares of items that a decision model leaves to the judge."""
WITH_N = ("gpt-5.4-mini", "gpt-5.4")
"""Models whose API takes `n`. Anthropic's does not: each vote is a request there."""
SHOWN = ("gpt-5.4-mini", "gpt-5.4", "claude-sonnet-4-6")

Parts = list[tuple[str, Load]]
"""What is taken of each model."""


class Setups:
    """The set-ups of the page for one model, from the figures of the page."""

    def __init__(self, figures: dict[str, Any], model: str) -> None:
        self.figures, self.model = figures, model
        self.sizes = as_sizes(figures["sizes"])

    def drawn(self, model: str, kind: str, k: int) -> Load:
        """k votes on a pair, the cheapest way there is at this model."""
        size = self.sizes[kind]
        return shared(size, k, 2) if model in WITH_N else one_by_one(size, k)

    def one_by_one(self) -> Parts:
        return [(self.model, one_by_one(self.sizes["free"], K))]

    def shared(self) -> Parts | None:
        return [(self.model, self.drawn(self.model, "free", K))] if self.model in WITH_N else None

    def adaptive(self) -> Parts:
        used = self.figures["votes"][self.model]["used_of_32"]
        return [(self.model, one_by_one(self.sizes["free"], used))]

    def ahead(self, per_query: int) -> Parts:
        given = self.drawn(self.model, "given", K)
        return [(self.model, ahead(self.sizes["writing"], given, per_query))]

    def fixed(self) -> Parts:
        return [(self.model, self.drawn(self.model, "given", K))]

    def cascade(self) -> Parts | None:
        cheap = CASCADES.get(self.model)
        if cheap is None:
            return None
        stages = [self.drawn(cheap, "free", 8), self.drawn(self.model, "free", K)]
        reached = [1.0, self.figures["cascades"][self.model]["reached"]]
        return list(zip([cheap, self.model], in_turn(stages, reached), strict=True))

    def decision(self, share: float) -> Parts:
        stages = [
            decision(self.figures["sizes"]["decision"], 2),
            self.drawn(self.model, "free", K),
        ]
        return list(zip([DECISION, self.model], in_turn(stages, [1.0, share]), strict=True))

    def cost(self, parts: Parts, *, batch: bool = False) -> float:
        """US dollars of one judgment."""
        total = 0.0
        for model, load in parts:
            price = self.figures["prices"][model]
            kind = "batch" if batch else "tokens"
            total += load.cost(Price(price[f"{kind}_in"], price[f"{kind}_out"]))
        return total


ROWS: dict[str, tuple[Callable[[Setups], Parts | None], bool]] = {
    f"sum@{K}, a request for each vote": (Setups.one_by_one, False),
    f"sum@{K}, shared `n`": (Setups.shared, False),
    f"sum@{K} by batch": (Setups.shared, True),
    f"adaptive, `decided:0.95`, up to {K}": (Setups.adaptive, False),
    f"principles made ahead, sum@{K}": (lambda one: one.ahead(1), False),
    f"… kept for {PER_QUERY} judgments of a query": (lambda one: one.ahead(PER_QUERY), False),
    f"principles from a rubric, sum@{K}": (Setups.fixed, False),
    f"cascade: cheap sum@8, then sum@{K}": (Setups.cascade, False),
    **{
        f"decision first, {share:.0%} go on to sum@{K}": (
            lambda one, share=share: one.decision(share),  # type: ignore[misc]
            False,
        )
        for share in ESCALATED
    },
}


def render(figures: dict[str, Any]) -> str:
    """The page."""
    return f"""# What judgments cost

Written by `python -m benchmarks.cost`, which `make bench` runs, on {figures["date"]}. The first
table is arithmetic: [formulas](#formulas), [checked](#checked) against what servers counted, with
lengths and stopping shares from [published data](#where-the-numbers-come-from) and list prices. For
your own suite ask `deemster run suite.yaml --dry-run`; it takes every completion to be as long as
allowed.

## A thousand judgments of pairs

{_setups(figures)}

{_lessons(figures)}

## Where the numbers come from

{_lengths(figures)}

{_prices(figures)}

Left out are reasoning tokens, which are paid like completions (a model that reasons for 1,000
tokens before it answers costs several times as much a vote), and prompt caching by the provider,
which narrows the gap between a request for each vote and shared `n`.

### When drawing stops

Published votes of RewardBench 2 (eight ratings of each response by each model, 1 to 10): the
labelled best response against the first of the others. *Right*: it wins; a tie is half. Stopping is
replayed in the order of the file, two votes a round. In the last column {K} votes are drawn with
replacement from the eight, {figures["resamples"]} times: an estimate, since nobody has drawn {K}.

{_stopping(figures)}

Cascades draw eight votes of the cheap judge and stop where their confidence (resampled, not
calibrated) is at least {SURE}; the others go on to the dear one.

{_cascades(figures)}

The shares that a decision model passes on are assumptions: there are no published votes of one.
With two runs and labels, `deemster cascade fit` measures [yours](aggregators.md#cascades).

## Formulas

For one judgment: P and C are the tokens of a prompt and of a completion, k the votes, o the orders
of the responses (2 for a pair). Where principles are given, prompt and completion have other
lengths, Q and D; W and V are those of the request that writes principles.

| set-up | requests | tokens in | tokens out |
|---|---|---|---|
| a request for each vote | k | k P | k C |
| shared `n` | min(k, o) | min(k, o) P | k C |
| adaptive, u votes drawn on average | u | u P | u C |
| principles made ahead, used by j judgments | 1/j + min(k, o) | W/j + min(k, o) Q | V/j + k D |
| principles from a rubric | min(k, o) | min(k, o) Q | k D |
| cascade, a share s goes on | first + s second | first + s second | first + s second |
| decision first, text and question of T tokens | o + s second | o T + s second | s second |
| by batch | as without | as without | as without |

Adaptive stopping pays the prompt for every vote, because a round (unless you make it longer) has
each order once. What it saves against shared `n` is tokens out, never tokens in.

## Checked

{figures["samples"]} made-up pairs, k = {figures["k"]}, judged at servers on loopback, which count
words as tokens; all samples together. The formulas are worked out before anything is sent, from
the prompts and from the scores that the servers will give. Money is what the verdicts or the run
say was spent, at made-up prices.

{_checked(figures)}
"""


def _setups(figures: dict[str, Any]) -> str:
    rows = []
    models = [Setups(figures, model) for model in SHOWN]
    for name, (make, batch) in ROWS.items():
        parts = [make(one) for one in models]
        # of gpt-5.4, which has all set-ups
        load = Load.total([load for _, load in parts[1] or ()]) * JUDGMENTS
        costs = [
            "–" if part is None else f"{JUDGMENTS * one.cost(part, batch=batch):,.2f}"
            for one, part in zip(models, parts, strict=True)
        ]
        rows.append(
            [
                name,
                f"{load.requests:,.0f}",
                f"{load.votes:,.0f}",
                f"{load.tokens_in / 1e6:.2f}",
                f"{load.tokens_out / 1e6:.2f}",
                *costs,
            ]
        )
    columns = ["set-up", "requests", "votes", "M tokens in", "M tokens out"]
    note = (
        "\n\nRequests, votes and tokens are those of `gpt-5.4`, all judges of a cascade together. "
        "Anthropic's API has no `n`: each vote is a request there in every row; nor does `--batch` "
        "reach it. Votes of a decision model are the orders it was asked in."
    )
    return table([*columns, *(f"{model}, $" for model in SHOWN)], rows) + note


def _lessons(figures: dict[str, Any]) -> str:
    one = Setups(figures, "gpt-5.4")

    def cost(parts: Parts | None, *, batch: bool = False) -> float:
        assert parts is not None
        return one.cost(parts, batch=batch)

    whole, with_n = cost(one.one_by_one()), cost(one.shared())
    used = figures["votes"]["gpt-5.4"]["used_of_32"]
    passed = figures["cascades"]["gpt-5.4"]["reached"]
    return f"""All of this is for `gpt-5.4` at these lengths:

- Shared `n` saves {1 - with_n / whole:.0%} of sum@{K} and takes nothing away; it is the default.
- Batches cost half of that, and may take a day.
- Adaptive stopping draws {used:.1f} of {K} votes and costs {cost(one.adaptive()) / with_n:.0%} of
  sum@{K} with shared `n`. It takes longer, because a round waits for the one before.
- Principles made ahead save {1 - cost(one.ahead(1)) / with_n:.0%}, because no vote writes its own;
  keeping them for more judgments saves little more.
- A cascade costs what its first judge costs and the share that goes on, here {passed:.0%}.
- A decision model costs next to nothing; what counts is the share that it passes on."""


def _lengths(figures: dict[str, Any]) -> str:
    sizes = figures["sizes"]
    rows = [
        ["prompt, `grm`", sizes["free"]],
        ["prompt, `grm`, principles given", sizes["given"]],
        ["prompt that asks for principles", sizes["writing"]],
        ["text and question of a decision (`choice`)", sizes["decision"]],
        ["completion without principles", sizes["critique"]],
        ["four principles of a completion", sizes["principles"]],
    ]
    return f"""Mean tokens (`cl100k_base`). The prompts are about {sizes["pairs"]} pairs of RM-Bench
(every fourth item, its short answers), the completions as long as GPT-4o-mini's judgments of
MT-bench pairs. The length of principles is an assumption: four, of a sentence each.

{table(["", "tokens"], rows)}"""


def _prices(figures: dict[str, Any]) -> str:
    rows = [
        [
            f"`{model}`",
            *(
                price.get(name, "–")
                for name in ("tokens_in", "tokens_out", "batch_in", "batch_out")
            ),
        ]
        for model, price in figures["prices"].items()
    ]
    columns = ["US dollars per million tokens", "in", "out", "in, batch", "out, batch"]
    return f"""Prices are those in the list of LiteLLM {figures["litellm"]}, read on
{figures["date"]}; `{DECISION}` at the price of decisions. Batches are half the price in that list
for all that have one.

{table(columns, rows)}"""


def _stopping(figures: dict[str, Any]) -> str:
    rows = [
        [
            f"`{model}`",
            one["items"],
            f"{one['right']:.1%}",
            one["used"],
            f"{one['right_stopped']:.1%}",
            one["used_of_32"],
        ]
        for model, one in figures["votes"].items()
    ]
    columns = [
        "judge",
        "pairs",
        "right, sum@8",
        "votes used of 8",
        "right, stopped",
        f"votes used of {K}",
    ]
    return table(columns, rows)


def _cascades(figures: dict[str, Any]) -> str:
    rows = [
        [
            f"`{CASCADES[dear]}`, then `{dear}`",
            one["items"],
            f"{one['reached']:.1%}",
            f"{one['right']:.1%}",
        ]
        for dear, one in figures["cascades"].items()
    ]
    return table(["cascade, both sum@8", "pairs", "go on", "right"], rows)


def _checked(figures: dict[str, Any]) -> str:
    rows = []
    for check in figures["checks"]:
        for number, (said, found) in enumerate(
            zip(check["formula"], check["counted"], strict=True), start=1
        ):
            name = check["name"] + (f", judge {number}" if len(check["formula"]) > 1 else "")
            pairs = zip(said.values(), found.values(), strict=True)
            rows.append([name, *(f"{one:g}, {other:g}" for one, other in pairs)])
    agreed = sum(check["agrees"] for check in figures["checks"])
    columns = ["set-up: formula, counted", "requests", "votes", "tokens in", "tokens out"]
    return (
        table(columns, rows)
        + f"\n\n{agreed} of {len(figures['checks'])} set-ups agree to the token, money too."
    )
