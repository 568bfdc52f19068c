"""From the choices of an answer to outcomes."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from pydantic import JsonValue

from deemster.backends._api.answer import (
    WireChoice,
    arguments_of,
    fault_of,
    finish_of,
    logprobs_of,
    reasoning_of,
    refusal_of,
    text_of,
)
from deemster.backends._api.request import Prepared
from deemster.backends.base import Outcome
from deemster.errors import BackendError, RefusedError
from deemster.records import encodable
from deemster.schemas import Completion, TokenLogprob, Usage
from deemster.usage import Account


def read_choice(
    choice: WireChoice,
    prepared: Prepared,
    *,
    tools: bool,
    usage: Usage,
    tokens_out: int,
    model: str,
    reasoning_as_answer: bool,
    sent: dict[str, JsonValue] | None = None,
    warnings: tuple[str, ...] = (),
    secrets: tuple[str, ...] = (),
) -> Outcome:
    """The completion that a choice holds, or why it holds none.

    A choice without any text is an error that another attempt may get over. One whose text all
    went into the reasoning is a completion with no text, which says so.

    Args:
        choice: as it came.
        prepared: the request.
        tools: whether the answer was to be a tool call.
        usage: its part of what the request cost.
        tokens_out: of this choice, as far as the answer says.
        model: the model that answered, as the provider names it.
        reasoning_as_answer: see `APIBackend`.
        sent: the decoding parameters, where they are not those asked for.
        warnings: why not to rely on any of the answer's choices.
        secrets: what the server was sent and must not come back in a completion, which is kept.
    """
    fault = fault_of(choice)
    if fault is not None:
        return _with_usage(fault.to_error(model, ()), usage)
    refused = refusal_of(choice)
    if refused is not None:
        return RefusedError(refused, usage=usage)
    text = text_of(choice)
    if tools:
        # Calls that differ stand one after the other, so that the dialect sees all of them and
        # takes none. Some servers ignore a forced tool choice and answer in the content.
        text = "\n".join(arguments_of(choice)) or text
    text = _without(secrets, encodable(text.removeprefix(prepared.prefix)))
    reasoning = _without(secrets, encodable(reasoning_of(choice)))
    finish = finish_of(choice)
    if not text.strip():
        if not reasoning:
            return BackendError("the model returned no text", retryable=True, usage=usage)
        text = reasoning if reasoning_as_answer else ""
        if not reasoning_as_answer:
            warnings = (_only_reasoned(finish == "length", tokens_out), *warnings)
    return Completion(
        text=text,
        finish=finish,
        logprobs=_tokens_without(secrets, logprobs_of(choice)),
        usage=usage,
        model=_without(secrets, encodable(model)),
        reasoning=reasoning,
        sent=sent,
        warnings=warnings,
    )


def _without(secrets: tuple[str, ...], text: str) -> str:
    for secret in secrets:
        if len(secret) >= _SURE and secret in text:
            text = text.replace(secret, "***")
    return text


def _tokens_without(
    secrets: tuple[str, ...], tokens: tuple[TokenLogprob, ...] | None
) -> tuple[TokenLogprob, ...] | None:
    """A server may call anything a token; secrets that are spread over several are left."""
    if not tokens or all(
        len(token) < _SURE for one in tokens for token in (one.token, *(t for t, _ in one.top))
    ):
        return tokens
    return tuple(
        one.model_copy(
            update={
                "token": _without(secrets, one.token),
                "top": tuple((_without(secrets, token), value) for token, value in one.top),
            }
        )
        for one in tokens
    )


_SURE = 12
"""Characters from which on a text is a key that came back, and no word that a model may write."""


def _only_reasoned(cut: bool, tokens: int) -> str:
    if cut:
        spent = f"all {tokens:,} tokens" if tokens else "all tokens"
        return f"{spent} went into reasoning; raise max_tokens, or lower the reasoning effort"
    return (
        "the answer is empty and all text is in the reasoning; if the verdict is there, give "
        "reasoning_as_answer=True"
    )


def with_usage(outcome: Outcome, usage: Usage) -> Outcome:
    """The same outcome with another usage."""
    if isinstance(outcome, Completion):
        return outcome.model_copy(update={"usage": usage})
    return _with_usage(outcome, usage)


def _with_usage(error: BackendError, usage: Usage) -> BackendError:
    changed = copy.copy(error)
    changed.usage = usage
    return changed


def usage_of(outcome: Outcome) -> Usage:
    """What an outcome cost."""
    return outcome.usage or Usage()


def share(usage: Usage | Account, n: int) -> list[Usage]:
    """Split into `n` parts that sum to it, counts exactly, the remainders to the first parts."""

    def part(count: int, i: int) -> int:
        return count // n + (i < count % n)

    return [
        Usage(
            calls=part(usage.calls, i),
            tokens_in=part(usage.tokens_in, i),
            tokens_out=part(usage.tokens_out, i),
            tokens_cached=part(usage.tokens_cached, i),
            cost=None if usage.cost is None else usage.cost / n,
            seconds=usage.seconds / n,
        )
        for i in range(n)
    ]


def probably_cut(tokens_in: int, texts: Sequence[str]) -> str | None:
    """A warning if a server read fewer tokens than the prompt has words: it cut the prompt.

    A word is at least one token in any tokenizer, so that this is said of no whole prompt. Blanks
    are counted first, which is quick: of indented code, many are one token.
    """
    if not tokens_in or tokens_in >= 0.9 * sum(text.count(" ") for text in texts):
        return None
    words = sum(len(text.split()) for text in texts)
    if tokens_in >= 0.9 * words:
        return None
    return (
        f"the server read {tokens_in:,} tokens of a prompt of at least {words:,}: it probably cut "
        "the prompt; raise its context length"
    )
