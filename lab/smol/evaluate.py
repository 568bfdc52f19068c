"""Measure `smol` and the judges beside it, for `figures.json` of the adapter and docs/smol.md.

    python -m lab.smol.evaluate smol nano base                       # the held-out pairs, k = 32
    python -m lab.smol.evaluate rft=hf:build/smol/rft/model          # a stage of the recipe
    python -m lab.smol.evaluate smol --data llmbar=FOLDER -k 8 --limit 100
    python -m lab.smol.evaluate --check --data llmbar=FOLDER         # what it warns of

Every judge on every set of data is a run. Whatever ends it, the same command goes on, and votes
that a smaller `--limit` or k has drawn are not drawn again. Judges: smol, smol-32 (a row of its
own, for more votes on fewer pairs), smol-alone (without the calculator), smol-meta (with its meta
RM), nano, base (untrained), NAME=MODEL. Data: heldout, development (pairs to look at and to choose
by), and BENCHMARK=PATH of its files.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from tokenizers import Tokenizer

from deemster import Judge
from deemster.backends import RecordBackend
from deemster.backends.domain import Domain
from deemster.backends.model_fetch import fetched
from deemster.backends.shipped import BASE, smol_folder, smol_part
from deemster.errors import InputError
from deemster.judges.meta_hf import HfMetaRM
from deemster.schemas import Sample
from deemster.suites import Suite, load_suite, run_suite
from lab.smol import page
from lab.smol.domain import prompt_of
from lab.smol.figures import part_of
from lab.smol.generator import generate
from lab.smol.measure import DEVELOPMENT, HELD_OUT

OWN = {"heldout": HELD_OUT, "development": DEVELOPMENT}
"""Pairs of the project."""
FRESH_SEED = 991
"""Of data that no training drew."""
_SHOWN = 4
"""Most responses that the dialect takes."""


def judge_of(name: str, model: str, *, k: int, dtype: str = "float32") -> Judge:
    """A judge as it is measured.

    Args:
        name: smol, smol-32, smol-alone, smol-meta, nano, base, or of a stage.
        model: the stage's model string; empty for the others.
        k: votes.
        dtype: in which all but `nano` compute, the meta RM among them.
    """
    if name == "nano":
        return Judge("nano", k=k)
    if name in ("smol", "smol-32", "smol-alone", "smol-meta"):
        meta = HfMetaRM(str(smol_part("meta")), dtype=dtype) if name == "smol-meta" else None
        return Judge("smol", k=k, meta_rm=meta, dtype=dtype, calculator=name != "smol-alone")
    if name == "base":
        model = f"hf:{_base()}"
    if not model:
        known = "smol, smol-alone, smol-meta, nano, base or NAME=hf:PATH"
        raise InputError(f"judge {name!r}; give {known}")
    return Judge(model, dialect="smol", k=k, max_tokens=256, dtype=dtype, calculator=True)


def suite_of(data: str, path: str, out: Path, *, limit: int | None) -> Suite:
    """The samples as a suite, written into a folder."""
    source: dict[str, Any]
    if data in OWN:
        source = {"path": str(OWN[data])}
    else:
        source = {"benchmark": data, "path": path, "max_responses": _SHOWN}
    if limit is not None:
        source["limit"] = limit
    text = yaml.safe_dump({"name": data, "data": source, "judges": [{"model": "nano"}]})
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{data}{'' if limit is None else f'-{limit}'}.yaml"
    file.write_text(text, encoding="utf-8")
    return load_suite(file)


async def measured(judge: Judge, suite: Suite, out: Path, *, votes: Path) -> dict[str, Any]:
    """Run it, or what is left of it, and return its figures.

    Args:
        judge: it draws what the cassette does not have.
        suite: its samples are judged.
        out: folder of the run.
        votes: the cassette.
    """
    every = tuple(one.model_copy(update={"limit": None}) for one in suite.spec.data)
    whole = replace(suite, spec=suite.spec.model_copy(update={"data": every}))
    judge.wrap_backends(lambda backend: RecordBackend(backend, votes))
    result = await run_suite(suite, out, resume=True, judges=[judge])
    (summary,) = result.summaries.values()
    return part_of(summary, of=sum(1 for _ in whole.samples()))


def warned(samples: Iterable[Sample], domain: Domain, tokenizer: Tokenizer) -> tuple[float, int]:
    """The share of samples that the check warns of, and how many there are."""

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    found = [
        not domain.covers(domain.likelihood(encode, prompt_of(sample)))
        for sample in samples
        if len(sample.responses) <= _SHOWN
    ]
    return sum(found) / len(found), len(found)


def check(folder: Path, data: Iterable[tuple[str, str]], out: Path) -> dict[str, Any]:
    """How often the check of the domain warns: of what it should not, and of what it should."""
    domain = Domain.load(folder / "domain.json")
    tokenizer = Tokenizer.from_file(str(_base() / "tokenizer.json"))
    fresh = (one.sample for one in generate(1000, seed=FRESH_SEED))
    rows = {"generated, another seed": warned(fresh, domain, tokenizer)}
    for name, path in data:
        samples = suite_of(name, path, out, limit=None).samples()
        title = "held-out pairs, written by hand" if name == "heldout" else name
        rows[title] = warned(samples, domain, tokenizer)
    return {title: list(row) for title, row in rows.items()}


def _named(judge: Judge) -> str:
    """The end of the model's name, which tells adapters apart, as part of a folder's name."""
    return judge.backend.name[-8:].replace("/", "-")


def _base() -> Path:
    folder = fetched(BASE)
    if folder is None:
        raise InputError(f"the base is not in the cache: deemster models fetch {BASE}")
    return folder


async def _all(given: argparse.Namespace) -> None:
    folder, out = given.figures, given.out
    data = [(name, path) for name, _, path in (one.partition("=") for one in given.data)]
    if given.check:
        page.note(folder, "domain/check", check(folder, data, out))
    for text in given.judges:
        name, _, model = text.partition("=")
        for source, path in data:
            async with judge_of(name, model, k=given.k, dtype=given.dtype) as judge:
                suite = suite_of(source, path, out, limit=given.limit)
                votes = out / f"votes-{name.removesuffix('-meta')}.cassette"
                run = out / f"{suite.path.stem}-{name}-k{given.k}-{_named(judge)}"
                page.note(
                    folder, f"{source}/{name}", await measured(judge, suite, run, votes=votes)
                )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("judges", nargs="*", help="smol, smol-32, nano, base, NAME=MODEL …")
    parser.add_argument(
        "--data", nargs="+", default=["heldout"], help="heldout, development, BENCHMARK=PATH"
    )
    parser.add_argument("-k", type=int, default=32, help="votes")
    parser.add_argument("--dtype", default="float32", help="bfloat16 is quicker on some processors")
    parser.add_argument("--limit", type=int, help="so many samples at random")
    parser.add_argument("--check", action="store_true", help="measure the check of the domain, too")
    parser.add_argument("--out", type=Path, default=Path("build/smol-figures"), help="of the runs")
    parser.add_argument(
        "--figures", type=Path, default=smol_folder(), help="folder of figures.json"
    )
    asyncio.run(_all(parser.parse_args()))


if __name__ == "__main__":
    main()
