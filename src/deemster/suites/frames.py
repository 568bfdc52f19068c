"""Runs as tables: pandas frames, and files for other tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from deemster.errors import InputError
from deemster.extras import need
from deemster.schemas import Judgment, Sample, Verdict, Vote
from deemster.suites.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

Table = Literal["samples", "verdicts", "votes"]
TABLES: tuple[Table, ...] = ("samples", "verdicts", "votes")


@dataclass(frozen=True)
class RunFrames:
    """A run as pandas frames; `judge` and `sample` join them."""

    samples: pd.DataFrame
    """One row per sample: texts, ground truth, subset."""
    verdicts: pd.DataFrame
    """One row per judge and sample: rewards, best, right, confidence, usage."""
    votes: pd.DataFrame
    """One row per vote: status, scores, order, principles, critiques, raw text, usage."""

    def _repr_html_(self) -> str:
        """How notebooks show it."""
        from deemster.suites.run_html import frames_html  # noqa: PLC0415 - for notebooks

        return frames_html(self)


def load_run(directory: str | Path) -> RunFrames:
    """Read a run directory.

    Raises:
        InputError: there is no run.
    """
    import pandas as pd  # noqa: PLC0415 - takes half a second to import

    with RunStore(directory) as store:
        frames = [pd.DataFrame.from_records(list(rows(store, table))) for table in TABLES]
    return RunFrames(*frames)


def export_run(directory: str | Path, out: str | Path, *, table: Table = "votes") -> int:
    """Write one table of a run to a `.jsonl` or `.parquet` file; returns the number of rows.

    In Parquet the column `metadata` is text, the JSON of it: its keys and types may differ from row
    to row, or there may be none. The file is replaced in one step.

    Raises:
        InputError: the ending is neither, pyarrow is not installed, or the file cannot be written.
    """
    out = Path(out)
    if table not in TABLES:
        raise InputError(f"unknown table {table!r}; known: {', '.join(TABLES)}")
    if out.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"cannot export to {out.name!r}; end the name in .jsonl or .parquet")
    if out.suffix == ".parquet":
        need("parquet", f"export to {out.name!r}", otherwise="export to .jsonl")
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        if out.suffix == ".parquet":
            count = _write_parquet(directory, temporary, table)
        else:
            with RunStore(directory) as store, temporary.open("w", encoding="utf-8") as file:
                count = _write_lines(rows(store, table), file)
        temporary.replace(out)
    except OSError as error:
        raise InputError(f"cannot write {str(out)!r}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def rows(store: RunStore, table: Table) -> Iterator[dict[str, Any]]:
    """The rows of a table as plain JSON values, read as they are needed."""
    if table == "samples":
        for position, sample in store.samples():
            yield {"position": position, **sample.model_dump(mode="json")}
        return
    for number, info in enumerate(store.judges()):
        for sample, verdict in store.verdicts(number):
            if table == "verdicts":
                yield _verdict_row(info.name, sample, verdict)
            else:
                for vote in verdict.votes:
                    yield _vote_row(info.name, sample, vote)


def _verdict_row(judge: str, sample: Sample, verdict: Verdict) -> dict[str, Any]:
    right = None
    if sample.best is not None and verdict.rewards is not None:
        right = verdict.best == sample.best
    return {
        "judge": judge,
        "sample": sample.id,
        "subset": sample.subset,
        "rewards": verdict.rewards,
        "scores": verdict.scores,
        "best": verdict.best,
        "is_tie": verdict.is_tie,
        "ranking": verdict.ranking,
        "right": right,
        "confidence": verdict.confidence,
        "k": verdict.k,
        "n_valid": verdict.n_valid,
        **verdict.usage.model_dump(mode="json"),
    }


def _vote_row(judge: str, sample: Sample, vote: Vote) -> dict[str, Any]:
    row: dict[str, Any] = {
        "judge": judge,
        "sample": sample.id,
        "subset": sample.subset,
        "draw": vote.draw,
        "member": vote.judge,
        "status": "ok" if isinstance(vote, Judgment) else vote.status,
        "order": vote.order,
        "seed": vote.seed,
        "scores": None,
        "meta_reward": None,
        "principles": None,
        "critiques": None,
        "message": None,
        "raw": vote.raw,
        **vote.usage.model_dump(mode="json"),
    }
    if isinstance(vote, Judgment):
        record = vote.model_dump(mode="json")
        row |= {name: record[name] for name in ("scores", "meta_reward", "principles", "critiques")}
    else:
        row["message"] = vote.message
    return row


def _write_lines(records: Iterator[dict[str, Any]], file: TextIO) -> int:
    count = 0
    for record in records:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
        count += 1
    return count


def _write_parquet(directory: str | Path, out: Path, table: Table) -> int:
    frame: pd.DataFrame = getattr(load_run(directory), table)
    if "metadata" in frame:
        frame["metadata"] = [json.dumps(one, ensure_ascii=False) for one in frame["metadata"]]
    frame.to_parquet(out, index=False)
    return len(frame)
