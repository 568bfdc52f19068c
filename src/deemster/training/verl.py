"""The RL stage on clusters, by verl: its data and its reward function.

verl samples with vLLM and trains with FSDP or Megatron under Ray. It takes a Parquet file of
prompts and a Python file with `compute_score`; `recipes/verl` has both ends. Nothing here imports
verl.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from deemster.dialects import Dialect, open_dialect
from deemster.errors import InputError
from deemster.extras import need
from deemster.files import writing
from deemster.schemas import Sample
from deemster.training.grpo import shuffled_rows
from deemster.training.reward import reward_text

SOURCE = "deemster"
"""Name of the data in verl's records."""
COLUMNS = ("data_source", "prompt", "ability", "reward_model", "extra_info")


def compute_score(
    data_source: str,  # noqa: ARG001 - the signature is verl's
    solution_str: str | None,
    ground_truth: str | Mapping[str, Any],
    extra_info: dict[str, Any] | None = None,  # noqa: ARG001 - as above
    **_: object,
) -> dict[str, float]:
    """The reward of a completion, in the form that verl calls (paper Eq. 11).

    Args:
        data_source: not used.
        solution_str: the completion; None counts as an empty one.
        ground_truth: JSON with `truth` (caller's order), `order` (as shown) and `dialect`, as
            `export_prompts` writes it.
        extra_info: not used.

    Returns:
        `score` (+1 or -1), and what verl logs beside it: `correct` and `parsed`, 0 or 1.

    Raises:
        InputError: the ground truth is not of `export_prompts`: verl was given other data.
    """
    known = _known(ground_truth)
    found = reward_text(
        solution_str or "",
        dialect=_dialect(known["dialect"]),
        order=known["order"],
        ground_truth=known["truth"],
    )
    return {
        "score": found.reward,
        "correct": float(found.correct is True),
        "parsed": float(found.correct is not None),
    }


def export_prompts(
    samples: Sequence[Sample],
    path: str | Path,
    *,
    dialect: Dialect,
    epochs: int = 1,
    seed: int = 0,
) -> int:
    """Write the prompts as verl reads them (Parquet); returns how many rows.

    Responses are in a new order in every epoch, so give verl `total_epochs: 1`.

    Raises:
        InputError: there are no items, one has no usable ground truth, the file cannot be written,
            or the extra `parquet` is not installed.
    """
    need("parquet", "writing prompts for verl")
    import pandas as pd  # noqa: PLC0415 - slow to import

    if not samples:
        raise InputError("there are no items to export; give preferences with ground truth")
    rows = [
        {
            "data_source": SOURCE,
            "prompt": row["prompt"],
            "ability": "judging",
            "reward_model": {
                "style": "rule",
                "ground_truth": json.dumps(
                    {"truth": row["ground_truth"], "order": row["order"], "dialect": dialect.spec}
                ),
            },
            "extra_info": {"index": index, "sample_id": row["sample_id"]},
        }
        for index, row in enumerate(shuffled_rows(samples, dialect, epochs=epochs, seed=seed))
    ]
    with writing(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(path)
    return len(rows)


def _known(ground_truth: str | Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        known = json.loads(ground_truth) if isinstance(ground_truth, str) else ground_truth
    except ValueError:
        known = None
    if not isinstance(known, Mapping) or not {"truth", "order", "dialect"} <= known.keys():
        raise InputError(
            f"ground_truth {str(ground_truth)!r:.80} is not JSON with truth, order, dialect; give "
            "verl the data that deemster.training.verl.export_prompts writes"
        )
    if sorted(known["order"]) != list(range(len(known["truth"]))):
        raise InputError(
            f"ground_truth: order {known['order']} does not name each of {len(known['truth'])} "
            "responses once"
        )
    return known


@lru_cache(maxsize=8)
def _dialect(spec: str) -> Dialect:
    return open_dialect(spec)


__all__ = ["COLUMNS", "compute_score", "export_prompts"]
