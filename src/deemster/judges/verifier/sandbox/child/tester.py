"""Runs the tests, in a process of its own: the code under test never runs here.

The tests see proxies; a call goes to the other process and comes back as plain data. Only this
process can write the result, so nothing that the code under test prints, raises or overwrites
looks like a pass.
"""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Callable
from typing import Any, NoReturn

from .wire import WireError, decode, encode, receive, send


class _Broken(BaseException):
    """The code under test has died; not an `Exception`, so that no test swallows it."""


class _Unrunnable(BaseException):
    """The tests need something that this way of testing cannot give them."""


class _Remote:
    """The code under test, seen from here."""

    def __init__(self, asks: int, answers: int) -> None:
        self._asks, self._answers = asks, answers
        self.broken = ""
        self.unrunnable = ""
        self.last_call = ""

    def names(self) -> list[str]:
        hello = self._receive()
        if "broken" in hello:
            self._break(f"it does not run: {hello['broken']!s:.300}")
        names = hello.get("names")
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def function(self, name: str) -> Callable[..., Any]:
        def call(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - what the tests expect
            return self._call(name, args, kwargs)

        call.__name__ = name
        return call

    def _call(self, name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:  # noqa: ANN401
        try:
            message = {"name": name, "args": encode(args), "kwargs": encode(kwargs)}
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
        if "value" in reply:
            try:
                value = decode(reply["value"])
            except (WireError, RecursionError) as error:
                self._break(f"it answered with a {error}")
            self.last_call += f" gave {_shown(value):.200}"
            return value
        if "unsendable" in reply:
            told = f"{self.last_call} returned a value that is {reply['unsendable']!s:.300}"
            self.unrunnable = told
            raise _Unrunnable(told)
        self.last_call += f" raised {reply.get('raised')!s:.50}: {reply.get('message')!s:.200}"
        raise _exception(reply)

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


def _exception(reply: dict[str, Any]) -> Exception:
    """What was raised there, as the nearest built-in exception that it is one of."""
    name, message = str(reply.get("raised")), str(reply.get("message", ""))
    bases = reply.get("bases")
    for base in bases if isinstance(bases, list) else ():
        kind = getattr(builtins, str(base), None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            own = kind if kind.__name__ == name else type(name, (kind,), {})
            try:
                raised: Exception = own(message)
            except (TypeError, ValueError):  # UnicodeDecodeError and others want more arguments
                continue
            return raised
    return RuntimeError(message)


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
    if remote.unrunnable:  # even if a bare `except` of the tests swallowed it
        passed, evidence = None, remote.unrunnable
    os.write(outcome, json.dumps({"passed": passed, "evidence": evidence}).encode())


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
    for name in names:
        if name == entry or not (name in space or hasattr(builtins, name)):
            space[name] = remote.function(name)
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
