"""How fast a provider may be asked: learned from its refusals, shared by all who use one key.

Nothing here waits: `Pace` says how long to wait and `limits.Gate` does so.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import deque

_BURST = 1.0
"""Seconds over which the starts before a first refusal are counted."""
_WINDOW = 60.0
"""The same where the provider asks for a wait of `_LONG` or more: it counts by the minute."""
_LONG = 5.0
_MANY = 8
_RECENT = 32
"""So many refusals among so many answers are no accident: then there is a limit."""
_FEW = 3
"""So many refusals below the limit say that it is another one, or none."""
_BACK_OFF = 0.97
"""Where the rate starts again, as a share of the rate that was too much."""
_RETURN = 20.0
"""Seconds until the rate is back where it was too much."""
_LATER_RETURN = 80.0
"""The same once the limit is known: each try costs a refusal, and the silence asked for with it."""
_DOUBLINGS = 30.0
"""So often at most: a billion times is no limit."""
_LEAST = 0.2
"""Requests a second that are always tried."""
_CATCH_UP = 0.01
"""Seconds by which requests may be late and still keep the rate: timers are not exact."""


class Pace:
    """The rate at which a key is used at a host.

    There is no limit until refusals (HTTP 429) show one. The rate is then set a little below
    what got through, and rises: slowly at first, faster the longer nothing is refused (as TCP's
    CUBIC does). A refusal on the way up lowers it again, and makes the next rise slower. A few
    scattered refusals set no rate; if as many are refused at a lower rate, the rate is not their
    reason and is given up for a minute. A `Retry-After` makes all callers wait.

    Safe for several threads and event loops.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet_until = -math.inf
        self._starts: deque[float] = deque(maxlen=1024)  # of requests not refused
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._ceiling: float  # the rate that was too much
        self._cut: float  # when the rate was last lowered
        self._first: tuple[float, float] | None  # of the first cut: see `_through`
        self._return: float
        self._next: float  # when the next request may start
        self._seen: int  # outcomes of requests that started well after the cut
        self._refusals: int  # among them
        self._share: float  # of refusals before the first cut, then of those before the last
        self._unmoved = 0  # cuts that did not change it
        self._ignore_until = -math.inf
        self._begin(-math.inf, math.inf, _RETURN)

    @property
    def quiet(self) -> float:
        """Seconds for which the provider asked for no request, 0 if none."""
        return max(0.0, self._quiet_until - time.monotonic())

    @property
    def rate(self) -> float:
        """Requests a second; infinite where no limit is known."""
        return self._rate(time.monotonic())

    def take(self, now: float) -> float:
        """Start a request, if it may start now.

        Args:
            now: `time.monotonic()`.

        Returns:
            0 if it may, and counts as started; otherwise the seconds to wait before asking again.
        """
        with self._lock:
            wait = max(self._quiet_until, self._next) - now
            if wait > 0:
                return wait
            self._next = max(self._next, now - _CATCH_UP) + 1 / self._rate(now)
            self._starts.append(now)
            return 0.0

    def wait_for(self, seconds: float) -> None:
        """The provider asked for no request for so long."""
        with self._lock:
            self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)

    def answered(self, started: float) -> None:
        """A request that started then was not refused for being one too many."""
        self._recent.append(False)
        self._seen += started > self._cut + _BURST

    def refused(self, started: float, wait: float | None = None) -> None:
        """A request that started then was one too many.

        Args:
            started: `time.monotonic()`.
            wait: seconds that the provider asked to wait.
        """
        with self._lock:
            now = time.monotonic()
            self._recent.append(True)
            if started in self._starts:
                self._starts.remove(started)
            if self._ceiling == math.inf:
                if now > self._ignore_until and sum(self._recent) >= _MANY:
                    self._cut_first(now, wait)
            elif started <= self._cut:  # of the burst that led to the cut
                if self._first is not None:
                    self._ceiling = self._through(self._cut, *self._first)
            elif started > self._cut + _BURST:  # before, it may be for the burst's sake
                self._seen += 1
                self._refusals += 1
                self._cut_again(now)
            if wait is not None:
                self._quiet_until = max(self._quiet_until, now + wait)

    def _cut_first(self, now: float, wait: float | None) -> None:
        self._share = sum(self._recent) / len(self._recent)
        first = (_BURST, _BURST)
        if wait is not None and wait >= _LONG and self._starts:
            oldest = max(self._starts[0], now - _WINDOW)
            first = (_WINDOW, now - oldest + wait)
        self._begin(now, self._through(now, *first), _RETURN)
        self._first = first
        self._next = now + _BURST  # the burst took the next second's allowance

    def _cut_again(self, now: float) -> None:
        rate, share = self._rate(now), self._refusals / self._seen
        if self._risen(now) >= 0.5:  # a step too far; requests are never evenly apart
            self._unmoved = 0
            self._begin(now, rate, _LATER_RETURN)
        elif self._refusals >= _FEW:
            self._unmoved = self._unmoved + 1 if share > self._share / 2 else 0
            self._share = share
            if self._unmoved >= 2:
                self._unmoved, self._ceiling = 0, math.inf
                self._ignore_until = now + _WINDOW
                self._recent.clear()
            else:
                self._begin(now, max(rate * (1 - share), _LEAST), _RETURN)

    def _begin(self, now: float, ceiling: float, returns: float) -> None:
        self._ceiling, self._return, self._cut, self._next = ceiling, returns, now, now
        self._first = None
        self._seen = self._refusals = 0

    def _through(self, end: float, window: float, seconds: float) -> float:
        """Requests a second: those not refused in the window before `end`, over `seconds`."""
        through = sum(end - window < start <= end for start in self._starts)
        return max(through / seconds, _LEAST)

    def _risen(self, now: float) -> float:
        """How much of the way back has passed; more than 1 beyond the rate that was too much."""
        # Silence that the provider asked for shows nothing about the rate.
        return max(0.0, now - max(self._cut, self._quiet_until)) / self._return

    def _rate(self, now: float) -> float:
        if self._ceiling == math.inf:
            return math.inf
        risen = self._risen(now)
        near = _BACK_OFF + (1 - _BACK_OFF) * risen**3
        # What is refused no more may have been measured much too low: a busy process starts less
        # than a provider takes. So beyond it the rate also doubles each time.
        return self._ceiling * near * math.exp2(min(max(0.0, risen - 1), _DOUBLINGS))


_PACES: weakref.WeakValueDictionary[tuple[str, str], Pace] = weakref.WeakValueDictionary()
_PACES_LOCK = threading.Lock()


def shared_pace(host: str, key: str) -> Pace:
    """The pace of this key at this host, the same object for all that ask while one holds it."""
    with _PACES_LOCK:
        found = _PACES.get((host, key))
        if found is None:
            found = _PACES[host, key] = Pace()
        return found
