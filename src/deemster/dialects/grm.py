r"""DeepSeek-GRM's labelled text: `Specific Criteria:`, `Analysis:`, `Scores: \boxed{7, 5}`.

Paper sections 2 and 3 (Eq. 7: scores are extracted from the critique; Eq. 9: principles come
from the same completion).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, settle, strip_reasoning, tail
from deemster.dialects.boxed import BOX, numbers
from deemster.errors import ParseError
from deemster.schemas import Completion, Critique, Principle, Scale, normalise_weights

# What models put around labels: "**Scores:**", "## Analysis", "3. Scores:". A label that is not
# followed by a colon must be the whole line.
_LABEL = re.compile(
    r"^[ \t*#_>0-9.)]{0,20}+"
    r"(?P<label>specific[ ]criteria|criteria|principles|analysis|critiques?|(?:final[ ])?scores?)"
    r"[ \t*_]{0,8}+(?::[ \t*_]{0,8}+|$)",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
_SECTIONS = {
    "specific criteria": "criteria",
    "principles": "criteria",
    "critique": "analysis",
    "critiques": "analysis",
    "score": "scores",
    "final score": "scores",
    "final scores": "scores",
}
_ITEM = re.compile(
    r"^(?P<indent>[ \t]{0,16}+)"
    r"(?:(?P<number>[0-9]{1,3}[.)][ \t]{1,8}+)|[-*•+][ \t]{1,8}+|(?=\*\*))(?=\S)",
    re.MULTILINE,
)
_SHARE = r"(?P<weight>[0-9]{1,3}(?:\.[0-9]{1,4})?)[ \t]{0,4}"
_NAMED = (
    r"weight(?:ing|age)?[ \t]{0,4}[*_]{0,4}[ \t]{0,4}(?:[:=]|of|is)?[ \t]{0,4}[*_]{0,4}[ \t]{0,4}"
)
# In order of trust: "weight: 30%", "(30%)", and "30%" before the colon that ends the name.
_WEIGHTS = (
    re.compile(rf"[(\[]?[ \t]{{0,4}}{_NAMED}{_SHARE}%?[ \t]{{0,4}}[)\]]?", re.IGNORECASE),
    re.compile(
        rf"[(\[][ \t]{{0,4}}{_SHARE}%(?:[ \t]{{0,4}}weight)?[ \t]{{0,4}}[)\]]", re.IGNORECASE
    ),
    re.compile(rf"{_SHARE}%(?=[^:\n]{{0,200}}:)"),
)
_RESPONSE = re.compile(
    r"^[ \t*•#>_\[(0-9.)-]{0,16}+(?:response|answer)[ \t]{1,4}+#?(?P<index>[0-9]{1,4})"
    r"[\])]?+[ \t*_]{0,8}+(?:[:.)\-–—]|$)",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
_MOST_ITEMS = 256
_MOST_PRINCIPLES = 64
_LONGEST_LINE = 2000


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
        r"""Read the boxes after the `Scores:` labels, or all boxes if there is none there.

        Boxes elsewhere may be the judge's own mathematics. Quoted responses cannot add one,
        because prompts respell `\boxed`. See `Dialect.parse`.
        """
        text = strip_reasoning(completion.text)
        boxes = BOX.findall(text)
        if not boxes:
            raise ParseError(f"no boxed scores in text ending {tail(text)}")
        sections = _sections(text)
        scale = self.scale_for(n)
        scores = settle(
            BOX.findall(sections.get("scores", "")) or boxes, lambda box: numbers(box, n, scale)
        )
        analysis = sections.get("analysis", "").strip()
        return Parsed(
            scores, _principles(sections.get("criteria", "")), _critiques(analysis, n), analysis
        )


def _sections(text: str) -> dict[str, str]:
    """Split at the labels; parts under one label are joined, so that two can be compared."""
    labels = list(_LABEL.finditer(text))
    parts: dict[str, list[str]] = {}
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=False):
        name = label["label"].lower()
        body = text[label.end() : end]
        parts.setdefault(_SECTIONS.get(name, name), []).append(body)
    return {name: "\n".join(bodies) for name, bodies in parts.items()}


def _principles(text: str) -> tuple[Principle, ...]:
    """The criteria listed; nested items and following lines belong to the description.

    A criterion without a weight gets the mean of the others' (no weights: all weigh the same).
    At most 64 are read.
    """
    found: list[tuple[str, str, float | None]] = []
    for item in _top_items(text):
        line, _, rest = item.partition("\n")
        line, weight = _split_weight(line[:_LONGEST_LINE].replace("**", ""))
        name, description = _split_name(line)
        if not name:
            continue
        details = " ".join(rest.split())
        description = f"{description} {details}".strip()
        if len(name) > _LONGEST_NAME:
            name, description = f"{name[: _LONGEST_NAME - 1]}…", f"{name} {description}".strip()
        found.append((name, description, weight))
    known = [weight for _, _, weight in found if weight is not None]
    usual = sum(known) / len(known) if sum(known) else 1.0
    principles = [
        Principle(name=name, description=description, weight=usual if weight is None else weight)
        for name, description, weight in found
    ]
    if known and not sum(known):  # all weights 0: the names still tell what it judged by
        principles = [p.model_copy(update={"weight": 1.0}) for p in principles]
    return normalise_weights(principles)


_LONGEST_NAME = 200


def _top_items(text: str) -> list[str]:
    """The items of the outermost list, each with all that is nested in it."""
    items = list(islice(_ITEM.finditer(text), _MOST_ITEMS))
    if not items:
        return []
    indent = min(len(item["indent"]) for item in items[:1])
    numbered = items[0]["number"] is not None
    tops = [
        item
        for item in items
        if len(item["indent"]) <= indent and (item["number"] is not None) == numbered
    ][:_MOST_PRINCIPLES]
    ends = [top.start() for top in tops[1:]]
    ends.append(min(len(text), tops[-1].end() + _LONGEST_LINE))
    return [text[top.end() : end] for top, end in zip(tops, ends, strict=True)]


def _split_weight(line: str) -> tuple[str, float | None]:
    """The line without its weight, and the weight."""
    for pattern in _WEIGHTS:
        weight = pattern.search(line)
        if weight is not None:
            rest = f"{line[: weight.start()].rstrip()} {line[weight.end() :].lstrip()}"
            return rest, float(weight["weight"])
    return line, None


def _split_name(line: str) -> tuple[str, str]:
    for separator in (":", " - ", " – ", " — "):
        if separator in line:
            name, _, description = line.partition(separator)
            break
    else:
        name, description = line, ""
    return name.strip(" *_:-–—"), description.strip(" *_:-–—")


def _critiques(analysis: str, n: int) -> tuple[Critique, ...]:
    """One critique per `Response i:` heading; several about one response are joined."""
    headings = list(_RESPONSE.finditer(analysis))
    texts: dict[int, list[str]] = {}
    ends = [heading.start() for heading in headings[1:]] + [len(analysis)]
    for heading, end in zip(headings, ends, strict=False):
        position = int(heading["index"]) - 1
        if 0 <= position < n:
            body = analysis[heading.end() : end]
            texts.setdefault(position, []).append(body.lstrip(" \t*_:").strip())
    if not texts and n == 1 and analysis:
        texts = {0: [analysis]}
    return tuple(
        Critique(response=position, text="\n".join(pieces))
        for position, pieces in sorted(texts.items())
    )
