"""Drawing the completions of votes: in one turn, in two, or one for each response.

A vote has one completion. Where it took several (a dialect with a second turn; a dialect that
judges one response at a time, about several) they are put together by `join_parts`.
"""

from __future__ import annotations

from collections.abc import Sequence

from deemster.backends import Backend, Outcome, Request, generate_all, with_usage
from deemster.dialects import Dialect
from deemster.dialects.parts import join_parts
from deemster.errors import BackendError
from deemster.judges.together import together
from deemster.prompts import View
from deemster.schemas import Completion, Usage


async def draw(backend: Backend, dialect: Dialect, request: Request, view: View) -> list[Outcome]:
    """One outcome per draw of the request, second turns included."""
    first = await generate_all(backend, request)
    if not dialect.template.has_second:
        return first

    async def go_on(outcome: Outcome, seed: tuple[int, ...]) -> Outcome:
        if isinstance(outcome, BackendError) or outcome.finish == "length" or not outcome.text:
            return outcome  # there is nothing to go on from
        messages = dialect.render_second(view, request.messages, outcome)
        more = request.model_copy(update={"messages": messages, "n": 1, "seeds": seed})
        (second,) = await generate_all(backend, Request.model_validate(dict(more)))
        if isinstance(second, BackendError):
            return with_usage(second, outcome.usage + (second.usage or Usage()))
        return join_parts([outcome, second])

    seeds: list[tuple[int, ...]] = [(seed,) for seed in request.seeds] or [()] * request.n
    return await together(go_on(*one) for one in zip(first, seeds, strict=True))


def one_of_each(parts: Sequence[Sequence[Outcome]]) -> list[Outcome]:
    """One outcome per draw, of the outcomes of each response.

    A response whose completion was lost has an empty part: it alone has no score.

    Args:
        parts: by response, in the order shown, the outcomes of all draws.
    """
    return [_joined(outcomes) for outcomes in zip(*parts, strict=True)]


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    lost = [outcome for outcome in outcomes if isinstance(outcome, BackendError)]
    spent = Usage.total(outcome.usage or Usage() for outcome in outcomes)
    if len(lost) == len(outcomes):
        return with_usage(lost[0], spent)
    return join_parts(
        [
            Completion(text="", usage=one.usage or Usage(), warnings=(str(one),))
            if isinstance(one, BackendError)
            else one
            for one in outcomes
        ]
    )
