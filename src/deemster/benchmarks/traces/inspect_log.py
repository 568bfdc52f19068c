"""inspect_ai logs: JSON, or the zip archives that end in `.eval`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.files import SUFFIXES
from deemster.data.row import Row, plain_values
from deemster.data.text import entry_text, open_zip
from deemster.errors import InputError
from deemster.json_text import parse_json

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0}
"""The letters of the tool; `N`, no answer, is no score."""
_HEADERS = ("header.json", "_journal/start.json")
"""Entries of an archive that say what ran: of a finished run, of one that was cut off."""
_READ = ("id", "epoch", "input", "target", "output", "scores", "score", "error", "attachments")
"""Fields of a sample that are kept; its events may take megabytes."""
_ATTACHED = "attachment://"
_MOST = 256 * 2**20
"""Characters of the samples of a log, which are in memory together."""
_MOST_VALUES = 2_000_000
"""In a sample, its events too."""


@dataclass(frozen=True)
class InspectTraces(ColumnTraces):
    """An inspect_ai log: `samples`, each with `scores` by scorer, who is the judge.

    Letters are 1 (correct), one half (partly) and 0. Of a score with several values each is a
    judge of its own, `scorer/key`. A sample that failed has a failed vote of every scorer.
    """

    name: ClassVar[str] = "inspect"
    description: ClassVar[str] = "inspect_ai logs (.eval, JSON) with scores by model graders"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per sample and score."""
        for log in self._logs(traces):
            model = log.record("eval").get("model") if log.get("eval") else None
            samples = [(sample, _scores(sample)) for sample in log.records("samples")]
            judges = dict.fromkeys(judge for _, scores in samples for judge in scores)
            for sample, scores in samples:
                about = _about(sample) | {"policies": [model] if model else None}
                failed = _reason(sample.get("error"))
                for judge in judges if failed else scores:
                    yield replace(
                        sample,
                        values=about | scores.get(judge, {"error": failed}) | {"judge": judge},
                    )

    def _logs(self, traces: Path) -> Iterator[Row]:
        if traces.is_dir():
            archives = sorted(traces.rglob("*.eval"))
            yield from map(_unzipped, archives)
            tables = any(path.name.endswith((*SUFFIXES, ".gz")) for path in traces.rglob("*"))
            if archives and not tables:
                return
        elif traces.is_file() and zipfile.is_zipfile(traces):
            yield _unzipped(traces)
            return
        yield from self.source(traces)


def _unzipped(path: Path) -> Row:
    """An archive as the JSON log that it is the same as."""
    kept: list[object] = []
    size = 0
    with open_zip(path, otherwise="convert it: inspect log convert --to json") as archive:
        names = archive.namelist()
        header = next((name for name in _HEADERS if name in names), None)
        if header is None:
            raise InputError(f"{path} is a zip file, but has no {_HEADERS[0]} of inspect_ai")
        log = _entry(archive, header, path)
        if not isinstance(log, dict):
            raise InputError(f"{path}: {header} is no object")
        entries = {name for name in names if name.startswith("samples/")}
        for name in sorted(entries, key=_natural):
            sample = _entry(archive, name, path)
            kept.append(
                {key: sample.get(key) for key in _READ} if isinstance(sample, dict) else sample
            )
            size += len(json.dumps(kept[-1]))
            if size > _MOST:
                raise InputError(f"{path} holds more than {_MOST >> 20} MiB of samples; split it")
    return Row(plain_values({"eval": log.get("eval"), "samples": kept}), str(path), path, 1)


def _entry(archive: zipfile.ZipFile, name: str, path: Path) -> object:
    where = f"{path}: {name!r}"
    return parse_json(entry_text(archive, name, where), where, values=_MOST_VALUES)


def _natural(name: str) -> tuple[int, str]:
    """Orders `samples/2_epoch_1.json` before `samples/10_epoch_1.json`."""
    return len(name), name


def _about(sample: Row) -> dict[str, Any]:
    sample = replace(sample, values=_attached(dict(sample.values), sample.get("attachments") or {}))
    target = sample.get("target")
    if isinstance(target, list):  # any of them is right
        target = "\n".join(map(str, target))
    return {
        "id": f"{sample.label('id')}/{sample.get('epoch', 1)}",
        "query": _conversation(sample.get("input")),
        "responses": [_answer(sample.get("output"))],
        "reference": target,
    }


def _attached(value: Any, texts: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """The value with the long texts that the log keeps apart."""
    if isinstance(value, str) and value.startswith(_ATTACHED):
        return texts.get(value.removeprefix(_ATTACHED), value)
    if isinstance(value, dict):
        return {key: _attached(one, texts) for key, one in value.items() if key != "attachments"}
    return [_attached(one, texts) for one in value] if isinstance(value, list) else value


def _conversation(asked: Any) -> Any:  # noqa: ANN401 - rows are untyped
    if not isinstance(asked, list):
        return asked
    turns = [turn for turn in asked if isinstance(turn, dict)]
    return [{"role": turn.get("role"), "content": _text(turn.get("content"))} for turn in turns]


def _answer(output: Any) -> str:  # noqa: ANN401 - rows are untyped
    """Written down as `completion` since 2025, and always in the first choice."""
    if not isinstance(output, dict):
        return ""
    if isinstance(output.get("completion"), str):
        return str(output["completion"])
    choices = output.get("choices") or [{}]
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    return _text(message.get("content")) if isinstance(message, dict) else ""


def _text(content: Any) -> str:  # noqa: ANN401 - rows are untyped
    """The text of a message, whose parts may also be reasoning and pictures."""
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _scores(sample: Row) -> dict[str, dict[str, Any]]:
    """By judge, what it said."""
    given = sample.get("scores") or {}
    if not given and sample.get("score"):  # before scorers had names
        given = {"scorer": sample.get("score")}
    found: dict[str, dict[str, Any]] = {}
    for name, score in dict(given).items():
        if not isinstance(score, dict):
            continue
        value = score.get("value")
        values = (
            {f"{name}/{key}": one for key, one in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
        about = {
            "output": _attached(score.get("explanation"), sample.get("attachments") or {}),
            "error": score.get("reason"),
        }
        found |= {judge: about | {"scores": _grade(one)} for judge, one in values.items()}
    return found


def _grade(value: object) -> object:
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return value
    return None if value == "N" else _GRADES.get(value, value)


def _reason(error: Any) -> str | None:  # noqa: ANN401 - rows are untyped
    if not error:
        return None
    return str(error.get("message") or error) if isinstance(error, dict) else str(error)


__all__ = ["InspectTraces"]
