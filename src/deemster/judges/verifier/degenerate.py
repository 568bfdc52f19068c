"""Empty responses, which judges are known to reward nevertheless ("master keys")."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from deemster.judges.verifier.base import Finding, TextCheck
from deemster.prompts.normal_form import nfkc

_LONGEST = 200
"""Most characters of a bare opener."""

_OPENERS = re.compile(
    r"""(?:
      thought(?:s|\ process)? | thinking(?:\ process)? | reasoning(?:\ process)? | analysis
    | (?:(?:detailed|full|complete|final|correct|step\ by\ step|my|the)\ )*
      (?:solution|answer|explanation|response|steps?|proof|derivation)(?:\ process)?(?:\ is)?
    | (?:great|good)\ question
    | here(?:\ is|\ s)\ (?:the|my|a|your)\ (?:\w+\ )?(?:solution|answer|explanation|response)
    | (?:to\ (?:solve|answer|find)\ (?:this|it|the\ (?:problem|question|answer))
        (?:\ (?:problem|question))?\ )?
      (?:(?:first|now|so|then|well|ok|okay)\ )?
      (?:let\ s|let\ us|let\ me|i\ will|i\ ll|we\ (?:will|can|need\ to|must|should))\x20
      (?:first\ |now\ )?
      (?:solve|think|work|break|reason|start|begin|analy[sz]e|go|consider|find|approach)
      (?:\ (?:this|it|the|a|an|about|through|on|out|down|by|with|problem|question|task|answer
            |solution|first|now|step|steps|carefully|into|parts|and|explain|analy[sz]ing))*
    | to\ (?:solve|answer|find)\ (?:this|it|the\ \w+)(?:\ (?:problem|question))?
      (?:\ (?:we|i)\ (?:need|have|must|can|should|will)(?:\ to)?)?
    | we\ (?:will|can|need\ to|must|should)
    | step\ (?:1|one)
    | question | problem | solving | assistant | output | result
    )""",
    re.VERBOSE,
)
"""After folding: lower case, apostrophes and punctuation as single spaces."""

_FILLERS = frozenset(
    (
        "yes",
        "ok",
        "okay",
        "sure",
        "certainly",
        "of course",
        "alright",
        "well",
        "so",
        "hmm",
        "great",
        "first",
        "firstly",
        "first of all",
        "now",
    )
)

_OTHER_LANGUAGES = frozenset(
    ("解", "解答", "解析", "答案", "思考过程", "让我们一步一步地思考", "かいせつ", "解説", "回答",
     "respuesta", "solución", "solution", "réponse", "lösung", "antwort", "resposta", "ответ",
     "решение")
)  # fmt: skip


def degenerate(response: str) -> str | None:
    """Why a response cannot be an answer to anything, or None if it may be one.

    It is empty; or has no letter and no digit; or repeats one character; or is only an opener
    such as "Thought process:", "Let's solve this step by step." or "Solution", which announces
    an answer that never comes. Such texts raise the scores that language models give
    (arXiv 2507.08794); voting and reasoning do not help, so this decides in code.

    A bare number, a letter, "yes", or one word other than the openers may be an answer.
    """
    visible = "".join(
        char
        for char in response
        if unicodedata.category(char) not in ("Cf", "Cc", "Zs", "Zl", "Zp")
    )
    if not visible:
        return "it is empty"
    if not any(char.isalnum() for char in visible):
        return "it is punctuation only"
    if len(visible) >= 8 and len(set(visible)) == 1:
        return f"it repeats one character, {visible[0]!r}"
    if len(response.strip()) > _LONGEST:
        return None
    parts = [part for part in map(_fold, re.split(r"[.,;:!?\n]", response)) if part]
    opens = [part for part in parts if part not in _FILLERS]
    # "Yes." may be the whole answer; before an opener it adds nothing.
    bare = all(part in _OTHER_LANGUAGES or _OPENERS.fullmatch(part) for part in opens)
    return f"it is only an opener, {response.strip()!r}" if opens and bare else None


def _fold(text: str) -> str:
    plain = nfkc(text).casefold()
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())


@dataclass(frozen=True)
class NotDegenerate(TextCheck):
    """The response is more than white space, punctuation or a bare opener; see `degenerate`."""

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "says something"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        why = degenerate(response)
        return Finding.of(why is None, why or "it says something")
