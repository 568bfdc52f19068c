"""`deemster plan`: items, votes, labels and money to see a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deemster.cli.terminal import tell


def plan(
    judge: Annotated[
        Path, typer.Option(help="A labelled run of the judge; DIR#NAME picks one of several.")
    ],
    effect: Annotated[
        str, typer.Option(help="How far the better model's win rate is above one half, e.g. 3%.")
    ],
    power: Annotated[float, typer.Option(help="Chance to find it.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="Level of the two-sided test.")] = 0.05,
    vote_price: Annotated[
        float | None, typer.Option(min=0, help="US dollars a vote. Default: what the run cost.")
    ] = None,
    label_price: Annotated[
        float | None, typer.Option(min=0, help="US dollars a human label.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Plan a comparison of two models by pairs: items, votes, labels, money. No calls are made."""
    from deemster.cli.panel import rate
    from deemster.cli.render import show_facts, show_table
    from deemster.cli.score import share
    from deemster.suites.power import Prices, plan_power

    found = plan_power(
        judge,
        effect=share(effect, option="--effect"),
        power=power,
        alpha=alpha,
        prices=Prices(vote_price, label_price),
    )
    if as_json:
        typer.echo(found.model_dump_json())
        return

    def money(cost: float | None) -> str:
        return "unknown" if cost is None else f"${cost:,.2f}"

    show_facts(
        {
            "judge": found.judge,
            "to see": f"a win rate of {0.5 + found.effect:.1%}, power {found.power:g}",
            "labels alone": f"{found.labels_only}, {money(found.labels_only_cost)}",
        }
    )
    show_table(
        "with the judge",
        ("votes", "orders right", "items alone", "cost", "or labels", "and items", "cost "),
        [
            (
                one.k,
                rate(one.accuracy),
                "–" if one.items is None else one.items,
                money(one.cost),
                one.labels,
                one.judged,
                money(one.cost_with_labels),
            )
            for one in found.plans
        ],
    )
    tell(
        "alone: if the judge errs alike for both models; labels on a random part of the items need "
        "no such belief",
    )
