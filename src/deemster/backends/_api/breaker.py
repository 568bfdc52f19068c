"""When to stop asking: the same refusal, again and again, for all requests alike."""

from __future__ import annotations

import re
import threading

from deemster.errors import UnusableModelError

_ENOUGH = 3
_HOPELESS = frozenset({401, 402, 403, 404})


class Breaker:
    """Ends a run whose every request is refused for the same reason.

    A wrong key, a model that does not exist, an account without credit: after three such answers
    in a row, and none between that is better, nothing more is sent. Safe for several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason = ""
        self._times = 0

    def check(self) -> None:
        """Refuse to send.

        Raises:
            UnusableModelError: it was the same refusal too often.
        """
        if self._times >= _ENOUGH:
            raise UnusableModelError(
                f"{self._reason}; the last {self._times} requests were refused so, "
                "and nothing more is sent"
            )

    def failed(self, status: int, reason: str, *, final: bool) -> None:
        """A request was refused.

        Args:
            status: of HTTP.
            reason: the error in words.
            final: whether sending it again is in vain.
        """
        with self._lock:
            if not final or not (status in _HOPELESS or status == 429):
                return
            self._times = self._times + 1 if _same(reason, self._reason) else 1
            self._reason = reason

    def answered(self) -> None:
        """A request was answered."""
        if self._times:
            with self._lock:
                self._times = 0


def _same(one: str, other: str) -> bool:
    """Whether two reasons are alike but for numbers and the ids of requests."""
    return _ID.sub("#", one) == _ID.sub("#", other)


_ID = re.compile(r"\b(?=[\w-]*\d)[\w-]+")
