from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.reports.embed import Blocks, escaped_json
from deemster.reports.evidence import passage
from deemster.reports.html import figure
from deemster.reports.plots import judge_plots
from deemster.reports.records import JudgeSection, Latency
from deemster.reports.svg import plain
from deemster.schemas import Failure, JudgeInfo, Judgment, Sample, Verdict
from deemster.suites.metrics import Item, summarise

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
VALUES = st.recursive(TEXT | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=4))


@given(VALUES)
def test_escaped_json_is_the_same_value_and_ends_no_element(value: object) -> None:
    text = escaped_json(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


@given(st.lists(TEXT, max_size=12), st.integers(1, 5))
def test_blocks_give_back_every_record_in_its_place(texts: list[str], size: int) -> None:
    with Blocks(size=size) as blocks:
        numbers = [blocks.add({"text": text}) for text in texts]
        packed = list(blocks.packed())
    for number, text in zip(numbers, texts, strict=True):
        block = json.loads(zlib.decompress(base64.b64decode(packed[number // size])))
        assert block[number % size] == {"text": text}


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        pytest.param(None, "percent", "–", id="missing"),
        pytest.param(0.1234, "percent", "12.3\u202f%", id="percent"),
        pytest.param(-0.05, "points", "−5.0", id="points"),
        pytest.param(12345, "count", "12\u202f345", id="count"),
        pytest.param(0.00042, "usd", "$0.00042", id="small-money"),
        pytest.param(1234.5, "usd", "$1,234.50", id="money"),
        pytest.param(1e-9, "p", "< 0.0001", id="p"),
        pytest.param(0.034, "p", "0.034", id="p-plain"),
        pytest.param(2.0, "seconds", "2.00\u202fs", id="seconds"),
    ],
)
def test_figures_as_readers_want_them(value: float | None, kind: str, text: str) -> None:
    assert figure(value, kind) == text


def test_passages_are_about_the_principle() -> None:
    critique = "It opens well. The tone is rude to the user. It is long. " + "More words. " * 80
    assert passage(critique, "Respectful tone").startswith("The tone is rude")
    assert len(passage(critique, "Respectful tone")) <= 360
    assert passage(critique, "zzz").startswith("It opens well.")
    assert passage("x" * 1000, "zzz") == "x" * 359 + "…"
    assert passage("", "tone") == ""


HOSTILE = (
    "<script>alert(1)</script>",
    "$\\frac{1}{2}$ & $",
    "\x00\x07\x1b[31m\ufffe",
    "语言 العربية 🙂",
    "]]><!--",
    "a\nb\tc",
    "",
)


def section() -> JudgeSection:
    """A judge on subsets with hostile names, with every plot."""
    items, info = [], JudgeInfo(name="j", model="m")
    for i in range(70):
        scores = [(7.0, 3.0), (3.0, 7.0), (6.0, 5.0)]
        votes = [
            Judgment(
                scores=scores[(i + d) % 3] if i % 7 == 0 else scores[0], draw=d,
                order=(0, 1) if d % 2 else (1, 0), meta_reward=0.1 * d,
            )
            for d in range(4)
        ]  # fmt: skip
        verdict = Verdict(
            rewards=(1.0, 0.0 if i % 5 else 2.0), best=0 if i % 5 else 1, ranking=(0, 1),
            confidence=0.5 + 0.007 * i, votes=(*votes, Failure(status="timeout", message="")),
            k=5, n_valid=4, judge=info,
        )  # fmt: skip
        sample = Sample(
            id=str(i), query="q", responses=["a", "b"], ground_truth=(1, 0),
            subset=HOSTILE[i % len(HOSTILE)],
        )  # fmt: skip
        items.append(Item.from_verdict(sample, verdict))
    latency = Latency(
        n=3, mean=1, p50=1, p95=2, p99=2, longest=3, edges=(0.0, 1.0, 2.0), counts=(2, 1)
    )
    return JudgeSection(
        label="j", run="r", summary=summarise(items), latency=latency, policies=(),
        weaknesses=(), changes=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def plots() -> dict[str, str]:
    return judge_plots(section(), name="j0")


def test_all_plots_are_drawn_and_reproducible(plots: dict[str, str]) -> None:
    assert set(plots) == {"curve", "subsets", "calibration", "position", "latency"}
    assert judge_plots(section(), name="j0") == plots


def test_plots_keep_to_a_strict_policy(plots: dict[str, str]) -> None:
    ids: list[str] = []
    for svg in plots.values():
        root = ET.fromstring(svg)
        for element in root.iter():
            assert "style" not in element.attrib
            assert element.tag.rpartition("}")[2] not in {"style", "script", "metadata", "image"}
            ids += [element.attrib["id"]] if "id" in element.attrib else []
            for key, value in element.attrib.items():
                if key.endswith("href"):
                    assert value.startswith("#j0-")
        references = re.findall(r'(?:href="|url\()#([^")]+)', svg)
        assert set(references) <= set(ids)
        assert "#0" not in svg.replace("#j0", "")  # every colour is one of the page's names
        assert "var(--ink)" in svg or "var(--series-1)" in svg
    assert len(ids) == len(set(ids))


def test_hostile_labels_stay_text(plots: dict[str, str]) -> None:
    texts = [
        "".join(t.itertext()) for t in ET.fromstring(plots["subsets"]).iter() if "text" in t.tag
    ]
    assert "<script>alert(1)</script>" in texts
    assert "$\\frac{1}{2}$ & $" in texts
    assert any("语言" in text for text in texts)


@given(st.text(max_size=80))
def test_labels_are_one_line_without_controls(text: str) -> None:
    label = plain(text, 20)
    assert len(label) <= 20
    assert not re.search("[\x00-\x1f\x7f\ufffe\uffff]", label)
