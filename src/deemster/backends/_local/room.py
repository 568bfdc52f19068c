"""How long a completion may be in what the prompt leaves of the context."""

from __future__ import annotations

from deemster.errors import ContextLengthError

_MIN_ROOM = 128
"""Tokens that must be left for a completion; less would cut every judgment."""


def room_for(prompt: int, max_tokens: int, context: int | None) -> int:
    """Tokens that a completion may have.

    Args:
        prompt: its tokens.
        max_tokens: what was asked for.
        context: most tokens of prompt and completion together; None: there is no limit.

    Raises:
        ContextLengthError: fewer are left than `max_tokens` and than 128.
    """
    if context is None:
        return max_tokens
    left = context - prompt
    least = min(max_tokens, _MIN_ROOM)
    if left < least:
        raise ContextLengthError(
            f"the prompt of {prompt} tokens leaves {max(left, 0)} of the context of {context} "
            f"tokens for the completion (max_tokens={max_tokens}, at least {least} are needed); "
            "nothing was cut: shorten the input or use a model with a longer context"
        )
    return min(max_tokens, left)
