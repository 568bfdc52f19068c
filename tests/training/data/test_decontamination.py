from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.errors import InputError
from deemster.schemas import Sample, as_query, as_response
from deemster.training.data import Instruction, decontaminate

WORDS = [f"word{i}" for i in range(14)]


def sample(name: str, query: str, *responses: str) -> Sample:
    return Sample.model_validate({"id": name, "query": query, "responses": responses or ["yes"]})


def test_thirteen_words_in_a_row_are_too_many() -> None:
    held_out = [sample("e1", f"Please say: {' '.join(WORDS)}.")]
    shared_13 = sample("a", f"Now {' '.join(WORDS[:13])} and stop")
    shared_12 = sample("b", f"Now {' '.join(WORDS[:12])} and stop")
    kept, removed = decontaminate([shared_13, shared_12], held_out)
    assert kept == [shared_12]
    [overlap] = removed
    assert overlap.item == shared_13
    assert overlap.evaluation == "evaluation/e1"
    assert overlap.gram == " ".join(WORDS[:13])


def test_case_and_punctuation_do_not_hide() -> None:
    held_out = [sample("e", " ".join(WORDS))]
    hidden = sample("a", "x", ", ".join(WORDS).upper() + "!")
    assert decontaminate([hidden], held_out).kept == []


def test_responses_of_the_evaluation_count() -> None:
    held_out = [sample("e", "q", " ".join(WORDS))]
    assert decontaminate([sample("a", " ".join(WORDS))], held_out).kept == []


def test_short_queries_are_found_whole_and_short_responses_not_at_all() -> None:
    held_out = [sample("e", "What is 6 * 7?", "42")]
    same = sample("a", "what is 6 * 7", "54")
    longer = sample("b", "What is 6 * 7? Explain.", "42")
    assert decontaminate([same, longer], held_out).kept == [longer]


def test_counts_by_set_and_instructions_too() -> None:
    sets = {"bench": [sample("e", "one short question")], "other": [sample("f", " ".join(WORDS))]}
    general = [
        Instruction(id="1", messages=(*as_query("one short question"), as_response("a"))),
        Instruction(id="2", messages=(*as_query("q"), as_response(" ".join(WORDS)))),
        Instruction(id="3", messages=(*as_query("q"), as_response("fine"))),
        Instruction(id="4", messages=(*as_query("one short question"), as_response("b"))),
    ]
    found = decontaminate(general, sets)
    assert [one.id for one in found.kept] == ["3"]
    assert found.counts == {
        "kept": 1,
        "removed": 3,
        "removed by bench": 2,
        "removed by other": 1,
    }


TEXT = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=9).map(" ".join)


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4), st.integers(1, 5))
def test_kept_and_removed_by_definition(train: list[str], held_out: list[str], n: int) -> None:
    samples = [sample(str(i), text) for i, text in enumerate(train)]
    found = decontaminate(samples, [sample("e", text, "-") for text in held_out], n=n)
    assert len(found.kept) + len(found.removed) == len(samples)

    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))}

    known = set().union(*map(runs, held_out))
    for one in found.kept:
        # "yes", the response of all, is in no evaluation set.
        assert not runs(one.query[0].text) & known
    for overlap in found.removed:
        assert runs(overlap.item.query[0].text) & known


@pytest.mark.parametrize("n", [0, 101])
def test_n_out_of_range(n: int) -> None:
    with pytest.raises(InputError, match=f"n must be from 1 to 100 words, got {n}"):
        decontaminate([], [], n=n)
