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
_MANY = 8
_RECENT = 32
"""So many refusals among so many answers are no accident: then there is a limit."""
_BACK_OFF = 0.97
"""Where the rate starts again, as a share of the rate that was too much."""
_FIRST_RETURN, _LAST_RETURN = 20.0, 80.0
"""Seconds until the rate is back where it was too much."""
_LEAST = 0.2
"""Requests a second that are always tried."""
_CATCH_UP = 0.01
"""Seconds by which requests may be late and still keep the rate: timers are not exact."""


class Pace:
    """The rate at which a key is used at a host.

    There is no limit until refusals (HTTP 429) show one. The rate is then set a little below
    what got through, and rises: slowly at first, faster the longer nothing is refused (as TCP's
    CUBIC does). A refusal on the way lowers it again, and makes the next rise slower. Few
    scattered refusals set no rate. A `Retry-After` makes all callers wait.

    Safe for several threads and event loops.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet_until = -math.inf
        self._ceiling = math.inf  # the rate that was too much
        self._cut = -math.inf  # when the rate was last lowered
        self._first_cut = False  # whether the last one was the first
        self._return = _FIRST_RETURN
        self._next = -math.inf  # when the next request may start
        self._starts: deque[float] = deque(maxlen=1024)  # of requests not refused
        self._answers = 0  # to requests that started since the cut
        self._first_answer = -math.inf
        self._recent: deque[bool] = deque(maxlen=_RECENT)

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
            rate = self._rate(now)
            if rate < math.inf:
                self._next = max(self._next, now - _CATCH_UP) + 1 / rate
            self._starts.append(now)
            return 0.0

    def wait_for(self, seconds: float) -> None:
        """The provider asked for no request for so long."""
        with self._lock:
            self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)

    def answered(self, started: float) -> None:
        """A request that started then was not refused for being one too many."""
        self._recent.append(False)
        if started > self._cut:
            if not self._answers:
                self._first_answer = time.monotonic()
            self._answers += 1

    def refused(self, started: float) -> None:
        """A request that started then (`time.monotonic()`) was one too many."""
        with self._lock:
            self._recent.append(True)
            if started in self._starts:
                self._starts.remove(started)
            now = time.monotonic()
            rate = self._rate(now)
            if started <= self._cut:  # of the burst that led to the cut, or before
                if self._first_cut:
                    self._ceiling = self._burst(self._cut)
                return
            if started <= self._cut + _BURST:  # it may still have been for the burst's sake
                return
            if rate < math.inf:
                self._lower(now, rate)
            elif sum(self._recent) >= _MANY:
                self._ceiling, self._first_cut = self._burst(now), True
                self._begin(now)
                self._next = now + _BURST  # the burst took the next second's allowance

    def _lower(self, now: float, rate: float) -> None:
        through = self._answers / max(_BURST, now - self._first_answer)
        self._first_cut = False
        if through >= 0.7 * rate:
            # The rate was used and is the limit, or close to it: return to it later.
            self._ceiling = rate
            self._return = min(2 * self._return, _LAST_RETURN)
        else:
            self._ceiling = max(through, rate / 2, _LEAST)
            self._return = _FIRST_RETURN
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._cut = now
        self._answers = 0
        self._next = now

    def _burst(self, end: float) -> float:
        """Requests a second that got through just before `end`."""
        through = sum(end - _BURST < start <= end for start in self._starts)
        return max(through / _BURST, _LEAST)

    def _rate(self, now: float) -> float:
        if self._ceiling == math.inf:
            return math.inf
        # Silence that the provider asked for shows nothing about the rate.
        risen = max(0.0, now - max(self._cut, self._quiet_until)) / self._return
        return self._ceiling * (_BACK_OFF + (1 - _BACK_OFF) * risen**3)


_PACES: weakref.WeakValueDictionary[tuple[str, str], Pace] = weakref.WeakValueDictionary()
_PACES_LOCK = threading.Lock()


def shared_pace(host: str, key: str) -> Pace:
    """The pace of this key at this host, the same object for all that ask while one holds it."""
    with _PACES_LOCK:
        found = _PACES.get((host, key))
        if found is None:
            found = _PACES[host, key] = Pace()
        return found
