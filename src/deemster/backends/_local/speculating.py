"""The option `speculate` of the backend. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.backends._local.decoding import Runner
    from deemster.backends._local.speculation import Speculated

DRAFT_TOKENS = {"lookup": 4, "mtp": 1}
"""Ways to draft, each with the tokens of a draft where their number is not given."""
CPU_TOKENS = {"lookup": 3, "mtp": 1}
"""The same on a CPU, where a pass of four tokens takes as long as one of a single token."""
CPU_ROWS = {"lookup": 4, "mtp": 1}
"""Draws that step together with drafts on a CPU; more of them are faster without (measured:
docs/model-efficiency.md)."""


def check_speculation(speculate: str | None, draft_tokens: int | None, *, exact: bool) -> None:
    """Refuse what cannot be.

    Raises:
        InputError: there is no way to draft of that name, or the options do not go together.
    """
    if speculate is None:
        if draft_tokens is not None:
            raise InputError(
                f"draft_tokens {draft_tokens!r} goes with speculate; give speculate="
                f"{' or '.join(map(repr, DRAFT_TOKENS))}, or leave it out"
            )
        return
    if speculate not in DRAFT_TOKENS:
        raise InputError(f"unknown speculate {speculate!r}; allowed: {', '.join(DRAFT_TOKENS)}")
    if exact:
        raise InputError(
            f"speculate {speculate!r} checks several tokens in one pass, which rounds in another "
            "way; leave out exact or speculate"
        )


def speculated(speculate: str, draft_tokens: int | None, runner: Runner, path: str) -> Speculated:
    """What drafts for a model.

    Args:
        speculate: see `TransformersBackend`.
        draft_tokens: see there.
        runner: of the model.
        path: of the model, see `sources`.

    Raises:
        InputError: the model cannot do it.
    """
    from deemster.backends._local.lookup import Lookup  # noqa: PLC0415 - loads torch
    from deemster.backends._local.speculation import Speculated  # noqa: PLC0415 - as above

    if not runner.shares_prefix:
        raise InputError(
            f"speculate {speculate!r}: the attention of {type(runner.model).__name__} cannot share "
            "a prompt between draws, which checking drafts needs; leave it out"
        )
    on_cpu = runner.device.type == "cpu"
    tokens = draft_tokens or (CPU_TOKENS if on_cpu else DRAFT_TOKENS)[speculate]
    most = CPU_ROWS[speculate] if on_cpu else None
    if speculate == "lookup":
        return Speculated(Lookup(tokens), most)
    from deemster.backends._local.mtp_drafts import open_mtp  # noqa: PLC0415 - of this way alone

    return Speculated(open_mtp(runner, path, tokens), most)
