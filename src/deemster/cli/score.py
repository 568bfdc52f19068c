"""`deemster score`: judge responses from the command line, a file or stdin."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli import options as opt
from deemster.cli.interrupts import run_async
from deemster.cli.statuses import UNSCORED
from deemster.cli.terminal import tell
from deemster.errors import InputError
from deemster.files import writing

if TYPE_CHECKING:
    from deemster.judges import BaseJudge
    from deemster.schemas import Sample, Verdict
    from deemster.suites.building import SuiteJudges

_MAX_PIPED = 2 * 2**30


def score(
    query: Annotated[str | None, typer.Option("-q", "--query", help="What was asked.")] = None,
    response: Annotated[
        list[str] | None,
        typer.Option("-r", "--response", help="An answer; repeat for several."),
    ] = None,
    reference: Annotated[str | None, typer.Option(help="A gold answer to show the judge.")] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input", "-i",
            help="A file of samples: JSONL, JSON, CSV, TSV or Parquet, also .gz; - is stdin.",
        ),
    ] = None,
    columns: opt.ColumnsOption = None,
    split: opt.SplitOption = None,
    seed: opt.Seed = 0,
    record: Annotated[
        Path | None,
        typer.Option(help="Keep every completion in this cassette, for --model replay:FILE."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the verdicts here, as --json prints them."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One verdict a line, with --input by sample id.")
    ] = False,
    allow_unscored: Annotated[
        str, typer.Option(help="Share of samples that may stay unscored, e.g. 1%.")
    ] = "0%",
    *,
    judge: opt.JudgeOptions,
) -> int:  # fmt: skip
    """Judge the responses to a query: rewards, ranking, principles and critiques."""
    allowed = share(allow_unscored)
    _check_given(input_file, query, response, reference, columns=columns, split=split)
    built = judge.build(seed=seed)
    if input_file is None:
        with _shown(out, as_json=as_json) as show:
            asked = query or "", response or []
            return run_async(_one(built, record, *asked, reference, show, allowed))
    from deemster.data.columns import GivenColumns
    from deemster.data.samples import read_samples

    given = None if columns is None else GivenColumns.parse(columns)
    with spooled(input_file) as (path, name):
        read = partial(read_samples, path, columns=given, split=split, name=name)
        total = sum(1 for _ in read())  # all is checked before anything is asked
        with _shown(out, as_json=as_json) as show:
            return run_async(_many(built, record, read, total, show, allowed))


def _check_given(
    input_file: Path | None,
    query: str | None,
    response: Sequence[str] | None,
    reference: str | None,
    **of_input: str | None,
) -> None:
    """Refuse options that do not go together, before a judge is opened and says which it is."""
    if input_file is not None:
        if query is not None or response or reference is not None:
            raise InputError("give --input or --query and --response, not both")
        return
    for option, value in of_input.items():
        if value is not None:
            raise InputError(f"--{option} goes with --input")
    if query is None or not response:
        missing = "--query" if query is None else "--response"
        raise InputError(f"{missing} is missing; give -q QUERY -r ANSWER [-r ANSWER …], or --input")


@contextmanager
def _shown(out: Path | None, *, as_json: bool) -> Iterator[Callable[[Sample, Verdict], None]]:
    """What shows a verdict: as text, as a line of JSON, or as such a line in a file."""
    from deemster.cli.render import show_verdict

    if out is None:
        yield (lambda *judged: typer.echo(_line(*judged))) if as_json else show_verdict
        return
    with writing(out):
        file = out.open("w", encoding="utf-8")
    with file:

        def write(sample: Sample, verdict: Verdict) -> None:
            file.write(f"{_line(sample, verdict)}\n")
            file.flush()  # what was paid for is kept, whatever ends the program
            if as_json:
                typer.echo(_line(sample, verdict))

        yield write
    tell(f"written to {out}")


@asynccontextmanager
async def judging(built: SuiteJudges, record: Path | None) -> AsyncIterator[BaseJudge]:
    """The judge of a command, recorded if asked for, and closed at the end."""
    from deemster.backends import checked
    from deemster.judges.recording import recorded

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(built)
        built.judges[0].wrap_backends(checked)  # a missing key is one line, not k failures
        if record is not None:
            await stack.enter_async_context(recorded(built.judges, record))
        yield built.judges[0]


async def _one(
    built: SuiteJudges,
    record: Path | None,
    query: str,
    responses: list[str],
    reference: str | None,
    show: Callable[[Sample, Verdict], None],
    allowed: float,
) -> int:
    from deemster.schemas import Sample

    async with judging(built, record) as judge:
        verdict = await judge.score(query, responses, reference=reference)
    if verdict.rewards is None and all(
        failure.error == "ContextLengthError" for failure in verdict.failures
    ):
        raise InputError(verdict.failures[0].message)
    show(Sample(query=query, responses=responses), verdict)
    return UNSCORED if verdict.rewards is None and allowed < 1 else 0


async def _many(
    built: SuiteJudges,
    record: Path | None,
    read: Callable[[], Iterator[Sample]],
    total: int,
    show: Callable[[Sample, Verdict], None],
    allowed: float,
) -> int:
    from deemster.cli.render import progress_bar
    from deemster.judges.batch import score_ordered

    unscored = 0
    with progress_bar(total) as advance:
        async with judging(built, record) as judge:
            verdicts = score_ordered(judge, read(), on_done=lambda _, verdict: advance(verdict))
            async with aclosing(verdicts):  # also if nobody reads on: `deemster score … | head`
                async for sample, verdict in verdicts:
                    unscored += verdict.rewards is None
                    show(sample, verdict)
    if unscored:
        tell(f"deemster: {unscored} of {total} samples have no verdict")
    return UNSCORED if unscored > allowed * total else 0


def _line(sample: Sample, verdict: Verdict) -> str:
    """A verdict as a line of JSON that begins with the id of its sample, where it has one."""
    if not sample.id:
        return verdict.model_dump_json()
    return json.dumps(
        {"id": sample.id, **verdict.model_dump(mode="json")}, ensure_ascii=False, allow_nan=False
    )


@contextmanager
def spooled(source: Path) -> Iterator[tuple[Path, str]]:
    """The file to read, more than once, and what errors call it.

    What comes from stdin or a pipe of the shell is kept in a temporary file, as it cannot be read
    again.
    """
    from deemster.files import is_pipe

    stdin = str(source) == "-"
    if not stdin and not is_pipe(source):
        yield source, str(source)
        return
    name = "stdin" if stdin else str(source)
    with tempfile.NamedTemporaryFile() as spool:
        try:
            with nullcontext(sys.stdin.buffer) if stdin else source.open("rb") as pipe:
                while chunk := pipe.read(2**20):
                    spool.write(chunk)
                    if spool.tell() > _MAX_PIPED:
                        raise InputError(
                            f"{name} gives more than {_MAX_PIPED >> 30} GiB; save it as a file"
                        )
        except OSError as error:
            raise InputError(f"cannot read {name!r}: {error.strerror}") from error
        spool.flush()
        yield Path(spool.name), name


def share(text: str, *, option: str = "--allow-unscored") -> float:
    """A share such as `1%` or `0.01`."""
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if rest or not 0 <= value <= 1:
        raise InputError(f"{option} {text!r}; give a share such as 1% or 0.01")
    return value
