"""What a server was found to refuse, and how its requests are made to do without it.

Models and servers differ in the parameters they take, and say so with a 400 that names one. It is
then dropped, renamed, lowered or folded, once per backend; every completion drawn so says it.
"""

from __future__ import annotations

import re
from typing import Any

from deemster.backends._api.faults import Fault
from deemster.backends.structured import StructuredMode
from deemster.errors import UnusableModelError

_KEPT = frozenset({"model", "messages", "stream"})
"""Without these there is no request."""
_STRUCTURE = frozenset({"response_format", "tools", "tool_choice"})
_OPTIONAL = frozenset({"temperature", "top_p", "stop", "seed"})
"""What a provider may not have at all."""
_WEAKER: dict[StructuredMode, StructuredMode] = {
    "json_schema": "tools", "tools": "json", "json": "md_json",
}  # fmt: skip
_REFUSED = re.compile(
    r"unsupported|unavailable|not supported"
    r"|n[o']t (currently )?(support|allow|permit|accept|available|enabled)"
    r"|unknown|unrecogni[sz]ed|unexpected|invalid|not permitted|not allowed|forbidden|deprecated"
    r"|extra (inputs|fields)|must be|should be|only|cannot|can't|incompatible|no endpoints"
    r"|too large|at most|less than|use ",
    re.IGNORECASE,
)
_SYSTEM = re.compile(
    r"system (role|message|prompt|instruction)|role[\"': ]+system|\"system\"|'system'|developer "
    r"instruction|roles must alternate",
    re.IGNORECASE,
)
_MOST = re.compile(
    r"(?:at most|maximum (?:value|of|is)|less than or equal to|<=|up to|cannot exceed"
    r"|max(?:imum)?:?)"
    r"[^0-9]{0,30}(\d{2,7})",
    re.IGNORECASE,
)


class Adaptations:
    """What is known about the parameters that one server refuses for one model.

    Args:
        model: how warnings call it.
        supported: the parameters that the provider is known to take; None: not known.
    """

    def __init__(self, model: str, supported: frozenset[str] | None = None) -> None:
        self._model = model
        self._dropped = set[str]() if supported is None else set(_OPTIONAL - supported)
        self._most: dict[str, int] = {}
        self._renamed: dict[str, str] = {}
        self._folds_system = False
        self._weaker: dict[StructuredMode, StructuredMode] = {}

    def mode(self, wanted: StructuredMode) -> StructuredMode:
        """How to ask for a schema, if it cannot be asked for in the way that is wanted."""
        while wanted in self._weaker:
            wanted = self._weaker[wanted]
        return wanted

    def apply(self, body: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The body as this server takes it, and what the user should know about it."""
        if not (self._renamed or self._dropped or self._most or self._folds_system):
            return body, ()
        fitted = {self._renamed.get(name, name): value for name, value in body.items()}
        notes = [
            f"{self._model} does not take {name}={fitted.pop(name)!r}; its own default was used"
            for name in self._dropped & fitted.keys()
        ]
        for name, most in self._most.items():
            if fitted.get(name, 0) > most:
                notes.append(f"{self._model} takes {name} up to {most}, not {fitted[name]}")
                fitted[name] = most
        if self._folds_system and any(m["role"] == "system" for m in fitted["messages"]):
            notes.append(f"{self._model} takes no system message; its text is in the first turn")
            fitted["messages"] = fold_system(fitted["messages"])
        return fitted, tuple(sorted(notes))

    def learn(
        self,
        fault: Fault,
        sent: dict[str, Any],
        mode: StructuredMode,
        *,
        needs: frozenset[str],
    ) -> bool:
        """Take a refusal in; whether another request may now do better.

        Args:
            fault: what the server said about `sent`.
            sent: the body of the request.
            mode: how the request asks for a schema.
            needs: parameters without which the answers are of no use.

        Raises:
            UnusableModelError: it refuses one of `needs`.
        """
        if not fault.is_bad_request:
            return False
        name = self._named(fault, sent)
        if name in needs:
            raise UnusableModelError(
                f"{self._model} does not give {name} ({fault.text()}), which this dialect needs; "
                "use another dialect or another model"
            )
        if name is None:
            return False
        if name in _STRUCTURE:
            if mode not in _WEAKER:
                return False
            self._weaker[mode] = _WEAKER[mode]
        elif name == "system":
            self._folds_system = True
        else:
            self._do_without(name, fault, sent)
        return True

    def _do_without(self, name: str, fault: Fault, sent: dict[str, Any]) -> None:
        most = min((int(number) for number in _MOST.findall(fault.said)), default=None)
        if name == "max_tokens" and "max_completion_tokens" in fault.said:
            self._renamed[name] = "max_completion_tokens"
        elif (
            name in {"max_tokens", "max_completion_tokens"}
            and most is not None
            and most < sent[name]
        ):
            self._most[name] = most
        else:
            self._dropped.add(name)
            if name == "logprobs":
                self._dropped.add("top_logprobs")

    def _named(self, fault: Fault, sent: dict[str, Any]) -> str | None:
        """The parameter of the request that is refused: named apart, or in the words."""
        about = fault.param.split(".")[0].split("[")[0]
        takes_system = any(message["role"] == "system" for message in sent["messages"])
        if about in sent and about not in _KEPT:
            return about
        if not _REFUSED.search(fault.said):
            return None
        if takes_system and _SYSTEM.search(fault.said) and not self._folds_system:
            return "system"
        found = [
            (match.start(), name)
            for name in sent.keys() - _KEPT - {"n"}  # n is seen to where draws are grouped
            for match in [re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", fault.said)]
            if match is not None
        ]
        # Of several, the one that is complained of comes first: "max_tokens is not supported, use
        # max_completion_tokens".
        return min(found)[1] if found else None


def fold_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with the text of the system turns put before the first user turn's."""
    system = [message["content"] for message in messages if message["role"] == "system"]
    others = [dict(message) for message in messages if message["role"] != "system"]
    text = "\n\n".join(_plain(content) for content in system)
    for message in others:
        if message["role"] == "user":
            content = message["content"]
            message["content"] = (
                f"{text}\n\n{content}"
                if isinstance(content, str)
                else [{"type": "text", "text": text}, *content]
            )
            return others
    return [{"role": "user", "content": text}, *others]


def _plain(content: Any) -> str:  # noqa: ANN401 - text or parts
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)
