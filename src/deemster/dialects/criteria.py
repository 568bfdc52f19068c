"""The criteria a judge lists, as principles: numbered, bulleted, in a table or on one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from deemster.schemas import Principle
from deemster.schemas.principle import shares

_ITEM = re.compile(
    r"^(?P<indent>[ \t]{0,16}+)"
    r"(?:(?P<number>[0-9]{1,3})[.)、][ \t]{0,8}+|[-*•+][ \t]{1,8}+|(?=\*\*))(?=\S)",
    re.MULTILINE,
)
_SHARE = r"(?P<weight>[0-9]{1,3}(?:\.[0-9]{1,4})?)[ \t]{0,4}"
_WEIGHT_WORD = (
    r"(?:weight(?:ing|age)?|权重|比重|占比|poids|pond[eé]ration|peso|ponderaci[oó]n"
    r"|gewicht(?:ung)?)"
)
_GAP = r"[ \t]{0,4}[*_]{0,4}[ \t]{0,4}"
_NAMED = rf"{_WEIGHT_WORD}{_GAP}(?:[:=]|of|is|为)?{_GAP}"
_IN_BRACKETS = rf"[(\[][ \t]{{0,4}}{_SHARE}%(?:[ \t]{{0,4}}{_WEIGHT_WORD})?[ \t]{{0,4}}[)\]]"
# In order of trust: "weight: 30%", "(30%)", and "30%" before the colon that ends the name.
_WEIGHTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"[(\[]?[ \t]{{0,4}}{_NAMED}{_SHARE}%?[ \t]{{0,4}}[)\]]?",
        _IN_BRACKETS,
        rf"{_SHARE}%(?=[^:\n]{{0,200}}:)",
    )
)
_MARKED = re.compile(
    rf"[(\[][ \t]{{0,4}}{_NAMED}{_SHARE.replace('?P<weight>', '?:')}%?[ \t]{{0,4}}[)\]]"
    rf"|{_IN_BRACKETS.replace('?P<weight>', '?:')}",
    re.IGNORECASE,
)
# A name and its weight, or, where numbers tell criteria apart, a name and a colon.
_BEGINS = re.compile(rf"(?:(?![ ][-•][ ])[^.;:!?|\n]){{1,80}}?(?:{_MARKED.pattern})", re.IGNORECASE)
_BEGINS_NUMBERED = re.compile(rf"{_BEGINS.pattern}|[^.;:!?|\n]{{1,60}}:", re.IGNORECASE)
_ROW = re.compile(r"^[ \t]*\|(?P<cells>[^\n]{1,4000}?)\|?[ \t]*$", re.MULTILINE)
_NAME_HEADER = re.compile(
    r"criteri|principle|aspect|dimension|标准|原则|维度|crit[eè]re|kriteri", re.IGNORECASE
)
_WEIGHT_HEADER = re.compile(rf"{_WEIGHT_WORD}|%", re.IGNORECASE)
_SCORE_HEADER = re.compile(
    r"response|answer|score|回答|评分|r[eé]ponse|respuesta|antwort", re.IGNORECASE
)
_NUMBER = re.compile(r"[*_ ]*([0-9]{1,3}(?:\.[0-9]{1,4})?)[ ]?%?[*_ ]*")
_PUNCTUATION = {ord(char) + 0xFEE0: char for char in ":()%[]0123456789"}  # from full width
_MOST_ITEMS = 256
_MOST_PRINCIPLES = 64
_LONGEST_LINE = 2000
_LONGEST_NAME = 200

_Found = tuple[str, str, float | None]
"""Name, description, weight."""


def read_principles(text: str) -> tuple[Principle, ...]:
    """The criteria listed; nested items and following lines belong to the description.

    A criterion without a weight gets the mean of the others' (no weights: all weigh the same).
    At most 64 are read.
    """
    if not text.isascii():
        text = text.translate(_PUNCTUATION)
    found = list(_table(text)) or [
        one for item in islice(_items(text), _MOST_PRINCIPLES) if (one := _criterion(item))
    ]
    known = [weight for _, _, weight in found if weight is not None]
    if sum(known):
        usual = sum(known) / len(known)
        weights = [usual if weight is None else weight for _, _, weight in found]
    else:  # all weights 0: the names still tell what it judged by
        weights = [1.0] * len(found)
    return tuple(
        Principle(
            name=name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…",
            description=description
            if len(name) <= _LONGEST_NAME
            else f"{name} {description}".strip(),
            weight=weight,
        )
        for (name, description, _), weight in zip(found, shares(weights), strict=True)
    )


def _criterion(item: str) -> _Found | None:
    line, _, rest = item.partition("\n")
    line, weight = _split_weight(line[:_LONGEST_LINE].replace("**", ""))
    name, description = _split_name(line)
    details = " ".join(rest.split())
    return (name, f"{description} {details}".strip(), weight) if name else None


def _items(text: str) -> Iterator[str]:
    """The items of the outermost list, each with all that is nested in it."""
    items = list(islice(_ITEM.finditer(text), _MOST_ITEMS))
    if not items:
        yield from _unlisted(text)
        return
    indent = len(items[0]["indent"])
    numbered = items[0]["number"] is not None
    tops = [
        item
        for item in items
        if len(item["indent"]) <= indent and (item["number"] is not None) == numbered
    ][:_MOST_PRINCIPLES]
    ends = [top.start() for top in tops[1:]]
    ends.append(min(len(text), tops[-1].end() + _LONGEST_LINE))
    for top, end in zip(tops, ends, strict=True):
        yield from _on_one_line(text[top.end() : end], int(top["number"]) if numbered else None)


def _on_one_line(item: str, number: int | None) -> Iterator[str]:
    """The item, and those that follow it on its line: "1. Accuracy (40%): … 2. Tone (60%): …".

    A number in a sentence begins no item: both sides must look like criteria.
    """
    line_end = item.find("\n") if "\n" in item else len(item)
    start = 0
    while True:
        following = _following(number)
        begins = _BEGINS if number is None else _BEGINS_NUMBERED
        splits = (
            split
            for split in islice(following.finditer(item, start, line_end), _MOST_PRINCIPLES)
            if begins.match(item, split.end()) and begins.match(item, start)
        )
        split = next(splits, None)
        if split is None:
            break
        yield item[start : split.start()]
        start = split.end()
        number = None if number is None else number + 1
    yield item[start:]


@lru_cache(maxsize=64)
def _following(number: int | None) -> re.Pattern[str]:
    """What begins the item behind one with this number, on the same line."""
    mark = r"[-•]" if number is None else rf"{number + 1}[.)、]"
    return re.compile(rf"(?<=\S)[ \t]{{1,4}}{mark}[ \t]{{1,4}}(?=\S)")


def _unlisted(text: str) -> Iterator[str]:
    """Criteria without numbers or bullets, told apart by their weights in brackets."""
    weights = list(islice(_MARKED.finditer(text), _MOST_PRINCIPLES))
    starts = []
    end = 0
    for weight in weights:
        before = text[end : weight.start()]
        cut = max(before.rfind(separator) for separator in ",;.\n:、。")
        starts.append(end + cut + 1)
        end = weight.end()
    for start, stop in zip(starts, [*starts[1:], len(text)], strict=False):
        yield text[start:stop].strip(" \t\n,;、")


def _table(text: str) -> Iterator[_Found]:
    """The rows of a Markdown table of criteria; nothing where there is none."""
    rows = [
        [cell.strip() for cell in row["cells"].split("|")]
        for row in islice(_ROW.finditer(text), _MOST_ITEMS)
    ]
    ruled = next(
        (i for i, row in enumerate(rows) if all(set(cell) <= set(":- ") for cell in row)), 0
    )
    if not ruled:
        return
    header = rows[ruled - 1]
    name_column = next((i for i, cell in enumerate(header) if _NAME_HEADER.search(cell)), 0)
    weight_column = next((i for i, cell in enumerate(header) if _WEIGHT_HEADER.search(cell)), None)
    others = [
        i
        for i, cell in enumerate(header)
        if i not in {name_column, weight_column}
        and not _SCORE_HEADER.search(cell)
        and cell not in {"", "#"}
    ]
    for row in rows[ruled + 1 :][:_MOST_PRINCIPLES]:
        cells = [*row, *[""] * len(header)]
        name, weight = _split_weight(cells[name_column].replace("**", ""))
        if weight_column is not None and (number := _NUMBER.fullmatch(cells[weight_column])):
            weight = float(number[1])
        if name := name.strip(" *_:"):
            yield name, " ".join(cells[i] for i in others if cells[i]), weight


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
