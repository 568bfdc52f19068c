r"""DeepSeek-GRM's labelled text: `Specific Criteria:`, `Analysis:`, `Scores: \boxed{7, 5}`.

Paper sections 2 and 3 (Eq. 7: scores are extracted from the critique; Eq. 9: principles come
from the same completion). Also reads single-response data on the paper's 0/1 scale when asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed, number, strip_reasoning, tail
from deemster.errors import AmbiguousError, ParseError
from deemster.schemas import Completion, Critique, Principle, Scale, normalise_weights

# [*#\s] is the Markdown that models put around labels: "**Scores:**", "## Analysis".
_LABEL = re.compile(
    r"^[ \t]{0,8}[*#_]{0,4}[ \t]{0,4}"
    r"(?P<label>specific[ ]criteria|criteria|principles|analysis|critiques?|scores?)"
    r"[ \t]{0,4}[*_]{0,4}[ \t]{0,4}:[ \t]{0,4}[*_]{0,4}",
    re.IGNORECASE | re.MULTILINE,
)
_BOX = re.compile(r"\\boxed[ ]{0,4}\{([^{}]{0,2000})\}")
_ITEM = re.compile(
    r"^[ \t]{0,8}(?:[-*•]|[0-9]{1,3}[.)])[ \t]{1,8}(?P<text>\S[^\n]{0,2000})$", re.MULTILINE
)
_WEIGHT = re.compile(
    r"\(?[ \t]{0,4}(?:weight(?:ing|age)?[ \t]{0,4}[:=]?[ \t]{0,4})?"
    r"(?P<weight>[0-9]{1,3}(?:\.[0-9]{1,4})?)[ \t]{0,4}%[ \t]{0,4}\)?",
    re.IGNORECASE,
)
_RESPONSE = re.compile(
    r"^[ \t]{0,8}(?:[-*•#]{1,6}[ \t]{0,8}|[0-9]{1,3}[.)][ \t]{1,8})?[*_]{0,4}"
    r"(?:response|answer)[ \t]{1,4}#?(?P<index>[0-9]{1,4})[ \t]{0,4}[*_]{0,4}[ \t]{0,4}[:.)\-–—]",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Grm(Dialect):
    """Labelled text with boxed scores; 1 to many responses."""

    name = "grm"
    scale = Scale(low=1, high=10)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the boxed scores after the last `Scores:` label; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        parts = _sections(text)
        scores = self._scores(text, parts.get("scores"), n)
        principles = _principles(parts.get("criteria", ""))
        analysis = parts.get("analysis", "").strip()
        return Parsed(scores, principles, _critiques(analysis, n), analysis)

    def _scores(self, text: str, labelled: str | None, n: int) -> tuple[float, ...]:
        boxes = _BOX.findall(labelled) if labelled is not None else []
        if not boxes:
            # No box under the label: a lone box elsewhere is still the verdict, and quotes of
            # boxes cannot occur because prompts respell them.
            boxes = _BOX.findall(text)
        if not boxes:
            raise ParseError(f"no boxed scores in text ending {tail(text)}")
        readings = {self._list(box, n) for box in boxes}
        if len(readings) > 1:
            raise AmbiguousError(f"{len(readings)} different verdicts: {', '.join(boxes[:4])}")
        return readings.pop()

    def _list(self, box: str, n: int) -> tuple[float, ...]:
        tokens = box.split(",")
        if len(tokens) != n:
            raise ParseError(f"expected {n} scores, got {len(tokens)} in {box[:80]!r}")
        return tuple(number(token, self.scale) for token in tokens)


def _sections(text: str) -> dict[str, str]:
    """Split at the labels. All `Scores` parts are kept together, so that two can be compared."""
    names = {"specific criteria": "criteria", "principles": "criteria", "score": "scores"}
    names |= {"critique": "analysis", "critiques": "analysis"}
    labels = list(_LABEL.finditer(text))
    parts: dict[str, str] = {}
    for label, following in zip(labels, [*labels[1:], None], strict=True):
        name = names.get(label["label"].lower(), label["label"].lower())
        body = text[label.end() : following.start() if following else len(text)]
        parts[name] = parts[name] + "\n" + body if name in parts else body
    return parts


def _principles(text: str) -> tuple[Principle, ...]:
    """Numbered or bulleted criteria with their weights; without any weight all weigh the same."""
    found: list[tuple[str, str, float | None]] = []
    for item in _ITEM.finditer(text):
        line = item["text"].replace("**", "").strip()
        weight = _WEIGHT.search(line)
        if weight is not None:
            line = f"{line[: weight.start()].rstrip()} {line[weight.end() :].lstrip()}"
        name, _, description = (part.strip(" *_:-–—") for part in _partition(line))
        if name:
            found.append((name[:200], description, float(weight["weight"]) if weight else None))
    known = [weight for _, _, weight in found if weight is not None]
    rest = sum(known) / len(known) if known else 1.0
    principles = [
        Principle(name=name, description=description, weight=rest if weight is None else weight)
        for name, description, weight in found
    ]
    try:
        return normalise_weights(principles)
    except ValueError:  # all weights 0: the names still tell what it judged by
        return normalise_weights([p.model_copy(update={"weight": 1.0}) for p in principles])


def _partition(line: str) -> tuple[str, str, str]:
    for separator in (":", " - ", " – ", " — "):
        if separator in line:
            return line.partition(separator)
    return line, "", ""


def _critiques(analysis: str, n: int) -> tuple[Critique, ...]:
    """One critique per `Response i:` heading; several about one response are joined."""
    headings = list(_RESPONSE.finditer(analysis))
    texts: dict[int, list[str]] = {}
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        position = int(heading["index"]) - 1
        if 0 <= position < n:
            end = following.start() if following else len(analysis)
            texts.setdefault(position, []).append(analysis[heading.end() : end].strip(" \n*-"))
    if not texts and n == 1 and analysis:
        texts = {0: [analysis]}
    return tuple(
        Critique(response=position, text="\n".join(pieces))
        for position, pieces in sorted(texts.items())
    )
