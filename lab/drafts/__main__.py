"""What drafts save, and what learning to draft costs: look-up and multi-token prediction.

    python -m lab.drafts train --out build/drafts       # nano, with and without a block
    python -m lab.drafts judge build/drafts/detached/model --ways plain lookup mtp
    python -m lab.drafts judge smol --items 8
    python -m lab.drafts assisted smol --items 8
    python -m lab.drafts passes smol                    # how long a pass of so many tokens takes
    python -m lab.drafts replay ROLLOUTS --tokenizer MODEL

`train` fine-tunes the embedded model on pairs of the synthetic world, without a block, with one,
and with one that learns alone, on the same examples. `judge` draws votes on new pairs in each way
and counts. `assisted` compares look-up with that of transformers. `replay` needs no model: it
counts what look-up would have drafted of completions that are stored, `rollouts.jsonl` of a stage
or lines with `prompt` and `completions`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from transformers import AutoTokenizer

from deemster import Judge
from deemster.backends._local.generation import Draw
from deemster.backends._local.lookup import LookupDrafter
from deemster.backends._local.sampling import Noise
from deemster.backends._local.speculating import CPU_ROWS
from deemster.backends._local.speculation import Tally
from deemster.backends.nano import part
from deemster.backends.shipped import package_folder
from deemster.backends.transformers import TransformersBackend
from deemster.schemas import Sample
from deemster.suites.metrics import Bootstrap
from deemster.training.settings import MtpSettings, SftSettings
from deemster.training.sft import train_sft
from lab.drafts.assisted import assisted
from lab.drafts.passes import passes
from lab.moe.__main__ import held_out, lessons
from lab.smol.measure import held_out as everyday
from lab.world import World

_BATCH = 16


class Judged(NamedTuple):
    """Votes drawn in one way."""

    right: list[float]
    tokens: int
    cpu: float
    """Seconds of processor time."""
    tally: Tally | None


ARMS = {"plain": None, "joint": MtpSettings(), "detached": MtpSettings(detach=True)}
"""Without a block; with one whose loss the model learns from, too; with one that learns alone."""


def train(out: Path, *, arms: Sequence[str], steps: int, seed: int) -> None:
    """`ARM/model` of each arm, from the embedded model."""
    examples = lessons(World(seed), _BATCH * steps)
    for arm in arms:
        before = time.process_time()
        figures = train_sft(
            examples,
            model=part("judge"),
            out=out / arm,
            settings=SftSettings(
                learning_rate=1e-3, batch_size=_BATCH, micro_batch_size=_BATCH, max_steps=steps,
                max_length=512, group_by_length=True, gradient_checkpointing=False, cpu=True,
                save_steps=10_000, seed=seed, mtp=ARMS[arm],
            ),
        )  # fmt: skip
        used = time.process_time() - before
        said = {key: figures[key] for key in ("loss", "mtp") if key in figures}
        print(f"{arm}: {used:.0f} s of processor time, {json.dumps(said)}")  # noqa: T201


async def judged(
    model: str,
    samples: Sequence[Sample],
    *,
    way: str,
    k: int,
    tokens: int | None,
    dialect: str,
    most: int,
) -> Judged:
    """Votes on samples, one after another; greedy for k = 1, else at temperature 0.7.

    There are drafts for any number of draws: whether they pay is the question here.
    """
    CPU_ROWS.update(dict.fromkeys(CPU_ROWS, k))
    speculate = None if way == "plain" else way
    backend = TransformersBackend(
        model, device="cpu", threads=1, speculate=speculate,
        draft_tokens=tokens if speculate else None,
    )  # fmt: skip
    await backend.preload()
    temperature = 0.0 if k == 1 else 0.7
    judge = Judge(backend, dialect=dialect, k=k, temperature=temperature, max_tokens=most)
    right, drawn = [], 0
    before = time.process_time()
    for sample in samples:
        verdict = await judge.score(sample.query, sample.responses)
        right.append(float(verdict.best is not None and verdict.best == sample.best))
        drawn += verdict.usage.tokens_out
    found = Judged(right, drawn, time.process_time() - before, backend.tally)
    await judge.aclose()
    return found


def asked(given: argparse.Namespace) -> tuple[str, str, list[Sample]]:
    """A model's folder, its dialect, and what it is to judge."""
    if given.model == "smol":
        return str(package_folder("smol")), "smol", everyday(given.items)
    return given.model, given.dialect, held_out(World(given.seed), given.items)


def judge(given: argparse.Namespace) -> None:
    """A row for each way, as Markdown."""
    model, dialect, samples = asked(given)
    print("| way | k | accuracy | accepted | tokens per pass | tokens/s | against plain |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    for k in given.k:
        first = None
        for way in given.ways:
            found = asyncio.run(
                judged(
                    model, samples, way=way, k=k, tokens=given.draft_tokens,
                    dialect=dialect, most=given.max_tokens,
                )
            )  # fmt: skip
            speed = found.tokens / found.cpu
            first = first or speed
            drafts = ("", "")
            if found.tally is not None:
                accepted, gained = found.tally.acceptance, found.tally.tokens_per_pass
                drafts = (told(accepted, ".1%"), told(gained, ".2f"))
            print(  # noqa: T201
                f"| {way} | {k} | {accuracy(found.right)} | {drafts[0]} | {drafts[1]} | "
                f"{speed:,.0f} | {speed / first:.2f} |"
            )


def beside_transformers(given: argparse.Namespace) -> None:
    """A row for each way, as Markdown."""
    model, dialect, samples = asked(given)
    found = assisted(model, samples, dialect=dialect, most=given.max_tokens)
    first = next(iter(found.values()))
    print("| way | the same texts | tokens/s | against plain |\n|---|---|---|---|")  # noqa: T201
    for name, one in found.items():
        same = sum(a == b for a, b in zip(one.texts, first.texts, strict=True))
        speed = one.tokens / one.cpu
        gain = speed / (first.tokens / first.cpu)
        print(f"| {name} | {same} of {len(samples)} | {speed:,.0f} | {gain:.2f} |")  # noqa: T201


def timed(given: argparse.Namespace) -> None:
    """A row for each kind of pass, as Markdown."""
    model = str(package_folder("smol")) if given.model == "smol" else given.model
    print("| tokens | ms |\n|---|---|")  # noqa: T201
    for name, milliseconds in passes(model).items():
        print(f"| {name} | {milliseconds:.1f} |")  # noqa: T201


def told(value: float | None, form: str) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else format(value, form)


def accuracy(right: Sequence[float]) -> str:
    """In percent, with its 95 % interval."""
    mean = Bootstrap().mean(right)
    value, low, high = (
        told(None if one is None else 100 * one, ".1f") for one in (mean.value, mean.low, mean.high)
    )
    return f"{value} ({low} to {high})"


def stored(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Prompts with their completions."""
    for line in file.read_text("utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        if "rollouts" in row:
            for one in row["rollouts"]:
                yield "\n".join(part["content"] for part in one["messages"]), [one["completion"]]
        else:
            yield row["prompt"], row["completions"]


def replayed(
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    texts: Iterable[tuple[str, list[str]]],
    *,
    tokens: int,
) -> Tally:
    """How drafts fare if the draws of a prompt, in step, say what is stored."""
    tally = Tally()
    for prompt, completions in texts:
        drafter = LookupDrafter(tokenizer(prompt)["input_ids"], tokens)
        wanted = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in completions]
        wanted = [ids for ids in wanted if len(ids) > 1]
        draws = [Draw(Noise(0), ids=ids[:1]) for ids in wanted]
        taken = [1] * len(draws)
        while draws:
            drafts = drafter.draft(draws, taken, None)
            for row, (draw, ids, draft) in enumerate(zip(draws, wanted, drafts, strict=True)):
                to_come = ids[len(draw.ids) :]
                offered = draft[: len(to_come) - 1]
                agreed = next(
                    (i for i, one in enumerate(offered) if one != to_come[i]), len(offered)
                )
                taken[row] = agreed + 1
                draw.ids += to_come[: agreed + 1]
                tally.passes += 1
                tally.drafted += len(offered)
                tally.accepted += agreed
            going = [
                i
                for i, (draw, ids) in enumerate(zip(draws, wanted, strict=True))
                if len(draw.ids) < len(ids)
            ]
            draws, wanted = [draws[i] for i in going], [wanted[i] for i in going]
            taken = [taken[i] for i in going]
    return tally


def replay(given: argparse.Namespace) -> None:
    """A row for each length of drafts, as Markdown."""
    tokenizer = AutoTokenizer.from_pretrained(given.tokenizer)
    texts = list(stored(given.file))[: given.limit]
    print("| draft_tokens | accepted | tokens per pass |\n|---|---|---|")  # noqa: T201
    for tokens in given.lengths:
        tally = replayed(tokenizer, texts, tokens=tokens)
        print(  # noqa: T201
            f"| {tokens} | {told(tally.acceptance, '.1%')} | {told(tally.tokens_per_pass, '.2f')} |"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train")
    one.add_argument("--out", type=Path, default=Path("build/drafts"))
    one.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    one.add_argument("--steps", type=int, default=60, help=f"of {_BATCH} examples each")
    for name in ("judge", "assisted"):
        one = commands.add_parser(name)
        one.add_argument("model", help="a folder, or smol: the package's, on everyday pairs")
        one.add_argument("--items", type=int, default=100)
        one.add_argument("--dialect", default="nano")
        one.add_argument("--max-tokens", type=int, default=160)
        if name == "judge":
            one.add_argument("--ways", nargs="+", default=["plain", "lookup"])
            one.add_argument("--k", nargs="+", type=int, default=[1, 8])
            one.add_argument("--draft-tokens", type=int)
    commands.add_parser("passes").add_argument("model", help="a folder, or smol")
    one = commands.add_parser("replay")
    one.add_argument("file", type=Path)
    one.add_argument("--tokenizer", required=True)
    one.add_argument("--lengths", nargs="+", type=int, default=[1, 2, 4, 8])
    one.add_argument("--limit", type=int, default=200, help="prompts")
    given = parser.parse_args(arguments)
    if given.command == "train":
        train(given.out, arms=given.arms, steps=given.steps, seed=given.seed)
    else:
        {
            "judge": judge,
            "assisted": beside_transformers,
            "passes": timed,
            "replay": replay,
        }[given.command](given)


if __name__ == "__main__":
    main()
