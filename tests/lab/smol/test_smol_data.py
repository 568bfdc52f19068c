"""The small judge's data: judgments that agree with the truth, in which no place is favoured."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest

from deemster import Judge
from deemster.backends._local.sums import results
from deemster.dialects import open_dialect
from deemster.dialects.base import to_caller_order
from deemster.schemas import Completion
from deemster.training.data import decontaminate
from deemster.training.outcome import is_correct
from lab.smol import KINDS, Judged, generate
from lab.smol.__main__ import CASSETTE, SAMPLES, write
from lab.smol.domain import prompt_of
from lab.smol.generator import WEIGHTS
from lab.smol.item import RIGHT
from lab.smol.kinds import FAMILIES
from lab.smol.measure import DEVELOPMENT, HELD_OUT, held_out, measure, reserved
from lab.smol.tables import facts

SMOL = open_dialect("smol")
COUNT = 2500


@pytest.fixture(scope="module")
def drawn() -> list[Judged]:
    return list(generate(COUNT, seed=7))


def test_the_teacher_is_right_in_every_order(drawn: list[Judged]) -> None:
    for one in drawn:
        n = len(one.answers)
        for order in permutations(range(n)):
            parsed = SMOL.parse(Completion(text=one.completion(order)), n=n)
            scores = to_caller_order(parsed, order, n).scores
            assert one.sample.ground_truth is not None
            assert is_correct(scores, one.sample.ground_truth), one.completion(order)
            assert len(parsed.critiques) == n
            assert len(parsed.principles) == len(one.task.principles)


def test_what_decides_is_said_before_the_verdict(drawn: list[Judged]) -> None:
    """The findings of a right and a wrong answer part only after what the answers say."""
    begun: dict[str, set[str]] = {}
    for one in drawn:
        for answer in one.answers:
            first = answer.finding.split(" ")[0]
            side = "right" if answer.grade == one.task.right.grade else "wrong"
            if not first.strip('"')[:1].isdigit() and first[0] != '"':
                begun.setdefault(first, set()).add(side)
    assert all(sides == {"right", "wrong"} for sides in begun.values()), begun


_TERM = r"-?\d+(?:\.\d+)?"
_SIDE = rf"{_TERM}(?: [-+x/] {_TERM})*"
_CHAIN = re.compile(
    rf"(?<![-+x/*] )(?<![\d:.]){_SIDE}(?: = {_SIDE})+(?: rest \d+)?(?![:\d%]| ?(?:min|h)\b)"
)


def _value(side: str) -> Fraction:
    """What a side of an equation comes to, products and quotients first."""
    total, sign, terms = Fraction(0), 1, side.split(" ")
    while terms:
        value = Fraction(terms.pop(0))
        while terms and terms[0] in {"x", "/"}:
            by, other = terms.pop(0), Fraction(terms.pop(0))
            value = value * other if by == "x" else value / other
        total += sign * value
        if terms:
            sign = 1 if terms.pop(0) == "+" else -1
    return total


def test_every_equation_of_the_teacher_holds(drawn: list[Judged]) -> None:
    found = 0
    for one in drawn:
        for principle in one.task.principles:
            for chain in _CHAIN.findall(principle.text):
                left, *rest = chain.split(" rest ")
                sides = [_value(side) for side in left.split(" = ")]
                if rest:  # of a quotient: 44 / 6 = 7 rest 2
                    divisor = int(left.split(" ")[2])
                    sides[-1] += Fraction(int(rest[0]), divisor)
                assert len(set(sides)) == 1, principle.text
                found += 1
    assert found > COUNT / 5


def test_the_calculator_finds_what_the_teacher_does(drawn: list[Judged]) -> None:
    found: Counter[str] = Counter()
    for one in drawn:
        text, prompt = one.completion(tuple(range(len(one.answers)))), prompt_of(one.sample)
        for sign in re.finditer(r"[=+]", text):
            rest = text[sign.end() :]
            ways = results(text[: sign.end()], prompt)
            said = [way for way in ways if re.match(re.escape(way) + r"(?![.,:]?\d)", rest)]
            assert bool(said) == bool(ways), (text, ways)
            found[one.task.kind] += bool(said)
    assert found.total() > COUNT / 3
    assert {"sum", "money", "percent", "clock", "clock span", "weekday", "remainder"} <= {
        kind for kind, count in found.items() if count
    }


def test_percentages_are_whole_and_right(drawn: list[Judged]) -> None:
    found = 0
    for one in drawn:
        if one.task.kind != "percent" or one.task.principles[0].name != "right percentage":
            continue
        asked = re.search(
            r"(\d+)(?:%| percent| per cent) of (?:the |my |our |its )?(\d+)\b", one.task.query
        )
        if asked is not None and "%" not in one.task.right.text[-2:]:
            share, whole = map(int, asked.groups())
            assert share * whole % 100 == 0, one.task.query
            assert one.task.principles[0].text.endswith(str(share * whole // 100)), one.task
            found += 1
    assert found > 3


def test_no_wrong_response_says_the_right_thing(drawn: list[Judged]) -> None:
    for one in drawn:
        marks = "" if one.task.kind in {"ending", "rule"} else ".* "
        right = one.task.right.text.strip(marks)
        assert all(wrong.text.strip(marks) != right for wrong in one.task.wrong), one.task


def test_nothing_of_a_template_is_left_open(drawn: list[Judged]) -> None:
    for one in drawn:
        texts = [one.task.query, *(answer.finding for answer in one.answers)]
        if one.task.kind == "code":  # where braces are what was asked for
            continue
        sign = r"\{\w*\}" if one.task.kind == "layout" else r"\{\w*\}|\|"  # tables in Markdown
        assert not any(re.search(sign, text) for text in texts), one.task


def test_no_kind_hides_another() -> None:
    every = [kind for family in FAMILIES for kind in family.KINDS]
    assert sorted(every) == sorted(KINDS)
    assert WEIGHTS.keys() <= KINDS.keys()


def test_all_kinds_in_one_two_and_three_responses(drawn: list[Judged]) -> None:
    assert {one.sample.subset for one in drawn} >= {kind for kind in KINDS if kind not in facts()}
    sizes = Counter(len(one.answers) for one in drawn)
    assert sizes[2] > 0.7 * COUNT
    assert sizes[1] > 0.05 * COUNT
    assert sizes[3] > 0.02 * COUNT


def test_neither_place_nor_length_tells_the_right_one(drawn: list[Judged]) -> None:
    pairs = [one for one in drawn if len(one.answers) == 2]
    first = sum(one.answers[0].grade > one.answers[1].grade for one in pairs)
    assert 0.45 < first / len(pairs) < 0.55
    longer = [
        (len(one.answers[0].text) > len(one.answers[1].text))
        == (one.answers[0].grade > one.answers[1].grade)
        for one in pairs
        if len(one.answers[0].text) != len(one.answers[1].text)
    ]
    assert 0.4 < sum(longer) / len(longer) < 0.6


def test_yes_is_right_as_often_as_no() -> None:
    """Where one response begins with the one and the other with the other."""
    right = Counter[str]()
    for one in generate(6000, seed=5):
        said = {tuple(re.findall(r"\w+", a.text.lower())[:1]): a.grade for a in one.answers}
        if said.keys() == {("no",), ("yes",)}:
            right[max(said, key=lambda word: said[word])[0]] += 1
    assert right.total() > 120
    assert 0.42 < right["yes"] / right.total() < 0.58, right


def test_samples_differ_and_come_again_with_the_seed(drawn: list[Judged]) -> None:
    assert len({one.sample.id for one in drawn}) == COUNT
    again = list(generate(50, seed=7))
    assert [one.sample for one in again] == [one.sample for one in drawn[:50]]
    assert [one.sample for one in generate(50, seed=8)] != [one.sample for one in drawn[:50]]


def test_facts_have_one_answer_to_a_question() -> None:
    for name, group in facts().items():
        subjects = Counter(subject for subject, _ in group.pairs)
        assert max(subjects.values()) == 1, name
        assert all("{s}" in ask for ask in group.ask), name
        assert group.wrong.keys() <= subjects.keys(), name
        assert len({answer for _, answer in group.pairs}) > 1 or group.wrong, name


def test_the_cassette_holds_what_the_teacher_says(tmp_path: Path) -> None:
    write(tmp_path, items=20, seed=0)
    rows = (tmp_path / SAMPLES).read_text(encoding="utf-8").splitlines()
    assert len(rows) == 20
    teacher = Judge(f"replay:{tmp_path / CASSETTE}", dialect="smol", orders="fixed")
    for one in generate(20, seed=0):
        verdict = teacher.score_sync(
            one.sample.query, one.sample.responses, reference=one.sample.reference
        )
        (vote,) = verdict.votes
        assert vote.raw == one.completion(tuple(range(len(one.answers))))


@pytest.mark.parametrize(("file", "common"), [(HELD_OUT, 0), (DEVELOPMENT, 3)])
def test_held_out_pairs_are_balanced_and_not_trained_on(
    drawn: list[Judged], file: Path, common: int
) -> None:
    """Few words in common with pairs to choose by are left to training, which leaves them out."""
    pairs = held_out(file=file)
    assert len(pairs) >= 300
    assert len({one.id for one in pairs}) == len({one.query for one in pairs}) == len(pairs)
    assert len({one.subset for one in pairs}) >= 40
    firsts = [one.ground_truth == (1, 0) for one in pairs]
    assert 0.48 < sum(firsts) / len(firsts) < 0.52
    shared = len(decontaminate(pairs, [one.sample for one in drawn], n=8).removed)
    assert shared <= common  # the count alone: whoever writes data is not shown the pairs
    some = held_out(60, file=file)
    assert [one.id for one in some] == sorted({one.id for one in some})
    assert len({one.subset for one in some}) >= 35


def test_two_wrong_responses_are_both_said_to_be_wrong() -> None:
    assert all(RIGHT in _grades(one) for one in generate(300, seed=7) if len(one.answers) > 1)
    drawn = list(generate(1500, seed=7, undecided=True))
    wrong = [one for one in drawn if len(one.answers) == 2 and RIGHT not in _grades(one)]
    assert 0.05 < len(wrong) / len(drawn) < 0.13
    for one in wrong:
        (scores,) = re.findall(r"boxed\{(\d+), (\d+)\}", one.completion((0, 1)))
        assert max(int(score) for score in scores) <= 5


def _grades(one: Judged) -> list[float]:
    return [answer.grade for answer in one.answers]


def test_no_pair_to_choose_by_is_like_one_of_the_figures() -> None:
    own = held_out(file=DEVELOPMENT)
    assert not decontaminate(own, held_out(), n=8).removed
    assert len(reserved()) == len(own) + len(held_out())


async def test_measuring_counts_both_orders_and_what_does_not_parse() -> None:
    pairs = held_out(8)
    async with Judge("fake:Scores: \\boxed{9, 3}", dialect="smol", k=2) as first:
        found = await measure(first, pairs)
    assert (found["judgments"], found["right"], found["first preferred"]) == (16, 8, 16)
    assert found["pairs right"] == 0  # a tie of both orders
    async with Judge("fake:no verdict", dialect="smol", k=2) as none:
        assert (await measure(none, pairs))["unparseable"] == 16
