"""What a small real model learns from judgments that are already paid for.

    python -m lab.distil --base build/base --out build/distil      # --data ../shared/data

Imports a stored log of LLMBar (ChatGPT's verdicts on pairs with human labels), distils it into the
base with `distil: {run: …}` twice, once with rejection by the labels and once without labels, and
measures the base and both students on held-out pairs: how often they agree with the teacher and
with the truth. Prints a table in Markdown. For figures only: nothing trained on these logs ships.

What is done is not done again; stop it and start it as you like.

Every model is asked the same way, which works for a base that writes no verdict yet: of the two
possible verdicts it takes the one that it finds likelier, over both orders of the pair.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import JsonValue

from deemster.backends._local.caches import cache_name
from deemster.benchmarks import open_reader
from deemster.dialects import open_dialect
from deemster.schemas import Sample, Vote
from deemster.suites.importing import import_run
from deemster.suites.metrics import Estimate, Item, accuracy, compare
from deemster.training import load_recipe, run_recipe
from deemster.training.agreement import Teacher, agreement, teachers_of
from deemster.training.corpus import load_corpus
from deemster.training.modeling import completion_ids, prompt_encoder
from deemster.training.prompts import training_messages
from deemster.training.stage import SilentListener
from deemster.training.trl_recipe import TrlRecipe

TEACHER = "ChatGPT/Metrics_Reference"
TRACES = Path("llmbar/traces/ChatGPT.jsonl.gz")
PAIRS = Path("llmbar/datasets.jsonl.gz")
LONGEST = 800
"""Most characters of request and responses together: at most about 250 tokens with the prompt."""
DIALECT = "smol"
VERDICTS = ("Scores: \\boxed{10, 1}", "Scores: \\boxed{1, 10}")
"""The first response shown is better; the second is. As `distil` writes them without reasons."""
STUDENTS = {"with labels": True, "without labels": False}
"""Whether the log that a student learns from has them: what is wrong is then rejected."""
TRAIN = {
    "learning_rate": 1e-3,
    "schedule": "warmup_stable_decay",
    "max_steps": 16,
    "batch_size": 16,
    "micro_batch_size": 8,
    "max_length": 320,
    "group_by_length": True,
    "gradient_checkpointing": False,
    "bf16": True,
    "cpu": True,
    "save_steps": 4,
    "lora": {
        "rank": 16,
        "alpha": 32,
        "target_modules": [
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ],
        "layers": list(range(10, 30)),  # a third less time; the model has 30
    },
}


def import_log(data: Path, out: Path, *, labels: bool) -> None:
    """The short pairs of the log as a run, with their labels or without."""
    if (out / "summary.json").is_file():
        return
    opened = open_reader("llmbar")

    def short(traces: Path) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        for sample, votes in opened.read(traces, data / PAIRS, judge=TEACHER):
            texts = [turn.text for turn in (*sample.query, *sample.responses)]
            if sum(map(len, texts)) <= LONGEST:
                bare = {} if labels else {"ground_truth": None}
                yield sample.model_copy(update=bare), votes

    import_run(short, traces=data / TRACES, out=out, judge=TEACHER, dialect="llmbar:label")


def write_recipe(path: Path, *, base: Path, run: Path) -> TrlRecipe:
    """A recipe with the stage `distil` alone; a third of the queries is held out."""
    recipe = {
        "name": path.stem,
        "model": {"base": str(base.resolve()), "dialect": DIALECT},
        "distil": {"run": str(run.resolve()), "reasons": False, "holdout": 0.33, "train": TRAIN},
    }
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return cast("TrlRecipe", load_recipe(path))


def measure(model: str, samples: Sequence[Sample], file: Path) -> list[Item]:
    """The samples as a model prefers; margins are kept in `file`, one a line, and not redone."""
    done = {}
    if file.is_file():
        rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
        done = {row["id"]: row["margins"] for row in rows}
    todo = [sample for sample in samples if sample.id not in done]
    if todo:
        margin = _margins(model)
        with file.open("a", encoding="utf-8") as lines:
            for sample in todo:
                done[sample.id] = [margin(sample, order) for order in ((0, 1), (1, 0))]
                lines.write(json.dumps({"id": sample.id, "margins": done[sample.id]}) + "\n")
                lines.flush()
    return [
        # A vote per order: the margin is that of the first response over the second.
        Item.from_scores(
            sample.id,
            [[margin, 0.0] for margin in done[sample.id]],
            ground_truth=sample.ground_truth,
            subset=sample.subset,
        )
        for sample in samples
    ]


def _margins(model: str) -> Callable[[Sample, tuple[int, int]], float]:
    """How much likelier a model finds the first response's victory, in nats, in an order."""
    import torch  # noqa: PLC0415 - slow
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - slow

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).eval()
    encode, dialect = prompt_encoder(tokenizer, {}), open_dialect(DIALECT)
    endings = [completion_ids(tokenizer, verdict) for verdict in VERDICTS]
    head = loaded.get_output_embeddings().weight.float()  # bfloat16 would make verdicts equal
    name = cache_name(loaded.model, inspect.signature(loaded.model.forward).parameters)

    def of_verdict(prompt: Any, ending: list[int]) -> float:  # noqa: ANN401 - as above
        cache = copy.deepcopy(getattr(prompt, name))
        tokens = torch.tensor([ending[:-1]])
        more = loaded.model(tokens, **{name: cache}).last_hidden_state[0]
        hidden = torch.cat([prompt.last_hidden_state[0, -1:], more]).float()
        chances = (hidden @ head.T).log_softmax(-1)
        return float(chances[range(len(ending)), ending].sum())

    def margin(sample: Sample, order: tuple[int, int]) -> float:
        messages = training_messages(sample, dialect, order=order, seed=0)
        with torch.inference_mode():
            prompt = loaded.model(torch.tensor([encode(messages)]), use_cache=True)
            shown_first, shown_second = (of_verdict(prompt, ending) for ending in endings)
        return (shown_first - shown_second) * (1 if order == (0, 1) else -1)

    return margin


def first_share(items: Sequence[Item]) -> float:
    """How often the response shown first is preferred: one half of a judge without bias."""
    # In the second order the first response of the pair is shown last.
    margins = [item.ballot.scores[:, 0] * (1, -1) for item in items]
    return sum(float(margin > 0) for pair in margins for margin in pair) / (2 * len(items))


def told(runs: Mapping[str, list[Item]], teacher: Teacher) -> str:
    """The figures in Markdown."""
    found = {
        name: agreement([teacher], {"base": (runs["base"],) * 2, name: (items, items)})
        for name, items in runs.items()
    }
    lines = [
        "| model | agrees with the teacher | agrees with the truth | prefers the first shown |",
        "|---|---|---|---|",
    ]
    for name, items in runs.items():
        agreed = found[name][teacher.name].models[name].vote
        right = accuracy(items).overall
        lines.append(f"| {name} | {_shown(agreed)} | {_shown(right)} | {first_share(items):.0%} |")
    own = found["base"][teacher.name]
    lines += [f"| the teacher | – | {_shown(own.accuracy)} | – |", ""]
    lines.append(f"The teacher prefers one response of {own.n} pairs.")
    for name in STUDENTS:
        truth, gain = compare(runs[name], runs["base"]), found[name][teacher.name].vote_gain
        lines.append(
            f"{name} minus base: teacher {_shown(gain.difference) if gain else '–'}, "
            f"truth {_shown(truth.difference)}"
        )
    return "\n".join([*lines, ""])


def _shown(figure: Estimate) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    return f"{figure.value:.0%} [{100 * figure.low:.0f}, {100 * figure.high:.0f}]"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base", type=Path, required=True, help="folder of the base's weights")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/distil"))
    given = parser.parse_args()
    for path in (given.data / TRACES, given.data / PAIRS, given.base / "config.json"):
        if not path.is_file():
            sys.stderr.write(f"skipped: {str(path)!r} is not there\n")
            return 0
    given.out.mkdir(parents=True, exist_ok=True)
    recipes = {}
    for name, labels in STUDENTS.items():
        run = given.out / f"log-{_slug(name)}"
        import_log(given.data, run, labels=labels)
        recipes[name] = write_recipe(given.out / f"{_slug(name)}.yaml", base=given.base, run=run)
    samples = load_corpus(recipes["with labels"]).evaluation
    runs = {"base": measure(str(given.base), samples, given.out / "base.margins.jsonl")}
    for name, recipe in recipes.items():
        folder = given.out / _slug(name)
        done = run_recipe(recipe, folder, resume=True, listener=Lines())
        sys.stderr.write(f"{name}: {json.dumps(done['distil'].figures)}\n")
        margins = given.out / f"{folder.name}.margins.jsonl"
        runs[name] = measure(str(folder / "distil" / "model"), samples, margins)
    sys.stdout.write(f"{len(samples)} held-out pairs\n\n")
    sys.stdout.write(told(runs, teachers_of(given.out / "log-with-labels", samples)[0]))
    return 0


def _slug(name: str) -> str:
    return name.replace(" ", "-")


class Lines(SilentListener):
    """A line a step."""

    def figures(self, stage: str, figures: Mapping[str, JsonValue]) -> None:
        """See `ProgressListener`."""
        sys.stderr.write(f"{stage}: {json.dumps(dict(figures))}\n")


if __name__ == "__main__":
    sys.exit(main())
