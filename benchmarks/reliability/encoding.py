"""R11: control tokens of chat templates in texts of strangers."""

from __future__ import annotations

from tests.backends.test_transformers_encoding import (
    FAMILIES,
    MUTATIONS,
    chat,
    control_ids,
    tokenizer,
)

from benchmarks.reliability.record import Run
from deemster.schemas import Message

_ROLES = (("user",), ("user", "assistant", "user"), ("system", "user"))


def control_tokens(run: Run) -> None:
    """Every added token of every family, in every mutation and place."""
    names = list(FAMILIES)[: run.count("families of templates", len(FAMILIES))]
    forged = tried = tokens = 0
    for name in names:
        for token in tokenizer(name).added_tokens_decoder.values():
            if token.content.isspace():
                continue
            tokens += 1
            for mutate in MUTATIONS.values():
                for roles in _ROLES:
                    benign = [Message(role=role, content="fine") for role in roles]
                    attack = {"content": mutate(token.content)}
                    hostile = [message.model_copy(update=attack) for message in benign]
                    tried += 1
                    forged += control_ids(name, chat(name).encode(hostile)) != control_ids(
                        name, chat(name).encode(benign)
                    )
    run.zero("prompts with a control token that the template did not put there", forged)
    run.least("mutations of each token", len(MUTATIONS), 20)
    run.notes.append(
        f"{tried:,} prompts: {tokens} added tokens, {len(MUTATIONS)} mutations, {len(_ROLES)} "
        f"sequences of roles; families {', '.join(names)}."
    )
