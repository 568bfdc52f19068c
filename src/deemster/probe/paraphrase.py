"""The judge's own prompt in other words: same slots, same verdict syntax, same requirements.

Works on the source of any template, the user's own too. Whatever states the form of the verdict
is left alone, so that the dialect's parser can still read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from deemster.dialects import Dialect
from deemster.errors import InputError
from deemster.prompts import PromptTemplate

_SYSTEM = re.compile(r"\{%-?\s*block system\s*-?%\}")
_USER = re.compile(r"\{%-?\s*block user\s*-?%\}")
_LAST_END = re.compile(r"\{%-?\s*endblock[^%]*%\}\s*\Z")
_HEADING = re.compile(r"^# +(?P<text>[^\n]+)$", re.MULTILINE)

_ROLE = (
    "You take part in a review of answers that were given to people's requests, and you are known "
    "for being fair and exact.\n"
)
_OPENING = (
    "What follows is one case for review. Read all of it, then give your assessment in the form "
    "that is asked for.\n\n"
)
_REMINDER = (
    "\n\nBefore you write: go back to the request once more, look at what each answer really says, "
    "and keep to the form described above."
)
_HEADINGS = {
    "Request": "What was asked",
    "How to judge": "Your task",
    "How to score": "Your task",
    "What to write": "The form of your assessment",
    "Two answers": "What was answered",
    "Two responses": "What was answered",
    "Answer": "What was answered",
    "Response": "What was answered",
}


def paraphrases(dialect: Dialect) -> dict[str, Dialect]:
    """The dialect with its prompt in 2 or 3 other wordings, by name.

    Wordings that would leave the prompt as it is (headings in a template without any) are left
    out. There are none where messages with roles are all of the prompt: its words are the model's.
    """
    own = dialect.template
    if own.by_role:
        return {}
    changes: dict[str, Callable[[str], str]] = {
        "framing": _frame,
        "headings": _head,
        "reminder": _remind,
    }
    made: dict[str, Dialect] = {}
    for name, change in changes.items():
        source = change(own.source)
        if source == own.source:
            continue
        try:
            template = PromptTemplate(source, f"{own.name} ({name})", own.required)
        except InputError:  # a template too unusual for this wording
            continue
        made[name] = replace(dialect, template_file=template)
    return made


def _frame(source: str) -> str:
    """Another role before the first sentence, another opening before the case."""
    if not _USER.search(source):
        return _OPENING + source
    source = _SYSTEM.sub(lambda found: f"{found[0]}\n{_ROLE}", source, count=1)
    return _USER.sub(lambda found: f"{found[0]}\n{_OPENING}", source, count=1)


def _head(source: str) -> str:
    """Other headings, one level lower."""
    return _HEADING.sub(lambda found: f"## {_HEADINGS.get(found['text'], found['text'])}", source)


def _remind(source: str) -> str:
    """One more paragraph at the end."""
    end = _LAST_END.search(source)
    if end is None:
        return source.rstrip() + _REMINDER
    return source[: end.start()].rstrip() + _REMINDER + "\n" + source[end.start() :]
