"""The two arms of the comparison: equal but for the experts; the table of what they did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from lab.moe.__main__ import main
from lab.moe.judging import verdicts_file
from lab.moe.models import ROUTED, WIDTH, new_base
from lab.moe.table import table
from lab.nano.tokenizer import train_tokenizer


def test_the_arms_have_as_many_active_parameters(tmp_path: Path) -> None:
    """But for the routers, one column per expert in three layers."""
    tokenizer = train_tokenizer(["a b c"], vocabulary=300)
    dense = new_base("dense", tmp_path / "dense", tokenizer, seed=0)
    moe = new_base("moe", tmp_path / "moe", tokenizer, seed=0)
    assert dense["parameters"] == dense["active"]
    assert moe["active"] - dense["active"] == 3 * WIDTH * ROUTED
    assert moe["parameters"] > 1.5 * moe["active"]


@pytest.mark.parametrize("step", [None, 20], ids=["finished", "checkpoint"])
def test_the_table_has_what_is_there(step: int | None, tmp_path: Path) -> None:
    for arm, right in (("dense", [True, False] * 50), ("moe", [True] * 80 + [False] * 20)):
        (tmp_path / arm).mkdir()
        sizes = {"parameters": 2000, "active": 1000, "step_tokens": 600}
        (tmp_path / arm / "sizes.json").write_text(json.dumps(sizes), "utf-8")
        verdicts = json.dumps({"right": right, "tokens": 90, "cpu": 3.0})
        verdicts_file(tmp_path / arm, step).write_text(verdicts, "utf-8")
        load = {"expert_load": 1.5} if arm == "moe" else {}
        lines = [json.dumps({"step": i, "cpu": 2.0 * i, **load}) for i in range(1, 21)]
        later = json.dumps({"step": 21, "cpu": 99.0, "expert_load": 8.0})
        lines += [] if step is None else [later]
        (tmp_path / arm / "metrics.jsonl").write_text("\n".join(lines), "utf-8")
    head, _, dense, moe, _, gap = table(tmp_path, step=step).splitlines()
    assert head.count("|") == dense.count("|") == moe.count("|")
    assert dense.startswith("| dense | 2,000 | 1,000 | 50.0 (")
    assert moe.endswith("| 300 tokens/s | 30 tokens/s | 1.50 times an even load |")
    assert "+30.0 (" in gap
    verdicts_file(tmp_path / "moe", step).unlink()
    assert len(table(tmp_path, step=step).splitlines()) == 3


@pytest.mark.slow
def test_a_run_of_two_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--out", str(tmp_path), "--steps", "2", "--items", "3"])
    first = capsys.readouterr().out
    assert "| dense |" in first
    assert "times an even load" in first
    main(["--out", str(tmp_path), "--table"])
    assert capsys.readouterr().out == first
