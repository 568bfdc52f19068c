"""Train a meta RM over `smol` on processors, by what `packed_grpo` has drawn (paper section 3).

    torchrun --nproc-per-node 2 -m lab.smol.packed_meta --drawn build/smol/packed-grpo

A small adapter over the judge and a head tell whether a judgment is right, by binary cross-entropy.
It is what `deemster train` makes as the stage `meta` and `meta_rm="smol"` reads; the judgments of a
request that saw it in the same order share what is read of it. It learns from requests whose
judgments are not all alike: guided voting compares judgments of one request only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoTokenizer

from deemster.backends._local.encoding import SafeEncoder
from deemster.backends.base import SMOL
from deemster.backends.judge_file import JudgeFile
from deemster.backends.shipped import WEIGHTS, smol_folder
from deemster.training.meta_data import MetaExample
from deemster.training.meta_rm import Auc, auc
from lab.smol import packed
from lab.smol.packed import Steps, rate
from lab.smol.packed_grpo import JUDGMENTS
from lab.smol.packed_llama import Packed, Row
from lab.smol.ship import CONFIG

_HEAD = "base_model.model.score.weight"
_SPREAD = 0.02
"""Standard deviation of the factors that are not 0 at the beginning."""


@dataclass(frozen=True)
class Group:
    """Judgments of one request in one order."""

    item: str
    row: Row
    """What they share, and of each the rest; the weights are 1 for a right one and 0 for others."""


def groups_of(examples: Iterable[MetaExample], encoder: SafeEncoder) -> Iterator[Group]:
    """Neighbours of one item, if they are not all alike; equal ones once."""
    for item, every in itertools.groupby(examples, key=lambda one: one.item):
        labels = {one.text: one.correct for one in every}
        if len(set(labels.values())) < 2:
            continue
        ids = [encoder.encode(encoder.guard(text), special=True) for text in labels]
        shared = _shared(ids)
        rest = [one[shared:] for one in ids]
        yield Group(item, Row(ids[0][:shared], rest, [float(right) for right in labels.values()]))


def _shared(texts: Sequence[Sequence[int]]) -> int:
    """How many tokens all begin with; at least one of each is left."""
    most = min(map(len, texts)) - 1
    return next((i for i in range(most) if len({text[i] for text in texts}) > 1), most)


class Rater(Packed):
    """A judge with an adapter and a head that rate judgments.

    Args:
        base: folder of the base.
        adapter: folder of the adapter to train.
        under: the judge's adapter.
        dtype: of the frozen weights and of the computation.
        compiled: whether elementwise steps are compiled.
    """

    def __init__(
        self,
        base: Path,
        adapter: Path,
        *,
        under: Path | None,
        dtype: torch.dtype = torch.bfloat16,
        compiled: bool = True,
    ) -> None:
        super().__init__(base, adapter, under=under, dtype=dtype, compiled=compiled)
        width = json.loads((base / "config.json").read_text(encoding="utf-8"))["hidden_size"]
        self.lora.setdefault(_HEAD, torch.zeros(1, width).requires_grad_())

    def rewards(self, rows: Sequence[Row]) -> Tensor:
        """[completions of all rows] log-odds that each is right, read at its last token."""
        lasts, start = [], 0
        for row in rows:
            ends = itertools.accumulate(row.lengths)
            lasts += [start + end - 1 for end in ends][1:]
            start += row.tokens
        return (self.states(rows)[torch.tensor(lasts)].float() @ self.lora[_HEAD].T)[:, 0]

    def loss(self, rows: Sequence[Row]) -> Tensor:
        """Summed binary cross-entropy over all completions."""
        labels = torch.tensor([label for row in rows for label in row.weights])
        return nn.functional.binary_cross_entropy_with_logits(
            self.rewards(rows), labels, reduction="sum"
        )

    def save(self, out: Path) -> None:
        """Write the adapter in bfloat16, and that it lies over `smol`."""
        out.mkdir(parents=True, exist_ok=True)
        rounded = {name: one.detach().bfloat16() for name, one in self.lora.items()}
        save_file(rounded, out / WEIGHTS, metadata={"format": "pt"})
        (out / CONFIG).write_text(json.dumps(self.config, indent=2) + "\n", encoding="utf-8")
        JudgeFile(name="meta RM of smol", base=SMOL, licence="Apache-2.0").write(out)


def begin(judge: Path, out: Path, *, rank: int, layers: int) -> None:
    """Write an adapter that changes nothing yet.

    Args:
        judge: folder of the judge's adapter.
        out: its folder.
        rank: of every changed matrix.
        layers: so many of the upper ones that the judge's adapter has.
    """
    config = json.loads((judge / CONFIG).read_text(encoding="utf-8"))
    chosen = sorted(config["layers_to_transform"])[-layers:]
    config |= {
        "task_type": "SEQ_CLS", "base_model_name_or_path": SMOL, "r": rank, "lora_alpha": rank,
        "layers_to_transform": chosen, "modules_to_save": ["score"],
    }  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, one in load_file(judge / WEIGHTS).items():
        if int(name.split(".layers.")[1].split(".")[0]) not in chosen:
            continue
        if ".lora_A." in name:
            tensors[name] = _SPREAD * torch.randn(rank, one.shape[1], generator=generator)
        else:
            tensors[name] = torch.zeros(one.shape[0], rank)
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / WEIGHTS, metadata={"format": "pt"})
    (out / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def train(model: Rater, groups: Sequence[Group], out: Path, given: argparse.Namespace) -> Auc:
    """Train it, with the processes that `torchrun` has started.

    Returns:
        How well it tells right from wrong, on requests that were held out.
    """
    steps = Steps(model)
    items = sorted({one.item for one in groups})
    random.Random(given.seed).shuffle(items)  # noqa: S311 - no secret
    aside = set(items[: max(1, round(given.holdout * len(items)))])
    rows = [one.row for one in groups if one.item not in aside]
    count = given.epochs * len(rows) // given.batch
    order = random.Random(given.seed)  # noqa: S311 - no secret
    chosen = [row for _ in range(given.epochs) for row in order.sample(rows, len(rows))]
    for step in range(count):
        batch = chosen[step * given.batch : (step + 1) * given.batch]
        batch.sort(key=lambda row: row.tokens, reverse=True)  # the processes get about as much each
        speed = rate(step, count, top=given.rate, warm=given.warm, decay=given.decay)
        judgments = sum(len(row.completions) for row in batch)
        loss, norm = steps.take(batch[steps.rank :: steps.world], speed, per=judgments)
        if steps.rank == 0:
            sys.stdout.write(f"step {step + 1} of {count}: loss {loss:.4f}, gradient {norm:.3f}\n")
            sys.stdout.flush()
    found = measured(model, [one for one in groups if one.item in aside])
    if steps.rank == 0:
        model.save(out)
        sys.stdout.write(f"{len(rows)} groups, {len(aside)} requests held out: {found}\n")
    return found


def measured(model: Rater, groups: Sequence[Group]) -> Auc:
    """Areas under the ROC curve, over all judgments and within requests."""
    labels: list[bool] = []
    rewards: list[float] = []
    names: list[str] = []
    with torch.no_grad():
        for one in groups:
            rewards += model.rewards([one.row]).tolist()
            labels += [label == 1 for label in one.row.weights]
            names += [one.item] * len(one.row.weights)
    return auc(labels, rewards, names)


def drawn(folder: Path) -> list[MetaExample]:
    """All judgments that `packed_grpo` has kept in a folder."""
    lines = [
        line
        for file in sorted(folder.glob(f"{JUDGMENTS}-*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return [MetaExample.model_validate_json(line) for line in lines]


def options() -> argparse.ArgumentParser:
    """What can be given; no name begins one of torchrun's own options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--drawn", type=Path, default=Path("build/smol/packed-grpo"))
    parser.add_argument("--adapter", type=Path, default=smol_folder(), help="folder of the judge's")
    parser.add_argument("--out", type=Path, default=Path("build/smol/packed-meta"))
    parser.add_argument("--factors", type=int, default=4, help="rank of the adapter")
    parser.add_argument("--upper", type=int, default=10, help="so many blocks are changed")
    parser.add_argument("--batch", type=int, default=8, help="groups of judgments a step")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the order, and what is held out")
    parser.add_argument("--holdout", type=float, default=0.1, help="share of the requests")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--warm", type=int, default=5, help="steps up to that rate")
    parser.add_argument("--decay", type=int, default=30, help="steps at the end down to none")
    return parser


def main() -> None:
    """The command line."""
    parser = options()
    given = parser.parse_args()
    base = packed.started(parser)
    encoder = SafeEncoder(AutoTokenizer.from_pretrained(base))
    groups = list(groups_of(drawn(given.drawn), encoder))
    if len({one.item for one in groups}) < 2:
        parser.error(f"{str(given.drawn)!r} has no two requests with right and wrong judgments")
    first = given.out / "first"
    begin(given.adapter, first, rank=given.factors, layers=given.upper)
    train(Rater(base, first, under=given.adapter), groups, given.out, given)


if __name__ == "__main__":
    main()
