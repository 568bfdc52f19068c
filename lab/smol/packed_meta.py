"""Train a meta RM over `smol` on processors, by what `packed_grpo` has drawn (paper section 3).

    torchrun --nproc-per-node 2 -m lab.smol.packed_meta --drawn build/smol/packed-grpo

A small adapter over the `smol` that is installed (so ship the judge first) and a head tell whether
a judgment is right, by binary cross-entropy. It is what `deemster train` makes as the stage `meta`
and `meta_rm="smol"` reads; the judgments of a request that saw it in the same order share what is
read of it. It learns from requests whose judgments are not all alike: guided voting compares
judgments of one request only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoTokenizer

from deemster.backends._local.encoding import SafeEncoder
from deemster.backends.base import SMOL
from deemster.backends.judge_file import JudgeFile
from deemster.backends.shipped import WEIGHTS, smol_folder
from deemster.errors import InputError
from deemster.schemas import first_problem
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
    """Judgments of one request that were drawn together, and so in one order."""

    item: str
    row: Row
    """What they share, and of each the rest; marked with 1 if it is right, else with 0."""


def groups_of(examples: Iterable[MetaExample], encoder: SafeEncoder) -> Iterator[Group]:
    """Neighbours of one item, where some are right and some are wrong; equal ones once."""
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
        under: Path,
        dtype: torch.dtype = torch.bfloat16,
        compiled: bool = True,
    ) -> None:
        super().__init__(base, adapter, under=under, dtype=dtype, compiled=compiled)
        self.lora.setdefault(_HEAD, torch.zeros(1, self.width).requires_grad_())

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
        labels = torch.tensor([label for row in rows for label in row.marks])
        return nn.functional.binary_cross_entropy_with_logits(
            self.rewards(rows), labels, reduction="sum"
        )

    def save(self, out: Path) -> None:
        """Write the adapter as `Packed` does, and that it lies over `smol`."""
        super().save(out)
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
    rng = random.Random(given.seed)  # noqa: S311 - no secret
    items = sorted({one.item for one in groups})
    count = min(max(1, round(given.holdout * len(items))), len(items) - 1)
    aside = set(rng.sample(items, count))
    rows = [one.row for one in groups if one.item not in aside]
    chosen = [row for _ in range(given.epochs) for row in rng.sample(rows, len(rows))]
    starts = range(0, len(chosen), given.batch)
    for step, start in enumerate(starts):
        batch = chosen[start : start + given.batch]
        batch.sort(key=lambda row: row.tokens, reverse=True)  # the processes get about as much each
        loss, norm = steps.take(
            batch[steps.rank :: steps.world],
            rate(step, len(starts), top=given.rate, warm=given.warm, decay=given.decay),
            per=sum(len(row.completions) for row in batch),
        )
        if steps.rank == 0:
            sys.stdout.write(
                f"step {step + 1} of {len(starts)}: loss {loss:.4f}, gradient {norm:.3f}\n"
            )
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
            labels += [label == 1 for label in one.row.marks]
            names += [one.item] * len(one.row.marks)
    return auc(labels, rewards, names)


def read_judgments(folder: Path) -> list[MetaExample]:
    """All judgments that `packed_grpo` has kept in a folder.

    Raises:
        InputError: there are none, or a line of them is damaged.
    """
    found = []
    for file in sorted(folder.glob(f"{JUDGMENTS}-*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    found.append(MetaExample.model_validate_json(line))
                except ValidationError as error:
                    raise InputError(f"{file}:{number}: {first_problem(error)}") from error
    if not found:
        raise InputError(f"no judgments in {str(folder)!r}; packed_grpo keeps them beside adapters")
    return found


def options() -> argparse.ArgumentParser:
    """What can be given; no name begins one of torchrun's own options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--drawn", type=Path, default=Path("build/smol/packed-grpo"), help="--out of packed_grpo"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/smol/packed-meta"), help="folder of the adapter"
    )
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
    if min(given.factors, given.upper, given.batch, given.epochs) < 1:
        parser.error("--factors, --upper, --batch and --epochs are 1 or more")
    base = packed.started(parser)
    encoder = SafeEncoder(AutoTokenizer.from_pretrained(base))
    try:
        groups = list(groups_of(read_judgments(given.drawn), encoder))
    except InputError as error:
        parser.error(str(error))
    if len({one.item for one in groups}) < 2:
        parser.error(f"{str(given.drawn)!r} has no two requests with right and wrong judgments")
    with tempfile.TemporaryDirectory() as first:
        begin(smol_folder(), Path(first), rank=given.factors, layers=given.upper)
        model = Rater(base, Path(first), under=smol_folder())
    train(model, groups, given.out, given)


if __name__ == "__main__":
    main()
