"""A suite's run as a data set: report, figures and votes, without keys and addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from deemster.json_text import read_json
from deemster.publishing.bundle import Bundle, as_json, without_places
from deemster.publishing.card import run_card
from deemster.reports import write_report
from deemster.suites.frames import TABLES, export_run
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_run
from deemster.suites.summary_file import FILE as SUMMARY
from deemster.suites.summary_file import read_told

_PRIVATE = re.compile(r"(api_base|base_url|endpoint|headers?|api_key)$")


def run_bundle(run: str | Path, *, scratch: Path) -> Bundle:
    """What is published of a run.

    Args:
        run: its directory.
        scratch: a folder that tables are written to; it has to live as long as the bundle.

    Raises:
        InputError: there is no run.
    """
    directory, out = Path(run).expanduser(), scratch
    with RunStore(directory) as store:
        summaries, _ = summarise_run(store)
        told = read_told(store, summaries)
        samples = store.count_samples()
    tables = [f"{name}.jsonl" for name in TABLES]
    for name in TABLES:
        export_run(directory, out / f"{name}.jsonl", table=name)
    title = directory.resolve().name
    write_report([directory], out / "report.html", title=title)
    files: dict[str, Path | bytes] = {
        name: out / name for name in (*tables, "report.html", "report.json")
    }
    if not told.problem and (directory / SUMMARY).is_file():
        files[SUMMARY] = directory / SUMMARY
    suite = directory / "suite.json"
    if suite.is_file():
        files["suite.json"] = as_json(_public(without_places(read_json(suite))))
    card = run_card(title, summaries, samples=samples, files=tables)
    files["README.md"] = card.encode()
    left = sorted({one.name for one in directory.iterdir()} - {*files, ".lock"})
    notes = (
        (
            f"{samples:,} samples with their texts, and every vote with its raw text, are in it: "
            "look whether you may publish them"
        ),
        *([told.problem] if told.problem else []),
    )
    return Bundle("dataset", files, tuple(left), notes)


def _public(value: object) -> object:
    """A suite without addresses and headers; where it had keys, names of variables stand."""
    if isinstance(value, Mapping):
        return {
            key: "(not published)" if _PRIVATE.search(str(key)) and item else _public(item)
            for key, item in value.items()
        }
    return [_public(item) for item in value] if isinstance(value, list) else value


__all__ = ["run_bundle"]
