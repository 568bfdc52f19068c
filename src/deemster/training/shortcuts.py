"""Whether a hinted trajectory takes a shortcut: it gives the answer without working it out.

Hinted trajectories tend to do so (paper section 3). One is dropped if its text

1. mentions the hint: "hint", "I was told", "known in advance", "ground truth", "according to the
   label" and the like (see `_MENTION`), unless the query or a response says those words too;
2. says which response it was told is best: "Response 2 is known to be the best";
3. has no critique (of three words or more) of some response shown; or
4. has the same critique for all of several responses, up to their numbers, although the
   responses differ.
"""

from __future__ import annotations

import re

from deemster.dialects import Dialect
from deemster.errors import ParseError
from deemster.prompts.view import conversation_text
from deemster.schemas import Completion, Sample
from deemster.training.rollouts import Rollout

_MENTION = re.compile(
    r"\bhint(?:s|ed)?\b"
    r"|\b(?:i|we)(?:'ve|\s+have)?\s+(?:was|were|am|are|been)\s+(?:told|informed|given)\b"
    r"|\bas\s+(?:told|informed)\b"
    r"|\b(?:told|known|given|stated|decided)\s+(?:in advance|beforehand)\b"
    r"|\bground[- ]truth\b"
    r"|\baccording to the (?:hint|label|prompt|instructions?|note)\b"
    r"|\bthe (?:known|given|provided|stated) (?:label|verdict|winner|best)\b",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\b(?:known|given|said|stated|marked|labell?ed|indicated|designated|declared|specified)\s+"
    r"(?:as|to be)\s+(?:the\s+)?(?:best|better|right|correct|wrong|winner)\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\b(?:response|answer)\s+#?[0-9]+", re.IGNORECASE)
_FEWEST_WORDS = 3


def shortcut_of(rollout: Rollout, sample: Sample, dialect: Dialect) -> str | None:
    """Why a trajectory is a shortcut by the rules above, or None.

    Args:
        rollout: a hinted trajectory, parseable.
        sample: what it is about.
        dialect: reads its critiques.
    """
    shown = " ".join([conversation_text(sample.query), conversation_text(sample.responses)])
    for pattern, what in ((_MENTION, "mentions the hint"), (_TOLD, "says what it was told")):
        for match in pattern.finditer(rollout.completion):
            if match[0].lower() not in shown.lower():
                return f"{what}: {match[0]!r}"
    try:
        parsed = dialect.parse(Completion(text=rollout.completion), n=len(rollout.order))
    except ParseError as error:
        return f"is unparseable: {error}"
    texts = {critique.response: critique.text for critique in parsed.critiques}
    for place in range(len(rollout.order)):
        if len(re.findall(r"\w+", texts.get(place, ""))) < _FEWEST_WORDS:
            return f"has no critique of response {place + 1}"
    plain = {" ".join(_NUMBERED.sub("", text).casefold().split()) for text in texts.values()}
    if len(plain) < 2 <= len({response.text for response in sample.responses}):
        return "has the same critique for all responses"
    return None
