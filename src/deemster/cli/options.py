"""Options that several commands share, and the judge they describe."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.backends.limits import Budget
    from deemster.judges import Judge

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(usd|tokens|calls)")
_JUDGE = "The judge"
_LIMITS = "Limits"

Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", rich_help_panel=_JUDGE,
        help="provider/model, hf:PATH, replay:CASSETTE. Default: $DEEMSTER_MODEL, else "
        "nano, the embedded demonstration model.",
    ),
]  # fmt: skip
Votes = Annotated[int, typer.Option("-k", "--k", rich_help_panel=_JUDGE, help="Votes to draw.")]
Temperature = Annotated[
    float | None,
    typer.Option(
        rich_help_panel=_JUDGE, help="Default: 0 for k = 1, else the dialect's, mostly 0.5."
    ),
]
DialectName = Annotated[
    str | None,
    typer.Option(
        "--dialect",
        rich_help_panel=_JUDGE,
        help="Prompt and parser: grm, json, … Default: the model's own, else grm.",
    ),
]
Template = Annotated[
    Path | None,
    typer.Option(rich_help_panel=_JUDGE, help="Your own Jinja prompt with the dialect's slots."),
]
Principles = Annotated[
    str,
    typer.Option(
        rich_help_panel=_JUDGE, help="self, ahead, a rubric's name or file, or bank:FILE."
    ),
]
AggregatorSpec = Annotated[
    str | None,
    typer.Option("--aggregator", rich_help_panel=_JUDGE, help="E.g. sum, 'topk(4) >> mean'."),
]
MetaRm = Annotated[
    str | None,
    typer.Option(
        "--meta-rm",
        rich_help_panel=_JUDGE,
        help="hf:PATH (trained), nano (embedded) or a model (prompted).",
    ),
]
KMeta = Annotated[
    int | None,
    typer.Option(
        "--k-meta", rich_help_panel=_JUDGE, help="Votes the meta RM keeps. Default: half."
    ),
]
OrdersKind = Annotated[
    str, typer.Option("--orders", rich_help_panel=_JUDGE, help="balanced, random or fixed.")
]
Seed = Annotated[int, typer.Option(rich_help_panel=_JUDGE, help="Orders, draws and tie-breaks.")]
MinValid = Annotated[
    int, typer.Option(rich_help_panel=_JUDGE, help="Fewest valid votes for a reward.")
]
Stop = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=_JUDGE, help="Stop before k votes when the winner is sure: decided:0.95."
    ),
]
MaxTokens = Annotated[
    int, typer.Option(rich_help_panel=_JUDGE, help="Longest completion, in tokens.")
]
ApiBase = Annotated[
    str | None, typer.Option(rich_help_panel=_LIMITS, help="URL of an OpenAI-compatible server.")
]
Concurrency = Annotated[
    int | None, typer.Option(rich_help_panel=_LIMITS, help="Most requests at a time.")
]
Rate = Annotated[
    float | None, typer.Option(rich_help_panel=_LIMITS, help="Most requests per second.")
]
Timeout = Annotated[
    float | None,
    typer.Option(rich_help_panel=_LIMITS, help="Seconds per request, retries included."),
]
Extra = Annotated[
    list[str] | None,
    typer.Option(
        "--extra",
        rich_help_panel=_LIMITS,
        help="KEY=VALUE: a further parameter of every request, e.g. reasoning_effort=low; "
        "seed=null removes one. Repeat for several.",
    ),
]
BudgetSpec = Annotated[
    str | None,
    typer.Option(
        "--budget", rich_help_panel=_LIMITS, help="E.g. 2.50usd, 1000000tokens, 500calls."
    ),
]


def make_judge(
    model: str | None,
    *,
    k_meta: int | None = None,
    aggregator: str | None = None,
    meta_rm: str | None = None,
    budget: str | None = None,
    limits: dict[str, Any] | None = None,
    **settings: Any,  # noqa: ANN401 - passed on to Judge
) -> Judge:
    """The judge that the options describe.

    Raises:
        InputError: an option is wrong.
    """
    from deemster.backends import EMBEDDED
    from deemster.judges import Judge

    model = model or os.environ.get("DEEMSTER_MODEL") or EMBEDDED
    if k_meta is not None:
        if meta_rm is None:
            raise InputError(f"--k-meta {k_meta} needs --meta-rm")
        if aggregator is not None:
            raise InputError(
                f"give --k-meta or --aggregator, not both; write 'topk({k_meta}) >> …'"
            )
        aggregator = f"topk({k_meta}) >> sum"
    options = {name: value for name, value in (limits or {}).items() if value is not None}
    if budget is not None:
        options["budget"] = _budget(budget)
    return Judge(model, aggregator=aggregator, meta_rm=meta_rm, **settings, **options)


def read_extra(given: list[str] | None) -> dict[str, Any] | None:
    """Parameters from `KEY=VALUE`: the value is JSON, or text where it is not.

    Raises:
        InputError: one has no key.
    """
    if not given:
        return None
    extra = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--extra {text!r}; write KEY=VALUE, for example seed=null")
        try:
            extra[key.strip()] = json.loads(value)
        except ValueError:
            extra[key.strip()] = value
    return extra


def _budget(text: str) -> Budget:
    from deemster.backends.limits import Budget

    match = _AMOUNT.fullmatch(text.strip().lower())
    if match is None:
        raise InputError(f"--budget {text!r}; write for example 2.50usd, 1000000tokens or 500calls")
    amount, unit = match.groups()
    if unit == "usd":
        return Budget(usd=float(amount))
    if not amount.isdigit():
        raise InputError(f"--budget {text!r}; {unit} are counted in whole numbers")
    return Budget(**{unit: int(amount)})
