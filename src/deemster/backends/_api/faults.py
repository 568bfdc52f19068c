"""What a provider says when it gives no answer, and what follows from it.

The same reading serves the direct road and LiteLLM's: both give a status, headers and words.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from deemster.errors import BackendError, ContextLengthError, RateLimitError, RefusedError
from deemster.redaction import SHORTEST, redact

_RETRYABLE = frozenset({408, 409, 425, 429})
_NO_CREDIT = re.compile(
    r"insufficient[ _](quota|credits?|balance|funds)|out of credits?|credit balance is too low"
    r"|billing[ _](hard|soft)?[ _]?limit|payment required|exceeded your current quota"
    r"|requires more credits|spend(ing)? limit",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"context[ _](length|window|size)|maximum (context|prompt|input)|prompt is too long"
    r"|input (is )?too long|too many (input )?tokens|exceed\w* .{0,40}(context|token limit)"
    r"|reduce the length|n_ctx",
    re.IGNORECASE,
)
_BLOCKED = re.compile(
    r"content[ _](filter|policy|management)|safety (system|filter|policy)|moderation|flagged",
    re.IGNORECASE,
)
_KEY = re.compile(r"\b(sk|pk|rk|gsk|xai|hf|AIza|Bearer)[-_ ][A-Za-z0-9_\-.*]{6,}")
_LONGEST = 300
"""Characters of a provider's words that are shown, and that say what kind of error it is."""
_MOST = 4000
"""Characters that are kept."""
_LONGEST_WAIT = 86_400.0
"""Seconds; who asks for longer is not believed: all who share the key would wait."""
_WAIT = re.compile(
    r"(?:try again|retry|wait|reset\w*)[^.0-9]{0,30}"
    r"((?:\d+(?:\.\d+)?\s*(?:milliseconds?|minutes?|seconds?|hours?|secs?|mins?|ms|s|m|h)\s*)+)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|s|m|h)", re.IGNORECASE)
_SPANS = re.compile(r"\s*(?:\d+(?:\.\d+)?\s*(?:ms|s|m|h)\s*)+", re.IGNORECASE)
_UNITS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Fault:
    """An error as a provider reports it."""

    status: int
    words: str
    """What it says, on one line."""
    code: str = ""
    """Its code and type, lower case."""
    param: str = ""
    """The parameter it complains of, where it names one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names."""
    hidden: str = ""
    """Everything that was said, for what is not in its words: waits, the upstream's reasons."""

    @classmethod
    def read(cls, status: int, error: object, headers: Mapping[str, str] | None = None) -> Fault:
        """From the body of an answer, or the `error` in it: an object, a list, text.

        A status below 400 is replaced by the one the error gives as its code, else by 502: the
        answer came, but through a gateway that got none.
        """
        if isinstance(error, list) and error:  # Google wraps it in a list
            error = error[0]
        if isinstance(error, dict) and isinstance(error.get("error"), dict | str):
            error = error["error"]
        found = error if isinstance(error, dict) else {}
        words = found.get("message") or found.get("detail") or found.get("msg")
        said = _words(words if words is not None else error)
        code = found.get("code")
        if status < 400:
            status = int(str(code)) if re.fullmatch("[45][0-9]{2}", str(code)) else 502
        metadata = found.get("metadata")
        if isinstance(metadata, dict) and metadata.get("raw"):
            # OpenRouter: "Provider returned error", and the provider's own words in here.
            said = f"{said}: {_raw_words(metadata['raw'])}"
        names = (found.get(name) for name in ("code", "type", "status"))
        return cls(
            status=status,
            words=" ".join(said.split())[:_MOST],
            code=" ".join(str(name)[:_LONGEST] for name in names if name).lower(),
            param=str(found.get("param") or "")[:_LONGEST],
            headers={str(k).lower(): str(v) for k, v in (headers or {}).items()},
            hidden=(json.dumps(error, ensure_ascii=False) if found else said)[:_MOST],
        )

    @property
    def said(self) -> str:
        """The beginning of its words, which says what kind it is; may hold keys."""
        return self.words[:_LONGEST]

    def shown(self, secrets: Iterable[str]) -> str:
        """The beginning of its words without keys: taken out first, as a cut may split one."""
        return scrub(self.words, secrets)[:_LONGEST]

    def text(self, secrets: Iterable[str] = ()) -> str:
        """Status and what is shown of its words."""
        said = self.shown(secrets)
        return f"HTTP {self.status}: {said}" if said else f"HTTP {self.status}"

    @property
    def is_bad_request(self) -> bool:
        """Whether the request is said to be wrong, so that another one may be right."""
        return self.status in {400, 404, 405, 422} and not isinstance(
            self.to_error("", ()), ContextLengthError | RefusedError
        )

    @property
    def out_of_credit(self) -> bool:
        """Whether nothing is answered until somebody pays.

        Many providers speak of quota and billing when only a minute's allowance is used up; they
        say then how long to wait.
        """
        if self.status == 402:
            return True
        if self.status not in {400, 403, 429}:
            return False
        return bool(_NO_CREDIT.search(f"{self.code} {self.said}")) and self.retry_after is None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the provider asked to wait, in whatever place it said so.

        No time at all, or one that has passed, does not say how long to wait.
        """
        wait = self._asked_to_wait()
        return wait if wait is not None and 0 < wait <= _LONGEST_WAIT else None

    def _asked_to_wait(self) -> float | None:
        for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
            wait = _seconds(self.headers.get(name, ""))
            if wait is not None and wait > 0:
                return wait * unit
        if self.status not in {429, 503, 529}:
            return None
        delay = re.search(r'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"', self.hidden)
        if delay:
            return float(delay.group(1))
        for kind in ("requests", "tokens"):
            if self.headers.get(f"x-ratelimit-remaining-{kind}") == "0":
                wait = _span(self.headers.get(f"x-ratelimit-reset-{kind}", ""))
                if wait is not None:
                    return wait
        match = _WAIT.search(self.said) or _WAIT.search(self.hidden)
        return _span(match.group(1)) if match else None

    def to_error(self, model: str, secrets: Iterable[str]) -> BackendError:
        """This package's error, with no key in its text."""
        text = self.text(secrets)
        text = f"{scrub(model, secrets)}: {text}" if model else text
        words = f"{self.code} {self.said}"
        if self.status in {400, 413, 422} and _CONTEXT.search(words):
            return ContextLengthError(text)
        if self.status in {400, 403, 451} and _BLOCKED.search(words):
            return RefusedError(text)
        if self.out_of_credit:
            return BackendError(text)
        if self.status == 429:
            return RateLimitError(text, retry_after=self.retry_after)
        retryable = self.status in _RETRYABLE or self.status >= 500
        return BackendError(
            text, retryable=retryable, retry_after=self.retry_after if retryable else None
        )


def _words(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The message in an error's words: some wrap the JSON of another error in them."""
    if isinstance(value, list):  # FastAPI: a list of what is wrong, and where
        return "; ".join(_located(item) for item in value[:3])
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    found = re.search(r'"message"\s*:\s*"((?:[^"\\]|\\.)*)"', text)
    return found.group(1) if found else text


def _located(item: Any) -> str:  # noqa: ANN401 - any JSON value
    if not isinstance(item, dict) or "msg" not in item:
        return _words(item)
    place = item.get("loc")
    where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return f"{where}: {item['msg']}"


def _raw_words(raw: Any) -> str:  # noqa: ANN401 - any JSON value
    return _words(raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Replace keys: the given ones, the known ones, and whatever looks like one."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            text = text.replace(secret, "***")
    return _KEY.sub(r"\1-***", redact(text))


def _seconds(value: str) -> float | None:
    """A `Retry-After`: seconds, a date, or `1m30s`; None if it is none of them."""
    try:
        seconds = float(value)
    except ValueError:
        if _SPANS.fullmatch(value):
            return _span(value)
    else:
        return seconds if math.isfinite(seconds) else None
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a time zone of a million hours
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=dt.UTC)
    return (until - dt.datetime.now(tz=dt.UTC)).total_seconds()


def _span(text: str) -> float | None:
    """Seconds of `1.2s`, `20ms` or `6m0s`."""
    parts = _SPAN.findall(text)
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in parts) if parts else None
