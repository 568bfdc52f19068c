"""Which column of a row holds what: told by the user, or known from the names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from deemster.errors import InputError

QUERY_NAMES = ("query", "prompt", "question", "instruction", "problem")
TRUTH_NAMES = ("ground_truth", "label", "preference", "winner")
_FAMILY = re.compile(r"(response|output|answer|completion)[_ -]?([a-z]|[0-9]{1,2})", re.IGNORECASE)
SINGLE_NAMES = ("response", "completion", "output")
_OWN = ("id", "subset", "reference", "principles", "policies")
_KEYS = ("query", "responses", "truth", "chosen", "rejected", "messages", "system", *_OWN, "first")
CONVERSATIONS = ("messages", "conversations")
SIGNED = -1
"""As the number of the first response: below 0 it is the better one, above 0 the second is."""

SHAPES = (
    "query + responses, prompt + chosen + rejected, question + response_A + response_B, "
    "instruction + output_1 + output_2, prompt + completion, or messages"
)
"""The shapes that are known without being told, for error texts."""


@dataclass(frozen=True)
class Columns:
    """The columns of each part of a sample; none where the data does not have the part."""

    query: tuple[str, ...] = ()
    """Several are joined by blank lines (`instruction` and `input`)."""
    responses: tuple[str, ...] = ()
    """One response each; or one column with a list of them, or with one text."""
    truth: tuple[str, ...] = ()
    """One column with a list, a number or the name of the best; or one number per response."""
    policies: tuple[str, ...] = ()
    """One per response, or one column with a list."""
    messages: str = ""
    """A conversation whose last turn is the response."""
    system: str = ""
    """A system turn to put before the query, unless it has one."""
    id: str = ""
    subset: str = ""
    reference: str = ""
    principles: str = ""
    best_first: bool = False
    """Whether the first response is the better one (`chosen` and `rejected`)."""
    first: int | None = None
    """The number of the first response where the truth is a number: 0, 1 or `SIGNED`; None refuses
    0, which is a tie in some data sets and the first response in others."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is read."""
        single = (
            self.messages, self.system, self.id, self.subset, self.reference, self.principles,
        )  # fmt: skip
        several = (*self.query, *self.responses, *self.truth, *self.policies)
        return tuple(name for name in (*several, *single) if name)

    def part_of(self, name: str) -> str:
        """What a column is, in words."""
        if name in self.responses:
            place = self.responses.index(name)
            if self.best_first:
                return "the better response" if place == 0 else "a worse response"
            return f"response {place}" if len(self.responses) > 1 else "responses"
        for part in ("query", "truth", "policies"):
            if name in getattr(self, part):
                return part
        for part in ("messages", "system", "id", "subset", "reference", "principles"):
            if name == getattr(self, part):
                return "query and response" if part == "messages" else part
        return "metadata"


@dataclass(frozen=True)
class GivenColumns:
    """What the user said about columns; the rest is known from the names."""

    said: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, given: str | Mapping[str, Any]) -> GivenColumns:
        """From `query=prompt,responses=a|b,truth=winner`, or a mapping like it.

        `|` separates several columns; nothing after `=` says that the data has no such part.

        Args:
            given: the text or the mapping; a value of the mapping may be a list.

        Raises:
            InputError: it is not such a text, or a key is unknown or does not go with the others.
        """
        said: dict[str, tuple[str, ...]] = {}
        for key, value in _pairs(given):
            if key == "ground_truth":
                key = "truth"  # noqa: PLW2901 - the same thing by the field's own name
            if key not in _KEYS:
                raise InputError(f"columns: unknown key {key!r}; known: {', '.join(_KEYS)}")
            if key in said:
                raise InputError(f"columns: {key!r} is given twice; give it once, columns by '|'")
            listed = value if isinstance(value, Sequence) and not isinstance(value, str) else None
            names = str(value).split("|") if listed is None else list(map(str, listed))
            said[key] = tuple(name.strip() for name in names if name.strip())
            several = key in ("query", "responses", "truth", "policies")
            if not several and len(said[key]) > 1:
                raise InputError(f"columns: {key!r} is one column, got {'|'.join(said[key])!r}")
        if said.get("first", ("0",)) not in (("0",), ("1",), (str(SIGNED),)):
            raise InputError(
                f"columns: first must be 0, 1 or {SIGNED} (below 0 the first response is better), "
                f"got {'|'.join(said['first'])!r}"
            )
        if ("chosen" in said) != ("rejected" in said):
            raise InputError("columns: give chosen and rejected, or neither")
        if "chosen" in said and ("responses" in said or "truth" in said):
            raise InputError("columns: give chosen and rejected, or responses and truth")
        return cls(said)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that was named."""
        return tuple(name for key, names in self.said.items() if key != "first" for name in names)

    def check_seen(self, unseen: Collection[str]) -> None:
        """Raise `InputError` if one of the named columns was in no row."""
        if unseen:
            raise InputError(
                f"columns: no row has a column {min(unseen)!r}; see `deemster data show`"
            )

    def complete(self, names: Collection[str], everywhere: Collection[str]) -> Columns:
        """The columns of a row.

        Args:
            names: its columns that are not empty.
            everywhere: all of its columns.

        Raises:
            InputError: a column that was named is not there.
        """
        said = self.said
        for key, columns in said.items():
            unknown = [name for name in columns if name not in everywhere]
            if unknown and key in (
                "query",
                "responses",
                "chosen",
                "rejected",
                "messages",
                "system",
            ):
                known = ", ".join(everywhere) or "none"
                raise InputError(f"columns: {key} is to be {unknown[0]!r}; columns here: {known}")
        found = known_columns(names)
        changed: dict[str, Any] = {
            key: said[key] for key in ("query", "responses", "truth", "policies") if key in said
        }
        single = ("messages", "system", *_OWN)
        changed |= {key: "".join(said[key]) for key in single if key in said}
        changed["policies"] = said.get("policies", found.policies)
        if "chosen" in said:
            changed |= {"responses": said["chosen"] + said["rejected"], "best_first": True}
        if "messages" in said:
            changed |= {"query": (), "responses": ()}
        elif "responses" in changed:
            changed["messages"] = ""
            changed.setdefault("best_first", False)
            # The label of other responses may mean anything.
            ours = [name for name in names if name.lower() == "ground_truth"]
            changed.setdefault("truth", tuple(ours[:1]))
            changed["policies"] = said.get("policies", ())
        if "truth" in said:
            changed["best_first"] = False
        first = int(said["first"][0]) if "first" in said else None
        return replace(found, first=first, **changed)


def known_columns(names: Collection[str]) -> Columns:
    """What columns of these names usually hold; no responses and messages if that is unknown.

    Capital letters do not matter, but where two names differ in nothing else: then the one in
    small letters counts.
    """
    there: dict[str, str] = {}
    for name in names:
        if name.lower() not in there or name.islower():
            there[name.lower()] = name
    found = _usual(there)
    given: dict[str, Any] = {}
    for part in fields(found):
        value = getattr(found, part.name)
        if isinstance(value, tuple):
            given[part.name] = tuple(there[name] for name in value)
        elif isinstance(value, str) and value:
            given[part.name] = there[value]
    return replace(found, **given)


def _usual(names: Collection[str]) -> Columns:
    """The same for names in small letters."""
    own: dict[str, Any] = {name: name for name in _OWN if name in names and name != "policies"}
    if "policies" in names:
        own["policies"] = ("policies",)
    own["system"] = _system_of(names)
    query = _query_of(names)
    messages = next((name for name in CONVERSATIONS if name in names), "")
    truth = next(((name,) for name in TRUTH_NAMES if name in names), ())
    if "responses" in names:
        return Columns(query, ("responses",), truth, **own)
    if "chosen" in names and "rejected" in names:
        return Columns(query, ("chosen", "rejected"), best_first=True, **own)
    family, suffixes = _family(names)
    if family:
        models = tuple(f"model_{suffix}" for suffix in suffixes)
        if all(name in names for name in models):
            own.setdefault("policies", models)
        return Columns(query, family, truth, **own)
    single = next(((name,) for name in SINGLE_NAMES if name in names), ())
    if messages and not (query and single):
        return Columns(messages=messages, truth=truth, **own)
    return Columns(query, single, truth, **own)


def _system_of(names: Collection[str]) -> str:
    """The column with a system turn. In data about systems, `system` names the one at work."""
    if "system_prompt" in names:
        return "system_prompt"
    sure = "system" in names and not {"chosen", *CONVERSATIONS}.isdisjoint(names)
    return "system" if sure else ""


def _query_of(names: Collection[str]) -> tuple[str, ...]:
    for name in QUERY_NAMES:
        if name in names:
            joined = name == "instruction" and "input" in names
            return (name, "input") if joined else (name,)
    return ("input",) if "input" in names else ()


def _family(names: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns such as `response_A` and `response_B`, in order and without a gap; and A, B."""
    stems: dict[str, dict[str, str]] = {}
    for name in names:
        if match := _FAMILY.fullmatch(name):
            stems.setdefault(match[1].lower(), {})[match[2].lower()] = name
    for suffixes in stems.values():
        for series in ("abcdefghijklmnopqrstuvwxyz", range(1, 100), range(100)):
            found = []
            for suffix in map(str, series):
                if suffix not in suffixes:
                    break
                found.append(suffix)
            if len(found) >= 2:
                return tuple(suffixes[suffix] for suffix in found), tuple(found)
    return (), ()


def _pairs(given: str | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(given, Mapping):
        return [(str(key), value) for key, value in given.items()]
    pairs = []
    for part in given.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(
                f"columns: {part!r} is not KEY=COLUMN; write query=prompt,responses=a|b"
            )
        pairs.append((key.strip(), value))
    return pairs


__all__ = [
    "CONVERSATIONS",
    "QUERY_NAMES",
    "SHAPES",
    "SIGNED",
    "SINGLE_NAMES",
    "Columns",
    "GivenColumns",
    "known_columns",
]
