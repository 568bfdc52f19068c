from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deemster.errors import InputError
from deemster.schemas import Message
from deemster.training.data import (
    DataSource,
    Instruction,
    draw_instructions,
    load_instructions,
)

ASK = {"role": "user", "content": "Hello?"}
REPLY = {"role": "assistant", "content": "Hi."}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}
PICTURE = {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}
EXPECTED = (Message(role="user", content="Hello?"), Message(role="assistant", content="Hi."))


def load(path: Path, rows: list[Any], **options: Any) -> list[Instruction]:
    path.write_text("\n".join(map(json.dumps, rows)))
    return load_instructions(DataSource.model_validate({"path": str(path), **options}))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"messages": [ASK, REPLY]}, id="messages"),
        pytest.param({"prompt": "Hello?", "completion": "Hi."}, id="texts"),
        pytest.param({"prompt": [ASK], "completion": [REPLY]}, id="turns"),
        pytest.param({"query": "Hello?", "response": "Hi.", "source": "x"}, id="other-names"),
    ],
)
def test_layouts(tmp_path: Path, row: dict[str, Any]) -> None:
    assert load(tmp_path / "general.jsonl", [row]) == [Instruction(id="1", messages=EXPECTED)]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param({"text": "a"}, "no responses found; known shapes: ", id="no-layout"),
        pytest.param({"messages": [ASK]}, "'messages' must end with an assistant turn", id="last"),
        pytest.param({"messages": [REPLY]}, "needs a turn before", id="only-answer"),
        pytest.param({"messages": 3}, "'messages' must be text or messages", id="type"),
        pytest.param({"prompt": "a", "completion": " "}, "last turn is empty", id="blank"),
        pytest.param({"messages": [{"role": "robot", "content": ""}]}, "role: ", id="role"),
        pytest.param([1], "expected an object", id="no-object"),
        pytest.param({"messages": [ASK, CALL]}, "calls tools, and its text alone", id="tool-call"),
        pytest.param({"messages": [ASK, PICTURE]}, "has images, and its text alone", id="image"),
    ],
)
def test_a_bad_row_is_one_line_with_file_and_row(tmp_path: Path, row: Any, told: str) -> None:
    path = tmp_path / "general.jsonl"
    good = {"messages": [ASK, REPLY]}
    with pytest.raises(InputError, match=f"general.jsonl line 2: .*{told}") as caught:
        load(path, [good, row])
    assert "\n" not in str(caught.value)
    problems: list[str] = []
    source = DataSource(path=str(path), bad_rows="skip")
    assert len(load_instructions(source, problems=problems)) == 1
    assert len(problems) == 1
    with pytest.raises(InputError, match=r"no instructions in .*; the first problem: .*line 1"):
        load(path, [row], bad_rows="skip")


def test_only_from_rows() -> None:
    with pytest.raises(
        InputError, match="instructions come from path or dataset, got 'judgebench'"
    ):
        load_instructions(DataSource(benchmark="judgebench"))


def test_limit(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "completion": "a"} for i in range(30)]
    drawn = load(tmp_path / "general.jsonl", rows, limit=5)
    assert len(drawn) == 5
    assert drawn == load(tmp_path / "general.jsonl", rows, limit=5)


POOL = [Instruction(id=str(i), messages=EXPECTED) for i in range(100)]


@pytest.mark.parametrize(
    ("share", "others", "count"),
    [(0.0, 50, 0), (0.5, 50, 50), (0.25, 90, 30), (0.8, 25, 100), (0.5, 0, 0)],
)
def test_share_of_the_mixture(share: float, others: int, count: int) -> None:
    drawn = draw_instructions(POOL, share=share, others=others, seed=1)
    assert len({one.id for one in drawn}) == len(drawn) == count
    if others:
        assert len(drawn) / (len(drawn) + others) == pytest.approx(share)


def test_the_seed_decides() -> None:
    first, again, other = (
        draw_instructions(POOL, share=0.5, others=20, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_what_cannot_be_mixed() -> None:
    with pytest.raises(InputError, match=r"share .* must be >= 0 and < 1, got 1.0"):
        draw_instructions(POOL, share=1.0, others=5, seed=0)
    with pytest.raises(InputError, match="needs 900 instructions, but there are 100"):
        draw_instructions(POOL, share=0.9, others=100, seed=0)
