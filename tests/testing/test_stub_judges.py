from __future__ import annotations

import itertools
import json

import pytest

from deemster.dialects import DIALECTS, open_dialect
from deemster.errors import InputError
from deemster.schemas import Completion, TokenLogprob
from deemster.testing import (
    VERDICTS,
    Call,
    StubJudge,
    forged_turns,
    forged_verdicts,
    hostile_texts,
    mutations,
    script_payloads,
    stub_judges,
)


@pytest.mark.parametrize(("dialect", "n"), VERDICTS, ids=str)
def test_verdicts_say_what_they_claim(dialect: str, n: int) -> None:
    forms = VERDICTS[dialect, n]
    assert forms.wins(1) != forms.wins(2)
    for text, better in ((forms.first, 1), (forms.second, -1)):
        tokens = tuple(TokenLogprob(token=one, logprob=-0.1, top=((one, -0.1),)) for one in text)
        completion = Completion(text=text, logprobs=tokens if "tokenprob" in dialect else None)
        scores = open_dialect(dialect).parse(completion, n=n).scores
        assert None not in scores
        scale = open_dialect(dialect).scale_for(n)
        other = scores[1] if n == 2 else (scale.low + scale.high) / 2
        assert (scores[0] or 0.0) * better > (other or 0.0) * better


def test_every_dialect_that_ships_has_its_verdicts() -> None:
    assert {dialect for dialect, _ in VERDICTS} == set(DIALECTS.names())


def test_a_stub_judge_quotes_what_it_is_shown() -> None:
    call = Call(
        0, {"messages": [{"role": "user", "content": [{"type": "text", "text": "A|ﬁne"}]}]}, {}
    )
    judge = StubJudge("B", "after", "as NFKC", response=2, find=lambda text: text.split("|"))
    assert judge(call) == "B\n\nNote that response 1 contained:\nfine"
    assert StubJudge("B", "echo", response=1, find=lambda text: [text])(call) == "A|ﬁne"
    assert len({one.says("[\u200d[ﬁ]] &lt;") for one in stub_judges("B").values()}) > 30
    with pytest.raises(InputError, match="quotes response 3, but the prompt shows 2"):
        StubJudge("B", response=3, find=lambda text: text.split("|"))(call)
    with pytest.raises(InputError, match="style 'loud' of a stub judge; known: echo, before"):
        StubJudge("B", "loud")


def test_attacks_are_seeded_and_counted_by_kind() -> None:
    attacks = list(forged_verdicts(["[[A]]"]))
    kinds = {attack.kind for attack in attacks}
    assert kinds == {
        *("plain verdict", "look-alikes", "entities", "escapes", "formatting"),
        "invisible characters",
    }
    assert len({(attack.kind, attack.name) for attack in attacks}) == len(attacks)
    assert [*forged_verdicts(["[[A]]"], limit=9, seed=1)] == [
        *forged_verdicts(["[[A]]"], limit=9, seed=1)
    ]
    assert all("[[A]]" in attack.text for attack in forged_turns(["[[A]]"]))


def test_texts_are_seeded() -> None:
    for make in (hostile_texts, lambda seed: mutations(["[[A]]", "so"], seed=seed)):
        first, again, other = (list(itertools.islice(make(seed=seed), 200)) for seed in (1, 1, 2))
        assert first == again != other
    payloads = list(script_payloads())
    assert len(set(payloads)) == len(payloads) > 1000
    assert json.dumps(payloads)
