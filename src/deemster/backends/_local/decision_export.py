"""A chat model as a decision model: the two files that say how it is asked, made for it.

With them every reader of the layout (`transformers serve`, `AutoModelForDecision`, servers, this
package) puts the same prompt before the model and reads the same tokens.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

from deemster.backends._local.chat import Chat
from deemster.backends._local.encoding import SafeEncoder
from deemster.backends._local.sources import source_of
from deemster.backends.decision_file import DecisionFile
from deemster.errors import InputError
from deemster.schemas import Message

_HERE = "0a1b2c"
_ASKED = """{{ (state | string).rstrip() }}

{{ question.instructions }}
{% for option in question.options -%}
{% set label, means = question.labels[loop.index0], question.descriptions[loop.index0] -%}
{% if question.type == "choice" %}{{ label }}. {{ option }}{{ ": " ~ means if means else "" }}
{% elif question.type == "score" %}{{ label }}. {{ means }}
{% elif means %}{{ label }}: {{ means }}
{% endif %}{% endfor -%}
{% if question.type == "noul" -%}
Say {{ question.labels[0] }} or {{ question.labels[1] }}, and nothing else.
{%- else -%}
Say the label of the right {{ "level" if question.type == "score" else "option" }}, """
_ASKED += """{{ question.labels[0] }} to {{ question.labels[-1] }}, and nothing else.
{%- endif %}"""
"""What a model without files of its own is asked (`label_prompts.prompt_parts`), as a template."""


def make_decision_file(folder: Path) -> DecisionFile:
    """Labels and prompt for the model in a folder.

    Labels are `Yes` and `No`, and as many of `A`, `B`, `C`, … as are single tokens; with a space
    before where the prompt does not end in one.

    Raises:
        InputError: the folder has no tokenizer, its chat template does not show the prompt once
            and whole, or its labels are not single tokens.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 - heavy

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source_of(str(folder)).tokenizer, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot open the tokenizer of {str(folder)!r}: {reason}") from error
    chat = Chat(tokenizer, SafeEncoder(tokenizer), {"enable_thinking": False})
    around = chat.text((Message(role="user", content=_HERE),)).split(_HERE)
    if len(around) != 2:
        raise InputError(
            f"the chat template of {str(folder)!r} shows a message {len(around) - 1} times; a "
            "decision template needs it once"
        )
    before, after = around
    space = "" if after[-1:].isspace() or _ends_in_control(tokenizer, after) else " "
    predicate = _single(tokenizer, ("Yes", "No"), space)
    letters = _single(tokenizer, tuple(string.ascii_uppercase), space)
    if len(predicate) < 2 or len(letters) < 2:
        raise InputError(
            f"Yes, No, A and B are not single tokens of the model in {str(folder)!r}; write a "
            "decision.json with labels that are (deemster.backends.decision_file.DecisionFile)"
        )
    return DecisionFile(
        labels={"noul": predicate, "choice": letters, "score": letters},
        chat_template=f"{_literal(before)}{_ASKED}{_literal(after)}<|mark|>",
    )


def _single(tokenizer: Any, labels: tuple[str, ...], space: str) -> tuple[str, ...]:  # noqa: ANN401
    """The labels up to the first that is not one token of its own, spelled alike."""
    for before in (space, "" if space else " "):
        found: list[str] = []
        ids: set[int] = set()
        for label in labels:
            spelled = tokenizer.encode(before + label, add_special_tokens=False)
            if len(spelled) != 1 or spelled[0] in ids | {tokenizer.unk_token_id}:
                break
            ids.add(spelled[0])
            found.append(before + label)
        if len(found) > 1:
            return tuple(found)
    return ()


def _ends_in_control(tokenizer: Any, text: str) -> bool:  # noqa: ANN401 - transformers is untyped
    return any(text.endswith(one) for one in tokenizer.get_added_vocab())


def _literal(text: str) -> str:
    """A text as a Jinja expression, whatever signs it holds."""
    return "{{ " + json.dumps(text, ensure_ascii=False) + " }}" if text else ""
