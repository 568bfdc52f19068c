r"""DeepSeek-GRM's labelled text: `Specific Criteria:`, `Analysis:`, `Scores: \boxed{7, 5}`.

Paper sections 2 and 3 (Eq. 7: scores are extracted from the critique; Eq. 9: principles come
from the same completion).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, settle, tail
from deemster.dialects.boxed import BOX, boxes, numbers, scales_inside
from deemster.dialects.criteria import read_principles
from deemster.dialects.labels import critiques, sections
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import AmbiguousError, ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale


@dataclass(frozen=True)
class Grm(Dialect):
    """Labelled text with boxed scores; 1 to many responses.

    Rule `binary`: a single response is scored 0 or 1, as in the paper's training data of single
    responses (its section 3); several responses keep 1 to 10.
    """

    name = "grm"
    scale = Scale(low=1, high=10)
    rules: ClassVar[tuple[str, ...]] = ("strict", "binary")

    def scale_for(self, n: int) -> Scale:
        """1 to 10, or 0 to 1 for a single response under the rule `binary`."""
        return Scale(low=0, high=1) if n == 1 and self.rule == "binary" else self.scale

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        r"""Read the boxes after the `Scores:` label, or all boxes if there is none there.

        Boxes before the label may be the judge's own mathematics; those that follow elsewhere
        speak against it if they could be scores and differ, and so do numbers without a box
        behind a last label, and another score in words behind an unlabelled box. Of a completion
        that was cut, a box before the label counts only at its very end. Quoted responses cannot
        add a box, because prompts respell `\boxed`; they can add a label. See `Dialect.parse`.
        """
        text = scales_inside(strip_reasoning(completion.text))
        found = boxes(text, completion.finish)
        parts = sections(text)
        scale = self.scale_for(n)

        def read(box: str) -> tuple[float, ...]:
            return numbers(box, n, scale)

        labelled = BOX.findall(fold(parts.get("scores", "")))
        if labelled:
            known = set(labelled)
            others = [box for box in BOX.findall(fold(parts["rest"])) if box not in known]
            found = [*labelled, *_possible_scores(others, n, scale)]
        elif found and "scores" in parts and _unboxed(parts["last scores"], n):
            raise AmbiguousError(
                f"a box, but behind the last label only {parts['last scores'].strip()[:40]!r}"
            )
        scores = settle(found, read, missing=f"no boxed scores in text ending {tail(text)}")
        if n == 1 and not labelled:
            _check_no_other(text, scores[0])
        analysis = parts.get("analysis", "").strip() or _reasons(parts[""])
        principles = read_principles(parts.get("criteria", ""))
        said = critiques(analysis, n)
        warnings = () if principles or said or analysis else (NO_REASONS,)
        return Parsed(scores, principles, said, analysis, warnings)


def _reasons(text: str) -> str:
    """What is said before any label, without boxes; nothing where that is decoration."""
    said = BOX.sub("", text).strip()
    return said if any(char.isalnum() for char in said) else ""


_NUMBERS = Scale(low=-1e9, high=1e9, integer=False)
_NUMBER = r"[*_ ]{0,4}[0-9]{1,3}(?:\.[0-9]{1,3})?(?:/10)?[*_ ]{0,4}"


def _possible_scores(boxes: Sequence[str], n: int, scale: Scale) -> Iterator[str]:
    """Those with as many numbers as there are responses; a single number must be a score."""
    for box in boxes:
        with suppress(ParseError):
            numbers(box, n, scale if n == 1 else _NUMBERS)
            yield box


def _unboxed(text: str, n: int) -> bool:
    """Whether it begins with as many numbers as there are responses."""
    listed = ",".join([_NUMBER] * n)
    return re.match(rf"\s{{0,8}}\[?{listed}\]?\.?[ \t]{{0,8}}(?:\n|\Z)", fold(text)) is not None


_IN_WORDS = re.compile(
    r"\b(?:scores?|rating|grade)(?:[ ]?\([^()\n]{1,20}\))?[ \t*_]{0,6}(?::|=|\bis\b)[ \t*_]{0,8}"
    r"(?P<named>[0-9]{1,2}(?:\.[0-9]{1,2})?)"
    r"|\b(?P<of>[0-9]{1,2}(?:\.[0-9]{1,2})?)(?:[ ]?/[ ]?|[ ](?:out[ ])?of[ ])10\b",
    re.IGNORECASE,
)


def _check_no_other(text: str, score: float) -> None:
    """Raise `AmbiguousError` if another score is said behind the last box.

    Judges box their own mathematics, and then say the score without a box.
    """
    folded = fold(text)
    *_, last = BOX.finditer(folded)
    for said in _IN_WORDS.finditer(folded, last.end()):
        if float(said["named"] or said["of"]) != score:
            raise AmbiguousError(f"a box, but behind it {said[0]!r}")


NO_REASONS = "the judge gave scores without criteria or reasons"
