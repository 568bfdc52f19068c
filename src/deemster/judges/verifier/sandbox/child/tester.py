"""Runs the tests, in a process of its own: the code under test never runs here.

The tests see proxies; a call goes to the other process and comes back as plain data. Only this
process can write the result, so nothing that the code under test prints, raises or overwrites
looks like a pass.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
from typing import Any, NoReturn

from .wire import WireError, decode, encode, receive, send


class _Broken(BaseException):
    """The code under test has died; not an `Exception`, so that no test swallows it."""


class _Unrunnable(BaseException):
    """The tests need something that this way of testing cannot give them."""


class _Function:
    """A function of the code under test. Tests can call it; they cannot look at it."""

    def __init__(self, remote: _Remote, name: str) -> None:
        self._remote = remote
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - what the tests expect
        return self._remote.call(self.__name__, args, kwargs)

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(attribute)  # Python itself asks for these
        self._remote.give_up(f"a test looks at {self.__name__}.{attribute}")

    def __instancecheck__(self, _instance: object) -> NoReturn:
        self._remote.give_up(f"a test asks whether something is a {self.__name__}")


class _Remote:
    """The code under test, seen from here."""

    def __init__(self, asks: int, answers: int) -> None:
        self._asks, self._answers = asks, answers
        self._errors: dict[str, type[Exception]] = {}
        self.broken = ""
        self.unrunnable = ""
        self.last_call = ""
        self.values: list[str] = []
        """Names of what is no function."""
        self.lost = ""
        """What of a result was lost on its way, if a test could have looked at it."""
        self.changed = ""
        """Which call had an effect that was lost: on its arguments."""

    def names(self) -> dict[str, Any]:
        """What stands for each name of the code's."""
        hello = self._receive()
        if "broken" in hello:
            self._break(f"it does not run: {hello['broken']!s:.300}")
        self.values = _strings(hello.get("values"))
        for name, bases in _pairs(hello.get("errors")):
            self._errors[name] = type(name, (self._nearest(bases),), {})
        return {name: self._errors.get(name) or _Function(self, name)
                for name in _strings(hello.get("names"))}  # fmt: skip

    def give_up(self, why: str) -> NoReturn:
        """End the tests: they cannot be run."""
        self.unrunnable = self.unrunnable or why
        raise _Unrunnable(why)

    def _nearest(self, bases: list[str]) -> type[Exception]:
        """The nearest of the classes that an exception is of and that is known here."""
        for base in bases:
            kind = self._errors.get(base) or getattr(builtins, base, None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                return kind
        return RuntimeError

    def call(self, name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:  # noqa: ANN401
        """Call a function there."""
        prints = sys.stdout is not sys.__stdout__  # then a test looks at what is printed
        try:
            message = {"name": name, "args": encode(args), "kwargs": encode(kwargs),
                       "prints": prints}  # fmt: skip
            shown = ", ".join(
                [_shown(arg) for arg in args] + [f"{k}={_shown(v)}" for k, v in kwargs.items()]
            )
            self.last_call = f"{name}({shown:.200})"
            send(self._asks, message)
        except (WireError, RecursionError) as error:
            self.unrunnable = f"a test passes an argument that is {error}"
            raise _Unrunnable(self.unrunnable) from error
        except OSError:
            self._break("it ended before the tests did")
        reply = self._receive()
        if prints:
            sys.stdout.write(str(reply.get("printed", "")))
        if "value" in reply:
            try:
                value = decode(reply["value"])
            except (WireError, RecursionError) as error:
                self._break(f"it answered with a {error}")
            if reply.get("changes") is True:
                self.changed = f"{self.last_call} changes its arguments"
            if lost := str(reply.get("loses", "")):
                self.lost = f"{self.last_call} returned a {lost:.100}"
            self.last_call += f" gave {_shown(value):.200}"
            return value
        if "unsendable" in reply:
            self.give_up(f"{self.last_call} returned a value that is {reply['unsendable']!s:.300}")
        self.last_call += f" raised {reply.get('raised')!s:.50}: {reply.get('message')!s:.200}"
        raise self._exception(reply)

    def _exception(self, reply: dict[str, Any]) -> Exception:
        """What was raised there, as the nearest exception that is known here."""
        name, message = str(reply.get("raised")), str(reply.get("message", ""))
        kind = self._nearest([name, *_strings(reply.get("bases"))])
        own = kind if kind.__name__ == name else type(name, (kind,), {})
        try:
            args = decode(reply.get("args"))
        except (WireError, RecursionError):
            args = None
        for given in (args, (message,)):
            if isinstance(given, tuple):
                try:
                    raised: Exception = own(*given)
                except (TypeError, ValueError):  # UnicodeDecodeError wants others
                    continue
                return raised
        return RuntimeError(message)

    def _receive(self) -> dict[str, Any]:
        try:
            reply = receive(self._answers)
        except (WireError, OSError) as error:
            self._break(f"it answered with a {error}")
        if reply is None:
            self._break("it ended before the tests did")
        if not isinstance(reply, dict):
            self._break("it answered with a malformed message")
        return reply

    def _break(self, why: str) -> NoReturn:
        self.broken = why
        raise _Broken(why)


def _strings(given: object) -> list[str]:
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


def _pairs(given: object) -> list[tuple[str, list[str]]]:
    """Names with names, as far as they are."""
    return [
        (one[0], _strings(one[1]))
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str)
    ]


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # an integer of more digits than Python writes out
        return f"<{type(value).__name__}>"


def run_tests(job: dict[str, str], *, asks: int, answers: int, outcome: int) -> None:
    """Run the tests of a job and write `{"passed": bool | None, "evidence": str}`.

    None: the tests could not be run this way, which says nothing about the code.
    """
    remote = _Remote(asks, answers)
    passed: bool | None = False
    try:
        _run(remote, job)
        passed = not remote.broken
        evidence = remote.broken or "all tests passed"
    except _Broken as broken:
        evidence = str(broken)
    except _Unrunnable as unrunnable:
        passed, evidence = None, str(unrunnable)
    except BaseException as error:  # noqa: BLE001 - a failed test may raise anything
        evidence = remote.broken or _described(error, job["test"], remote.last_call)
        remote.unrunnable = remote.unrunnable or _unjudged(remote, error, job["test"])
    if remote.unrunnable:  # even if a bare `except` of the tests swallowed it
        passed, evidence = None, remote.unrunnable
    os.write(outcome, json.dumps({"passed": passed, "evidence": evidence}).encode())


_TYPES = ("isinstance(", "type(", "__class__", "issubclass(")


def _unjudged(remote: _Remote, error: BaseException, test: str) -> str:
    """Why a failed test says nothing about the code; empty if it does."""
    if remote.broken:
        return ""
    if isinstance(error, NameError) and error.name in remote.values:
        return f"a test looks at {error.name}, which is no function"
    if remote.changed:
        return remote.changed
    looks = not isinstance(error, AssertionError) or any(word in test for word in _TYPES)
    return remote.lost if looks else ""


def _run(remote: _Remote, job: dict[str, str]) -> None:
    names = remote.names()
    entry = job["entry_point"]
    if entry and entry not in names:
        raise _Broken(f"it defines no function {entry!r}")
    space: dict[str, Any] = {"__name__": "tests"}
    # The setup's own helpers take precedence over the solution's of the same name.
    try:
        exec(compile(job["setup"], "setup.py", "exec"), space)  # noqa: S102 - in the sandbox
    except Exception as error:
        raise _Unrunnable(f"the setup of the tests fails: {error!r:.200}") from error
    for name, proxy in names.items():
        if name == entry or not (name in space or hasattr(builtins, name)):
            space[name] = proxy
    if entry:
        space["candidate"] = space[entry]
    helper = space.get("check")  # of the solution's or the setup's, who may have one
    exec(compile(job["test"], "tests.py", "exec"), space)  # noqa: S102 - in the sandbox
    if entry and callable(check := space.get("check")) and check is not helper:
        check(space[entry])


def _described(error: BaseException, test: str, last_call: str) -> str:
    import traceback  # noqa: PLC0415 - most tests pass

    lines = test.splitlines()
    at = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
          if frame.filename == "tests.py" and frame.lineno]  # fmt: skip
    where = f" at: {lines[at[-1] - 1].strip():.200}" if at and at[-1] <= len(lines) else ""
    what = type(error).__name__ + (f": {error!s:.200}" if str(error) else "")
    return f"{what}{where}" + (f" ({last_call})" if last_call else "")
