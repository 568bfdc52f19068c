"""No dialect without outputs of each kind, a round trip and forgery tests: over the registry."""

from __future__ import annotations

import pytest
from tests.dialects.dialect_checks import ELSEWHERE, ONE_FORM, checks_of, sizes_of
from tests.dialects.test_forgery_forms import HONEST
from tests.dialects.verdict_forms import READ

from deemster.backends import FakeBackend, Request
from deemster.dialects import DIALECTS, open_dialect
from deemster.judges import Judge

NAMES = sorted(set(DIALECTS.names()) - set(ELSEWHERE))


@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_has_outputs_of_each_kind_and_is_attacked(name: str) -> None:
    found = checks_of(name)
    assert found.right
    assert found.failed
    assert found.ambiguous or name in ONE_FORM
    assert found.right + found.failed + found.ambiguous >= 3
    for n in sizes_of(name):
        assert any((form.dialect, form.n) == (name, n) for form in READ), f"no form for {n}"
        assert (name, n) in HONEST, f"no round trip and no forgery test for {n}"


def test_the_exceptions_are_dialects() -> None:
    assert set(ELSEWHERE) | set(ONE_FORM) <= set(DIALECTS.names())


def scripted(spec: str, n: int) -> FakeBackend:
    """A model that answers in a dialect, and likes the response that says "four" better."""
    bad, worse = HONEST[spec, n]
    good = next(
        form.text
        for form in READ
        if (form.dialect, form.n) == (spec, n)
        and isinstance(form.outcome, tuple)
        and (form.outcome[0] > form.outcome[1] if n == 2 else form.outcome[0] > worse[0])
    )

    def answer(request: Request, _draw: int) -> str:
        shown = "\n".join(message.text for message in request.messages)
        four, five = shown.find("it is four"), shown.find("it is five")
        return good if four >= 0 and (five < 0 or four < five) else bad

    return FakeBackend(answer)


@pytest.mark.parametrize("right", [0, 1])
@pytest.mark.parametrize(("spec", "n"), [one for one in HONEST if one[0] not in ELSEWHERE], ids=str)
async def test_round_trip_of_a_scripted_model(spec: str, n: int, right: int) -> None:
    """The better response is found, wherever it stands and whichever order it is shown in."""
    responses = ["it is five", "it is five"]
    responses[right] = "it is four"
    judge = Judge(scripted(spec, n), dialect=spec, k=2)
    if n == 2 or open_dialect(spec).judges_one_at_a_time:
        verdict = await judge.score("What is 2+2?", responses)
        assert verdict.n_valid == 2
        assert verdict.best == right
        orders = {vote.order for vote in verdict.votes}
        assert orders == ({(0, 1), (1, 0)} if n == 2 else {(0, 1)})
        return
    rewards: list[float] = []
    for response in responses:
        verdict = await judge.score("What is 2+2?", [response])
        assert verdict.rewards is not None, verdict.votes
        rewards += verdict.rewards
    assert rewards[right] > rewards[1 - right]
