"""How verdicts look in a terminal."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from deemster.schemas import Judgment, Sample, Usage, Verdict
from deemster.shown import harmless

_SNIPPET = 300
_CRITIQUE = 900


class Terminal(Console):
    """A console whose texts cannot steer it."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """See `Console.render`. Its own codes are apart from the texts."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else harmless(text), style, control)


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console that writes plain text if there is no terminal."""
    return Terminal(stderr=stderr, quiet=quiet, highlight=False, soft_wrap=False)


def show_verdict(sample: Sample, verdict: Verdict, *, out: Console | None = None) -> None:
    """Print rewards, ranking, confidence, principles, a critique per response and failures."""
    query = sample.query[-1].text if sample.query else "(no text)"
    parts: list[RenderableType] = [
        Text(_cut(query, _SNIPPET), style="bold"),
        _rewards(sample, verdict),
        Text(_headline(verdict)),
    ]
    chosen = representative(verdict)
    if chosen is not None:
        if chosen.principles:
            parts.append(_principles(verdict, chosen))
        parts += _critiques(verdict, chosen)
    if verdict.failures:
        parts.append(_failures(verdict))
    parts += [Text(f"Warning: {reason}.", style="yellow") for reason in verdict.warnings]
    parts.append(Text(usage_line(verdict.usage), style="dim"))
    title = escape(sample.id or "verdict")
    (out or console()).print(Panel(Group(*parts), title=title, title_align="left"))


def representative(verdict: Verdict) -> Judgment | None:
    """The judgment shown on behalf of all: best meta reward, else nearest to the mean scores.

    Ties keep draw order. None if there is no judgment.
    """
    judgments = verdict.judgments
    if not judgments:
        return None
    if any(judgment.meta_reward is not None for judgment in judgments):
        return max(
            judgments,
            key=lambda j: float("-inf") if j.meta_reward is None else j.meta_reward,
        )
    n = len(judgments[0].scores)
    means = []
    for i in range(n):
        given = [j.scores[i] for j in judgments if j.scores[i] is not None]
        means.append(sum(s for s in given if s is not None) / len(given) if given else 0.0)
    return min(
        judgments,
        key=lambda j: sum(
            (score - mean) ** 2
            for score, mean in zip(j.scores, means, strict=True)
            if score is not None
        ),
    )


def _rewards(sample: Sample, verdict: Verdict) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("rank", justify="right", width=4)
    table.add_column("response", justify="right", width=8)
    table.add_column("reward", justify="right", width=10)
    scores = verdict.scores if verdict.scores != verdict.rewards else None
    if scores is not None:
        table.add_column("score", justify="right", width=8)
    table.add_column("text", ratio=1, overflow="fold")
    order = verdict.ranking if verdict.ranking is not None else range(len(sample.responses))
    places = _places(verdict)
    for i in order:
        reward = "–" if verdict.rewards is None else f"{verdict.rewards[i]:z.4g}"
        style = "bold green" if i == verdict.best else ""
        name = sample.policies[i] if sample.policies else ""
        label = f"{i + 1}" + (f" {name}" if name else "")
        text = _cut(sample.responses[i].text, _SNIPPET)
        score = () if scores is None else (f"{scores[i]:z.4g}",)
        table.add_row(places.get(i, "–"), Text(label), reward, *score, Text(text), style=style)
    return table


def _places(verdict: Verdict) -> dict[int, str]:
    """1-based places; tied responses share one, marked with `=`."""
    if verdict.ranking is None or verdict.rewards is None:
        return {}
    tied = {i: group for group in verdict.ties for i in group}
    places: dict[int, str] = {}
    for position, i in enumerate(verdict.ranking, 1):
        group = tied.get(i)
        first = min(verdict.ranking.index(member) + 1 for member in group) if group else position
        places[i] = f"{first}=" if group else str(position)
    return places


def _headline(verdict: Verdict) -> str:
    valid = f"{verdict.n_valid} of {verdict.k} votes valid"
    if verdict.rewards is None:
        return f"No verdict: {valid}."
    if len(verdict.rewards) == 1:
        return f"Reward {verdict.rewards[0]:z.4g}; {valid}."
    best = (
        f"Response {verdict.best + 1} is best"
        if verdict.best is not None
        else "Tied on top: responses " + ", ".join(str(i + 1) for i in verdict.ties[0])
    )
    sure = "" if verdict.confidence is None else f", confidence {verdict.confidence:.2f}"
    return f"{best}{sure}; {valid}."


def _principles(verdict: Verdict, chosen: Judgment) -> Table:
    """Principles of the shown judgment, and in how many votes each name occurs."""
    seen: Counter[str] = Counter()
    weights: defaultdict[str, list[float]] = defaultdict(list)
    for judgment in verdict.judgments:
        for principle in judgment.principles:
            seen[principle.name.casefold()] += 1
            weights[principle.name.casefold()].append(principle.weight)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="principles", title_justify="left")
    table.add_column("weight", justify="right")
    table.add_column("principle")
    described = any(principle.description for principle in chosen.principles)
    if described:
        table.add_column("what it asks", ratio=1)
    if verdict.n_valid > 1:
        table.add_column("in votes", justify="right")
    for principle in chosen.principles:
        key = principle.name.casefold()
        row: list[RenderableType] = [f"{principle.weight:.0%}", Text(principle.name)]
        if described:
            row.append(Text(principle.description))
        if verdict.n_valid > 1:
            row.append(f"{seen[key]}/{verdict.n_valid}")
        table.add_row(*row)
    return table


def _critiques(verdict: Verdict, chosen: Judgment) -> list[RenderableType]:
    which = f" (draw {chosen.draw + 1} of {verdict.k})" if verdict.k > 1 else ""
    if not chosen.critiques:
        if not chosen.analysis.strip():
            return []
        return [Text(f"critique{which}", style="italic"), Text(_cut(chosen.analysis, _CRITIQUE))]
    lines: list[RenderableType] = [Text(f"critiques{which}", style="italic")]
    for critique in chosen.critiques:
        score = chosen.scores[critique.response]
        shown = "" if score is None else f" [{score:zg}]"
        label = Text(f"Response {critique.response + 1}{shown}: ", style="bold")
        lines.append(label + Text(_cut(critique.text, _CRITIQUE), style="not bold"))
    return lines


def _failures(verdict: Verdict) -> Table:
    counts: Counter[tuple[str, str]] = Counter(
        (failure.status, failure.message) for failure in verdict.failures
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="failed votes", title_justify="left")
    table.add_column("votes", justify="right")
    table.add_column("status")
    table.add_column("why", ratio=1, overflow="fold")
    for (status, message), count in counts.most_common(5):
        table.add_row(str(count), status, Text(_cut(message, _SNIPPET)))
    return table


def usage_line(usage: Usage) -> str:
    """Calls, tokens, cost and time in one line."""
    cost = "cost unknown" if usage.cost is None else f"${usage.cost:.4f}"
    cached = f" ({usage.tokens_cached} cached)" if usage.tokens_cached else ""
    return (
        f"{usage.calls} calls, {usage.tokens_in} tokens in{cached}, {usage.tokens_out} out, "
        f"{cost}, {usage.seconds:.1f} s"
    )


def bars(*more: ProgressColumn) -> Progress:
    """Bars on stderr, each with its count and a note. Disabled if stderr is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    shown = sys.stderr.isatty()
    # quiet: before 14.3, rich ends disabled bars with an empty line.
    err = console(stderr=True, quiet=not shown)
    return Progress(*columns, *more, console=err, disable=not shown)


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[Verdict], None]]:
    """A bar on stderr: done, failed, cost, time left. Silent if stderr is not a terminal."""
    cost, failed = 0.0, 0
    known = True
    with bars(TimeRemainingColumn()) as progress:
        task = progress.add_task("judging", total=total, note="")

        def advance(verdict: Verdict) -> None:
            nonlocal cost, failed, known
            failed += verdict.rewards is None
            known = known and verdict.usage.cost is not None
            cost += verdict.usage.cost or 0.0
            note = f"{failed} failed" if failed else ""
            if cost:
                note += f" ${cost:.4f}{'' if known else '+'}"
            progress.update(task, advance=1, note=note)

        yield advance


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], out: Console | None = None
) -> None:
    """A plain table; numbers are right-aligned. Nothing at all without rows."""
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        numeric = all(_is_number(row[position]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(v if isinstance(v, Text) else Text(_cell(v)) for v in row))
    # Not as the table's title: that wraps at the width of the table.
    (out or console()).print(Text(title, style="bold"), table, sep="\n")


def show_facts(facts: Mapping[str, object], out: Console | None = None) -> None:
    """Names and values, one a line."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(_cell(value)))
    (out or console()).print(table)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, Text) and value.plain.isdigit())


def _cell(value: object) -> str:
    return f"{value:z.4g}" if isinstance(value, float) else str(value)


def _cut(text: str, size: int) -> str:
    text = text.strip()
    return text if len(text) <= size else text[: size - 1].rstrip() + "…"
