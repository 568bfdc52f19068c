"""The labels of `grm`'s layout as judges write them, in five languages, decorated or not."""

from __future__ import annotations

import re

from deemster.prompts.normal_form import fold
from deemster.schemas import Critique

_NAMES = {
    "criteria": (
        r"(?:specific[ ]|evaluation[ ])?criteria|principles"
        r"|(?:具体)?的?(?:评价|评估|评判|评分)?(?:标准|准则|原则)"
        r"|crit[eè]res?(?:[ ]sp[eé]cifiques|[ ]d['\u2019][eé]valuation)?|principes"
        r"|criterios?(?:[ ]espec[ií]ficos|[ ]de[ ]evaluaci[oó]n)?|principios"
        r"|(?:spezifische[ ]|bewertungs)?kriterien|prinzipien"
    ),
    "analysis": (
        r"analysis|critiques?|(?:具体|详细)?分析(?:过程)?|评价|点评"
        r"|analyse|an[aá]lisis|cr[ií]ticas?|kritik"
    ),
    "scores": (
        r"(?:final[ ])?scores?|(?:最终)?(?:评分|得分|分数|打分)|(?:scores?|notes?)[ ]finale?s?"
        r"|(?:puntuaci[oó]n(?:es)?|puntajes?|calificaci[oó]n(?:es)?)(?:[ ]final(?:es)?)?"
        r"|(?:end)?bewertung(?:en)?|(?:end)?punkt(?:e|zahl(?:en)?)"
        # An English note is not one of these.
        r"|note[ns]?(?=[ \t*_:$]{0,12}\\boxed)"
    ),
}
# Each pattern begins with the character before what it finds, one of few: only then does the search
# skip the others, which are most of a text. The first line has a line end put before it.

# What models put around labels: "**Scores:**", "## Analysis", "3. Scores:". A label that is not
# followed by a colon must be the whole line.
_LABEL = re.compile(
    r"\n[ \t*#_>0-9.)【\[]{0,20}+(?:"
    + "|".join(f"(?P<{section}>{names})" for section, names in _NAMES.items())
    + r")[ \t*_】\]]{0,8}+(?::[ \t*_]{0,8}+|$)",
    re.IGNORECASE | re.MULTILINE,
)
# All on one line, as some models write it. Only the plural: "Score: 8" may stand in a critique.
_INLINE = re.compile(
    r"[.;!?)%*\]。][ \t]{1,4}[*_]{0,4}(?:(?P<criteria>(?:Specific )?Criteria|Principles)"
    r"|(?P<analysis>Analysis|Critiques?)|(?P<scores>(?:Final )?Scores))[*_]{0,4}:[ \t*_]{0,8}"
)
_HEAD = (
    r"(?:(?:response|answer|r[eé]ponse|respuesta|antwort)[ \t]{1,4}+"
    r"|(?:回答|回复|响应|答案)[ \t]{0,4}+)"
    r"#?(?P<INDEX>[0-9]{1,4})[\])]?+[ \t*_]{0,8}+(?>(?:\([^()\n]{1,40}\)[ \t*_]{0,8}+)?)"
)
# At the start of a line, or within one where a sentence or an item begins; there only with a colon.
_RESPONSE = re.compile(
    r"[\n.!?;。…)\]\"”»*|\-–—•](?:"
    rf"(?<=\n)[ \t*•#>_\[(0-9.)|-]{{0,16}}+{_HEAD.replace('INDEX', 'first')}(?:[:.)\-–—]|$)"
    r"|(?:(?<=[.!?;。…)\]\"”»*|])[ \t]{1,4}+|(?<=[。!?;])|(?<=[ \t][-–—•])[ \t]{1,4}+)"
    rf"[*_\[]{{0,4}}+{_HEAD.replace('INDEX', 'within')}:)",
    re.IGNORECASE | re.MULTILINE,
)
_DASHES = "-–—•"
_BOTH = ".)*"
"""What may end one and stand before the next."""

_Found = tuple[re.Match[str], int, int]
"""With its start and end in the text."""


def sections(text: str) -> dict[str, str]:
    """The text by label; parts under one label are joined, so that two can be compared.

    What stands before the first label is under "". After the first label of scores, all that
    follows it is under "rest" too, and after the last, its part alone under "last scores".
    """
    lines = "\n" + fold(text)
    labels = _found(_LABEL, lines)
    known = {label.lastgroup for label, _, _ in labels}
    labels += [found for found in _found(_INLINE, lines) if found[0].lastgroup not in known]
    labels.sort(key=lambda found: found[1])
    parts: dict[str, list[str]] = {"": [text[: labels[0][1]] if labels else text]}
    ends = [start for _, start, _ in labels[1:]] + [len(text)]
    for (label, _, begin), end in zip(labels, ends, strict=False):
        name = str(label.lastgroup)
        if name == "scores":
            parts.setdefault("rest", [text[begin:]])
            parts["last scores"] = [text[begin:end]]
        parts.setdefault(name, []).append(text[begin:end])
    return {name: "\n".join(bodies) for name, bodies in parts.items()}


def critiques(analysis: str, n: int) -> tuple[Critique, ...]:
    """One critique per `Response i:` heading; several about one response are joined."""
    headings = _found(_RESPONSE, "\n" + fold(analysis))
    texts: dict[int, list[str]] = {}
    ends = [start for _, start, _ in headings[1:]] + [len(analysis)]
    for (heading, _, begin), end in zip(headings, ends, strict=False):
        position = int(heading["first"] or heading["within"]) - 1
        if 0 <= position < n:
            body = analysis[begin:end]
            texts.setdefault(position, []).append(body.lstrip(" \t*_:\uff1a").strip())
    if not texts and n == 1 and analysis:
        texts = {0: [analysis]}
    return tuple(
        Critique(response=position, text="\n".join(pieces))
        for position, pieces in sorted(texts.items())
    )


def _found(pattern: re.Pattern[str], lines: str) -> list[_Found]:
    """What a pattern finds in a text, given with a line end before it."""
    found: list[_Found] = []
    at = 0
    while match := pattern.search(lines, at):
        start, end = match.span()
        # The character before it is not part of it, but a dash is, with the space before that.
        found.append((match, start - 2 * (lines[start] in _DASHES), end - 1))
        at = end - (lines[end - 1] in _BOTH)
    return found
