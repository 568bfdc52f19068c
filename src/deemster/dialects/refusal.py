"""Refusals in plain words: the judge will not judge, which is no fault of the form."""

from __future__ import annotations

import re

from deemster.dialects.reasoning import says_verdict, strip_reasoning
from deemster.prompts.normal_form import fold

# Only at the beginning and only in short texts: a critique may quote a response that refuses.
_LONGEST = 1500
_SORRY = (
    r"(?:i'?\s?a?m (?:very |so |really |truly )?sorry|(?:my )?apologies|i apologi[sz]e|sorry"
    r"|unfortunately|as an? (?:ai|artificial|large language|language)[^.,\n]{0,40})"
)
_UNABLE = (
    r"i\s?(?:can(?:'t|\s?not)|could not|wo(?:n't|uld not)|will not|do not|don't|decline|refuse"
    r"|(?:must|have to|need to) (?:decline|refuse)"
    r"|'?\s?a?m (?:not able|unable|not comfortable|not willing|not going))"
)
_WHAT = (
    r"[^.\n]{0,80}?\b(?:assist|help|provide|evaluat\w+|judg\w+|rat(?:e|ing)|scor\w+|compar\w+"
    r"|engage|fulfil\w*|complet\w+|comply|answer|respond|continue|discuss|generate|creat\w+"
    r"|support|participate|review|assess|feel comfortable|encourage|promote|facilitate"
    r"|(?:this|that) request)"
)
_REFUSAL = re.compile(
    r"[\s\"'*_>#]{0,12}(?:"
    rf"(?:{_SORRY}[^.\n]{{0,60}}?[\s,.;:—-]{{1,4}}(?:but )?)?{_UNABLE}{_WHAT}"
    r"|(?:抱歉|很抱歉|非常抱歉|对不起|不好意思)[^\n]{0,20}?(?:无法|不能|不便|不可以)"
    r"|我(?:无法|不能)(?:协助|帮助|提供|评价|评判|回答|满足)"
    r"|(?:je suis (?:vraiment )?)?désolée?[^\n]{0,20}?\bje ne (?:peux|pourrai)"
    r"|lo siento[^\n]{0,20}?\bno (?:puedo|podré)"
    r"|(?:es tut mir (?:sehr )?leid|tut mir leid|leider)[^\n]{0,20}?\b(?:ich kann|kann ich)\b"
    r"[^.\n]{0,60}?\b(?:nicht|keine?n?)\b"
    r")",
    re.IGNORECASE,
)
_APOSTROPHES = str.maketrans("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def refuses(text: str) -> bool:
    """Whether a completion without a verdict says that it will not give one.

    Read in English, Chinese, French, Spanish and German.
    """
    answer = fold(strip_reasoning(text)).translate(_APOSTROPHES)
    return (
        len(answer) <= _LONGEST and not says_verdict(answer) and _REFUSAL.match(answer) is not None
    )
