"""How the figures of a run look in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deemster.cli.render import console, show_facts, show_table, usage_line
from deemster.suites.metrics import RANKED_BY, Estimate, ItemCost, Standing, Summary
from deemster.suites.metrics.accuracy import FEW
from deemster.suites.thresholds import ThresholdResult

_RAW = 600
"""Characters of a failed vote's text that are shown; `summary.json` has all of it."""


def show_summary(
    summary: Summary, out: Console | None = None, *, metrics: Sequence[str] | None = None
) -> None:
    """Print the figures of a run that apply.

    Args:
        summary: the figures.
        out: where to.
        metrics: groups of figures to show (`deemster.suites.spec.Metric`); None shows all.
    """

    def wanted(name: str) -> bool:
        return metrics is None or name in metrics

    facts: dict[str, str] = {}
    if summary.judge is not None:
        facts["judge"] = f"{summary.judge.name} ({summary.judge.aggregator})"
    facts["items"] = f"{summary.n}, {summary.n_scored} scored"
    facts |= {label: text for name, label, text in _figures(summary) if wanted(name)}
    if summary.samples_per_item is not None and summary.judge and summary.judge.stop:
        facts["votes per item"] = f"{summary.samples_per_item:.2f} of {summary.judge.k}"
        kind, _, votes = summary.judge.stop.partition(":")
        if kind == "shared":  # out of `budget.votes`
            facts["votes"] = f"{summary.n_votes} of the {votes} shared out"
    if summary.failures:
        failed = ", ".join(f"{count} {status}" for status, count in summary.failures.items())
        facts["failed votes"] = f"{failed} of {summary.n_votes}"
    facts["usage"] = usage_line(summary.usage)
    if summary.per_item is not None and summary.n > 1:
        facts["per item"] = ", ".join(
            f"{cell} {unit}" if unit else cell
            for cell, unit in zip(
                item_cells(summary.per_item), ("calls", "tokens in", "out", "", ""), strict=True
            )
        )
    show_facts(facts, out)
    _show_failures(summary, out)
    if wanted("curve"):
        _curves(summary, out)
    if wanted("subsets"):
        _subsets(summary, out)
    if wanted("win_rates") and summary.win_rates:
        wins = [
            (name, one.n, _rate(one), _corrected(summary, name))
            for name, one in summary.win_rates.items()
        ]
        show_table("win rates", ("policy", "items", "won", "corrected by labels"), wins, out)


def show_judges(
    standings: Sequence[Standing], summaries: Mapping[str, Summary], out: Console | None = None
) -> None:
    """Print the judges of a run side by side, best first."""
    if len(standings) < 2:
        return
    out = out or console()
    by = standings[0].ranked_by
    name = RANKED_BY[by] if by in _NUMBERS else RANKED_BY[by].lower()
    unscored = by == "accuracy" and any(one.n_scored < one.n for one in summaries.values())
    columns = [name, "scored", "ties", "k", "cost,\ncalls", "failed\nvotes", "to the best"]
    columns[1:1] = ["unscored\nas wrong"] * unscored
    rows = []
    for place, one in enumerate(standings, 1):
        summary = summaries[one.judge]
        figure = summary.detail.scored if by == "accuracy" else one.figure
        wrong = percent(None if one.figure is None else one.figure.value)
        cost = summary.usage.cost
        cells = (
            _two_lines(figure, plain=by in _NUMBERS),
            *[wrong] * unscored,
            f"{summary.n_scored}/{summary.n}",
            str(summary.ties),
            "–" if summary.judge is None else str(summary.judge.k),
            f"{'unknown' if cost is None else f'${cost:.4g}'}\n{summary.usage.calls}",
            f"{sum(summary.failures.values())}/{summary.n_votes}",
            "best" if place == 1 else _difference(one),
        )
        rows.append((one.judge, *cells))
    title = f"judges, best first by {name}" + (" with unscored as wrong" * unscored)
    _show_by_judge(title, columns, rows, out)
    _show_costs([one.judge for one in standings], summaries, out)


def _show_by_judge(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], out: Console
) -> None:
    """A table whose figures are never cut: names without room stand below, under numbers."""
    names = [row[0] for row in rows]
    table = _by_judge("judge", names, columns, rows)
    room = out.options.update(max_width=1000)
    named = max(map(len, names)) <= _NAME
    named = named and table.__rich_measure__(out, room).maximum <= out.width
    if not named:
        table = _by_judge("#", [str(place + 1) for place in range(len(rows))], columns, rows)
    out.print(Text(title, style="bold"), table, sep="\n")
    for place, name in enumerate(() if named else names, 1):
        out.print(Text(f"{place}: {name}"))


def _by_judge(
    heading: str, names: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(heading, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in zip(names, rows, strict=True):
        table.add_row(Text(name), *row[1:])
    return table


def item_cells(cost: ItemCost) -> tuple[str, str, str, str, str]:
    """Calls, tokens in, tokens out, money and seconds of an item, as texts."""
    money = "unknown" if cost.cost is None else f"${cost.cost:.3g}"
    return (
        f"{cost.calls:.4g}", f"{cost.tokens_in:.0f}", f"{cost.tokens_out:.0f}", money,
        f"{cost.seconds:.3g} s",
    )  # fmt: skip


def _show_costs(judges: Sequence[str], summaries: Mapping[str, Summary], out: Console) -> None:
    """What an item costs by each judge; nothing where no call is on record."""
    found = [summaries[name].per_item for name in judges]
    if not any(found):
        return
    rows = [
        (name, *(("–",) * 5 if cost is None else item_cells(cost)))
        for name, cost in zip(judges, found, strict=True)
    ]
    title = "cost per item, as if each judge ran alone (time: of a local model, its work)"
    _show_by_judge(title, ("calls", "tokens in", "tokens out", "US dollars", "time"), rows, out)


def show_thresholds(thresholds: Sequence[ThresholdResult], out: Console | None = None) -> None:
    """Print what the suite asks for and whether it holds."""
    rows = [
        (
            one.judge,
            one.figure,
            "–" if one.found is None else f"{one.found:.4g}",
            one.asked,
            Text("passed", "green") if one.passed else Text("FAILED", "bold red"),
        )
        for one in thresholds
    ]
    show_table("thresholds", ("judge", "figure", "is", "asked", ""), rows, out)


_NAME = 22
"""Longest name of a judge that stands in the table; else numbers do, and the names below."""
_NUMBERS = ("roc_auc", "spearman", "kendall")
"""Figures that are not shares of something and shown as plain numbers."""


def _figures(summary: Summary) -> Iterator[tuple[str, str, str]]:
    """(metric, label, text) of every single figure that applies."""
    if summary.accuracy is not None:
        scored, overall = summary.detail.scored, summary.detail.overall
        ties = f"; {summary.ties} ties counted wrong" if summary.ties else ""
        if summary.detail.unscored:
            yield "accuracy", "accuracy", f"{_rate(scored)} of {scored.n} scored items{ties}"
            yield "accuracy", "unscored as wrong", f"{_rate(overall)} of all {overall.n} items"
        else:
            yield "accuracy", "accuracy", f"{_rate(scored)} of {scored.n} items{ties}"
    for name, label, figure in (
        ("macro", "macro accuracy", summary.macro),
        ("with_ties", "agreement with true ties", summary.with_ties),
        ("accuracy", "pairwise accuracy", summary.pairwise),
        ("roc_auc", "ROC-AUC", summary.roc_auc),
        ("spearman", "Spearman", summary.spearman),
        ("kendall", "Kendall tau-b", summary.kendall),
    ):
        if figure is not None and figure.value is not None:
            text = _number(figure) if name in _NUMBERS else _rate(figure)
            if name == "kendall" and summary.kendall_cap is not None:
                text += f", at most {summary.kendall_cap:.3f} without tied rewards"
            yield name, label, f"{text} (n = {figure.n})"
    stable = summary.stable_errors
    if stable is not None:
        text = f"{_rate(stable)} of {stable.n} errors; more votes would repeat them"
        yield "accuracy", "stable errors", text
    if summary.position_consistency is not None:
        share = summary.position_consistency.by_item
        yield "position_consistency", "position consistency", f"{_rate(share)} (n = {share.n})"


def _show_failures(summary: Summary, out: Console | None) -> None:
    """Why votes failed, with a text of each kind."""
    out = out or console()
    for reason in summary.failure_reasons:
        head = Text(f"{reason.count} votes failed" if reason.count > 1 else "1 vote failed", "bold")
        head.append(
            f" ({reason.status}), such as vote {reason.draw + 1} on {reason.sample!r}: ", ""
        )
        out.print(head + Text(reason.message, style="not bold"))
        if reason.raw.strip():
            cut = len(reason.raw) > _RAW
            shown = reason.raw[: _RAW // 2] + " […] " + reason.raw[-_RAW // 2 :]
            out.print(Text(shown if cut else reason.raw, style="dim"), new_line_start=True)
            if cut:
                out.print(Text(f"({len(reason.raw)} characters; all in summary.json)", "dim"))


def _curves(summary: Summary, out: Console | None) -> None:
    many = {name: points for name, points in summary.curve.items() if len(points) > 1}
    if not many or summary.accuracy is None:
        return
    ks = list(dict.fromkeys(chain.from_iterable(many.values())))
    rows = [[name, *(percent(points.get(k)) for k in ks)] for name, points in many.items()]
    title = f"accuracy at k (n = {summary.detail.scored.n})"
    show_table(title, ["", *(f"k={k}" for k in ks)], rows, out)


def _subsets(summary: Summary, out: Console | None) -> None:
    known = {name: one for name, one in summary.subsets.items() if one.n}
    lost = any(one.unscored for one in known.values())
    few = any(one.scored.n < FEW for one in known.values())
    rows = []
    for name, one in known.items():
        cells = [name, one.scored.n, _rate(one.scored), one.ties, one.unscored]
        if lost:
            cells.append(percent(one.overall.value))
        rows.append([Text(str(cell), "dim") for cell in cells] if one.scored.n < FEW else cells)
    columns = ["subset", "n", "accuracy", "ties", "unscored"]
    columns += ["unscored as wrong"] if lost else []
    grey = f"; grey: fewer than {FEW} items, read nothing into one" if few else ""
    show_table(f"subsets (n: scored items{grey})", columns, rows, out)


def _corrected(summary: Summary, policy: str) -> str:
    found = summary.corrected.get(policy)
    return "–" if found is None else _rate(found.mean)


def _difference(one: Standing) -> str:
    found = one.against_best
    if found is None or found.difference.value is None:
        return "–"
    text = f"{100 * found.difference.value:+z.1f}"
    if found.difference.low is not None and found.difference.high is not None:
        text += f"\n[{100 * found.difference.low:+z.1f}, {100 * found.difference.high:+z.1f}]"
    return f"{text}\nn={found.difference.n}" + (
        "" if found.p_value is None else f" p={found.p_value:.2g}"
    )


def _two_lines(figure: Estimate | None, *, plain: bool) -> str:
    """The figure, and below it the interval, in per cent unless `plain`."""
    if figure is None or figure.value is None:
        return "–"
    text = f"{figure.value:z.3f}" if plain else f"{figure.value:.2%}"
    if figure.low is None or figure.high is None:
        return text
    low, high = (
        f"{end:z.3f}" if plain else f"{100 * end:.1f}" for end in (figure.low, figure.high)
    )
    return f"{text}\n[{low}, {high}]"


def _number(figure: Estimate) -> str:
    if figure.value is None:
        return "–"
    known = figure.low is not None and figure.high is not None
    interval = f" [{figure.low:z.3f}, {figure.high:z.3f}]" if known else ""
    return f"{figure.value:z.3f}{interval}"


def _rate(figure: Estimate) -> str:
    if figure.value is None:
        return "–"
    known = figure.low is not None and figure.high is not None
    interval = f" [{figure.low:.1%}, {figure.high:.1%}]" if known else ""
    return f"{figure.value:.2%}{interval}"


def percent(value: float | None) -> str:
    """A share as a percentage with 2 decimals; a dash for None."""
    return "–" if value is None else f"{value:.2%}"
