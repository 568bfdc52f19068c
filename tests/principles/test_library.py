from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.errors import InputError
from deemster.principles import (
    as_principles,
    dump_rubric,
    list_rubrics,
    load_rubric,
    principles_hash,
)
from deemster.schemas import Band, Principle, Rubric

EXPECTED = {
    "agent-path",
    "agent-result",
    "code",
    "creative-writing",
    "dialogue",
    "factuality",
    "grounding",
    "helpfulness",
    "instruction-following",
    "reasoning",
    "safety",
    "summarisation",
    "tool-use",
    "translation",
}

GOOD = """\
name: notes
version: 2
description: Release notes.
principles:
  - name: Complete
    weight: 60
    description: All changes are told.
    bands:
      1-4: A breaking change is missing.
      9-10: Nothing is missing.
      5-8: Something small is missing.
  - name: Plain
    weight: 40
    description: No jargon.
    bands: {0: Riddles., 1: Plain words.}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# What ships


def test_all_ship() -> None:
    rubrics = list_rubrics()
    assert [rubric.name for rubric in rubrics] == sorted(EXPECTED)
    assert all(load_rubric(rubric.name) == rubric for rubric in rubrics)


@pytest.mark.parametrize("rubric", [pytest.param(r, id=r.name) for r in list_rubrics()])
def test_shipped_rubric_is_complete(rubric: Rubric) -> None:
    assert rubric.version >= 1
    assert rubric.description.endswith(".")
    assert "\n" not in rubric.description
    assert 3 <= len(rubric.principles) <= 6
    assert sum(principle.weight for principle in rubric.principles) == 100
    for principle in rubric.principles:
        assert len(principle.description.split()) >= 15, principle.name
        scores = [s for band in principle.bands for s in range(band.high, band.low - 1, -1)]
        assert scores == list(range(10, 0, -1)), principle.name


def test_no_band_is_copied() -> None:
    meanings = [b.meaning for r in list_rubrics() for p in r.principles for b in p.bands]
    assert len(set(meanings)) == len(meanings)
    descriptions = [p.description for r in list_rubrics() for p in r.principles]
    assert len(set(descriptions)) == len(descriptions)


@pytest.mark.parametrize("rubric", [pytest.param(r, id=r.name) for r in list_rubrics()])
def test_shipped_rubric_survives_a_dump(rubric: Rubric, tmp_path: Path) -> None:
    assert load_rubric(write(tmp_path, dump_rubric(rubric))) == rubric


# The user's own files


def test_reads_a_file(tmp_path: Path) -> None:
    rubric = load_rubric(write(tmp_path, GOOD))
    assert (rubric.name, rubric.version, len(rubric.principles)) == ("notes", 2, 2)
    assert [(b.high, b.low) for b in rubric.principles[0].bands] == [(10, 9), (8, 5), (4, 1)]
    assert rubric.principles[1].bands == (
        Band(low=1, high=1, meaning="Plain words."),
        Band(low=0, high=0, meaning="Riddles."),
    )


def test_criteria_as_plain_texts(tmp_path: Path) -> None:
    rubric = load_rubric(write(tmp_path, "name: x\nprinciples: ['Tone: warm', Brevity]\n"))
    assert rubric.principles == (
        Principle(name="Tone", description="warm"),
        Principle(name="Brevity"),
    )
    with pytest.raises(InputError, match=r":3: principles.1: blank"):
        load_rubric(write(tmp_path, "name: x\nprinciples: [a,\n '']\n"))


def test_file_beside_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("code").write_text(GOOD)
    assert load_rubric("code").name == "code"
    assert load_rubric("./code").name == load_rubric(Path("code")).name == "notes"


def test_byte_order_mark_and_umlauts(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("notes", "Größe").encode())
    assert load_rubric(path).name == "Größe"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        pytest.param("weight: 40", "weight: .nan", 13, ["principles.1.weight", "nan"], id="nan"),
        pytest.param("weight: 40", "weight: .inf", 13, ["principles.1.weight", "inf"], id="inf"),
        pytest.param("weight: 40", "weight: '40'", 13, ["weight", "'40'"], id="text-for-number"),
        pytest.param("weight: 40", "weight: yes", 13, ["weight", "True"], id="bool-for-number"),
        pytest.param("version: 2", "version: 0", 2, ["version", "0"], id="version-0"),
        pytest.param("version: 2", "version: 1.5", 2, ["version", "1.5"], id="version-fraction"),
        pytest.param("name: notes", "name: 2026-11-20", 1, ["name", "date"], id="date-for-name"),
        pytest.param("name: Plain", "name: ''", 12, ["principles.1.name"], id="blank-name"),
        pytest.param("name: Plain", "name: Complete", 1, ["must differ", "Complete"], id="twins"),
        pytest.param(
            "version: 2",
            "author: me",
            2,
            ["author", "unknown key", "name, version, description, principles"],
            id="unknown-key",
        ),
        pytest.param(
            "weight: 40",
            "wieght: 40",
            13,
            ["principles.1.wieght", "unknown key", "name, weight, description, bands"],
            id="unknown-key-inside",
        ),
        pytest.param("9-10:", "nine:", 10, ["bands", "'nine'", "such as 9-10"], id="no-range"),
        pytest.param("9-10:", "10-9:", 8, ["upside down"], id="upside-down"),
        pytest.param("9-10:", "8-10:", 5, ["gap or overlap"], id="overlap"),
        pytest.param("9-10:", "10:", 5, ["gap or overlap"], id="gap"),
        pytest.param("Nothing is missing.", "7", 10, ["9-10", "must be a text", "7"], id="meaning"),
        pytest.param("version: 2", "name: twice", 2, ["'name' occurs twice"], id="key-twice"),
        pytest.param("    weight: 40", "   weight: 40", 14, [], id="indentation"),
        pytest.param("version: 2", "version: *nobody", 2, ["undefined alias"], id="no-anchor"),
        pytest.param("Release notes.", "!!python/object:os.x {}", 3, ["python/object"], id="tag"),
        pytest.param("version: 2", "version: {{{{", 2, [], id="braces"),
    ],
)
def test_error_names_file_line_key_and_value(
    tmp_path: Path, old: str, new: str, line: int, said: list[str]
) -> None:
    assert GOOD.count(old) == 1
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_rubric(path)
    text = str(caught.value)
    assert "\n" not in text
    for part in [str(path), *said]:
        assert part in text
    at = int(text.removeprefix(f"{path}:").partition(":")[0])
    assert abs(at - line) <= (2 if not said else 0), text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "this is empty", id="empty"),
        pytest.param("# nothing\n", "this is empty", id="comment"),
        pytest.param("just words", "this is a str", id="text"),
        pytest.param("name: x\n", "principles: Field required", id="no-principles"),
        pytest.param("name: x\nprinciples: []\n", "principles", id="none"),
        pytest.param("name: x\nprinciples: code\n", "principles", id="text-for-list"),
        pytest.param("name: x\nprinciples: [7]\n", "principles.0", id="number-for-mapping"),
        pytest.param("a: 1\n---\nb: 2\n", "another document", id="two-documents"),
        pytest.param("name: x\n? [1]\n: y\n", "", id="list-for-key"),
        pytest.param("when: 2026-99-99\nname: x\n", "no timestamp", id="no-such-date"),
        pytest.param(
            "name: x\nprinciples: [{name: a, weight: 0}, {name: b, weight: 0}]\n",
            "all principle weights are 0",
            id="all-zero",
        ),
        pytest.param("\x00", "", id="nul"),
    ],
)
def test_file_that_is_no_rubric(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_rubric(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(LAUGHS, ":1: more than 20,000 values", id="billion-laughs"),
        pytest.param("a: &a\n  - *a\n", "nested more than 100 deep", id="contains-itself"),
        # The younger PyYAML has a limit of its own.
        pytest.param("[" * 5000 + "]" * 5000, "nested more than 100 deep|nesting depth", id="deep"),
        pytest.param("a: [" + "1," * 30_000 + "]", "more than 20,000 values", id="wide"),
        pytest.param(
            "a: &a [" + "1," * 4000 + "]\nb: [*a, *a, *a, *a, *a, *a]",
            "more than 20,000 values",
            id="wide-by-aliases",
        ),
        pytest.param("x" * 300_000, "larger than 256 KiB", id="large"),
    ],
)
def test_hostile_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_rubric(write(tmp_path, text))


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: Größe".encode("latin-1"))
    with pytest.raises(InputError, match=r"not UTF-8 text \(byte 8: "):
        load_rubric(path)


def test_no_such_rubric(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'helpfullness' is neither a rubric nor a file; rubrics: "
    ):
        load_rubric("helpfullness")
    with pytest.raises(InputError, match="Is a directory"):
        load_rubric(tmp_path)


@given(
    data=st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode(errors="ignore"))
)
@settings(max_examples=200)
def test_any_file_gives_a_rubric_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(data)
    try:
        rubric = load_rubric(path)
    except InputError as error:
        assert "fuzz.yaml" in str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert rubric.principles


# Dump and load


@st.composite
def _bands(draw: st.DrawFn) -> tuple[Band, ...]:
    heights = draw(st.lists(st.integers(1, 4), max_size=4))
    low = draw(st.integers(-5, 5))
    bands = []
    for height in heights:
        meaning = draw(st.text(min_size=1, max_size=150).filter(str.strip))
        bands.append(Band(low=low, high=low + height - 1, meaning=meaning))
        low += height
    return tuple(reversed(bands))


_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
_PRINCIPLES = st.builds(
    Principle,
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
    description=_WORDS,
    weight=st.floats(1e-6, 1e6),
    bands=_bands(),
)
_RUBRICS = st.builds(
    Rubric,
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    description=_WORDS,
    version=st.integers(1, 10**6),
    principles=st.lists(_PRINCIPLES, min_size=1, max_size=4, unique_by=lambda p: p.name),
)


@given(rubric=_RUBRICS)
@settings(max_examples=150)
def test_dump_round_trips(tmp_path_factory: pytest.TempPathFactory, rubric: Rubric) -> None:
    path = tmp_path_factory.getbasetemp() / "dump.yaml"
    path.write_bytes(dump_rubric(rubric).encode())
    assert load_rubric(path) == rubric


def test_dump_is_readable() -> None:
    text = dump_rubric(load_rubric("helpfulness"))
    assert text.startswith("name: helpfulness\nversion: 1\ndescription: How far")
    assert "weight: 40\n" in text
    assert "    9-10: " in text
    assert "&" not in text
    assert "\\" not in text


# What `principles=` accepts


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("factuality", id="name"),
        pytest.param(load_rubric("factuality"), id="rubric"),
        pytest.param(load_rubric("factuality").principles, id="tuple"),
        pytest.param(list(load_rubric("factuality").principles), id="list"),
        pytest.param(load_rubric("factuality").model_dump(), id="mapping"),
        pytest.param([p.model_dump() for p in load_rubric("factuality").principles], id="mappings"),
    ],
)
def test_all_spellings_mean_the_same(value: Any) -> None:
    principles = as_principles(value)
    assert [p.weight for p in principles] == pytest.approx([0.5, 0.25, 0.15, 0.1])
    assert principles == as_principles(load_rubric("factuality"))
    assert principles_hash(principles) == principles_hash(as_principles("factuality"))


def test_path_and_inline_mapping(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert as_principles(path) == as_principles(str(path))
    inline = {"principles": [{"name": "Plain", "bands": {"6-10": "Plain.", "1-5": "Not."}}]}
    [principle] = as_principles(inline)
    assert principle.weight == 1
    assert [band.low for band in principle.bands] == [6, 1]
    assert as_principles(principle) == (principle,)


MEANT = [("Short", "", 30.0), ("Warm", "Says hello", 70.0)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "- {name: Short, weight: 30}\n- {name: Warm, weight: 70, description: Says hello}\n",
            id="bare-list",
        ),
        pytest.param(
            "principles:\n- {requirement: Short, weight: 30%}\n"
            "- {criterion: 'Warm: Says hello', weight: 70 %}\n",
            id="percent",
        ),
        pytest.param(
            "criteria:\n- {description: Short, points: 30}\n"
            "- {title: Warm, description: Says hello, points: 70, tags: [x]}\n",
            id="points",
        ),
        pytest.param(
            "rubrics:\n- {name: Short, weight: 30, bands: null}\n"
            "- {name: Warm, description: Says hello, weight: 70, id: 4}\n",
            id="null-and-id",
        ),
    ],
)  # fmt: skip
def test_rubrics_as_others_write_them(tmp_path: Path, text: str) -> None:
    rubric = load_rubric(write(tmp_path, text))
    assert rubric.name == "mine"
    assert [(p.name, p.description, p.weight) for p in rubric.principles] == MEANT


def test_a_penalty_is_a_criterion_to_avoid(tmp_path: Path) -> None:
    text = "- {criterion: States the dose, points: 5}\n- {criterion: Invents a study, points: -8}\n"
    kept, avoided = load_rubric(write(tmp_path, text)).principles
    assert (kept.name, kept.weight) == ("States the dose", 5)
    assert (avoided.name, avoided.weight) == ("Avoids: Invents a study", 8)
    assert "gets the lowest score" in avoided.description
    # Rewards stand in the order that the points say, whatever a response has of the two.
    points = {(dose, fault): 5 * dose - 8 * fault for dose in (0, 1) for fault in (0, 1)}
    reward = {
        (dose, fault): kept.weight * dose + avoided.weight * (1 - fault) for dose, fault in points
    }
    assert sorted(points, key=points.__getitem__) == sorted(reward, key=reward.__getitem__)


def test_score_levels_are_bands() -> None:
    levels = {f"score{n}_description": f"level {n}" for n in range(1, 6)}
    [principle] = as_principles({"criteria": "Is it polite?"} | levels)
    assert principle.name == "Is it polite?"
    assert [(b.low, b.high, b.meaning) for b in principle.bands] == [
        (n, n, f"level {n}") for n in range(5, 0, -1)
    ]
    assert (
        as_principles([{"name": "Is it polite?", "scores": {n: f"level {n}" for n in (1, 2)}}])[
            0
        ].bands
        == principle.bands[3:]
    )


def test_shortened_names_that_read_alike_are_numbered() -> None:
    long = "The answer names the year, the place and the people who took part in it, all three, "
    names = [principle.name for principle in as_principles([long + "A", long + "B"])]
    assert names[1] == f"{names[0]} (2)"


def test_texts_as_criteria() -> None:
    long = "The answer names the year, the place and the people who took part in it, all three"
    principles = as_principles(
        ["Brevity", "Tone:  friendly, never\n servile", long, {"name": "Heavy", "weight": 3}]
    )
    assert [p.weight for p in principles] == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert principles[0].name == "Brevity"
    assert (principles[1].name, principles[1].description) == ("Tone", "friendly, never servile")
    assert principles[2].description == long
    assert len(principles[2].name) <= 80
    assert principles[2].name.endswith("…")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param([], "principles is empty", id="empty"),
        pytest.param((), "principles is empty", id="empty-tuple"),
        pytest.param(7, "got int", id="number"),
        pytest.param(
            [7], "principles.0: must be a text, got 7; put it in quotes", id="number-inside"
        ),
        pytest.param([["a"]], "principles.0: Input should be", id="list-inside"),
        pytest.param([""], "principles.0: blank", id="blank"),
        pytest.param("no-such", "neither a rubric nor a file", id="unknown-name"),
        pytest.param(["A", "A"], "must differ", id="twins"),
        pytest.param([{"name": "a", "weight": math.nan}], "principles.0.weight", id="nan"),
        pytest.param([{"name": "a", "weight": math.inf}], "principles.0.weight", id="inf"),
        pytest.param([{"name": "a", "weight": True}], "got True", id="bool"),
        pytest.param([{"name": "a", "weight": 0}], "all principle weights are 0", id="all-zero"),
        pytest.param([{"weight": 1}], "name: Field required", id="no-name"),
        pytest.param([{"name": "a", "rank": 1}], "rank: unknown key; known: name, w", id="key"),
        pytest.param([{"name": "a", "bands": {True: "x"}}], "band True is not", id="band-bool"),
        pytest.param({"name": "x"}, "principles: Field required", id="mapping-without"),
        pytest.param([{"name": "a", "weight": "3%"}, "b"], "all of them with %", id="percent"),
        pytest.param([{"name": "a", "weight": "3"}], "got '3'", id="text-weight"),
        pytest.param([{"criterion": 7}], "must be a text, got 7; put it in quotes", id="number"),
        pytest.param(
            [{"name": "a", "weight": -1, "bands": {1: "x"}}], "penalty has no bands", id="penalty"
        ),
        pytest.param(
            [{"name": "a", "weight": 1e308}, {"name": "b", "weight": 1e308}],
            "too large to add up",
            id="overflow",
        ),
    ],
)
def test_bad_principles(value: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        as_principles(value)
    assert said in str(caught.value)


@given(weights=st.lists(st.floats(0, 1e9), min_size=1, max_size=9).filter(lambda w: sum(w) > 0))
def test_weights_sum_to_one_and_keep_their_proportions(weights: list[float]) -> None:
    given_ = [Principle(name=str(i), weight=weight) for i, weight in enumerate(weights)]
    principles = as_principles(given_)
    assert math.fsum(p.weight for p in principles) == pytest.approx(1)
    heaviest = max(range(len(weights)), key=weights.__getitem__)
    assert max(p.weight for p in principles) == principles[heaviest].weight


def test_hash_sees_every_field() -> None:
    base = Principle(name="a", description="b", weight=1.0)
    band = Band(low=1, high=2, meaning="m")
    others = [
        base.model_copy(update=change)
        for change in ({"name": "c"}, {"description": "c"}, {"weight": 2.0}, {"bands": (band,)})
    ]
    hashes = {principles_hash([p]) for p in (base, *others)}
    assert len(hashes) == 5
    assert principles_hash([base, others[0]]) != principles_hash([others[0], base])
