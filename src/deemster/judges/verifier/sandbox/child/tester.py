"""Runs the tests, in a process of its own: the code under test never runs here.

The tests see proxies; a call goes to the other process and comes back as plain data. Only this
process can write the result, so nothing that the code under test prints, raises or overwrites
looks like a pass.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import sys
from collections import deque
from functools import partial
from typing import Any, NoReturn

from .solution import barred
from .wire import WireError, decode, encode, receive, send

_MODULES = frozenset({
    "argparse", "binascii", "calendar", "configparser", "copy", "csv", "dataclasses", "decimal",
    "email.errors", "graphlib", "ipaddress", "json.decoder", "pickle", "queue", "re", "_sre",
    "sqlite3", "statistics", "string", "struct", "tomllib", "xml.parsers.expat",
    "xml.etree.ElementTree", "zlib", "zoneinfo",
})  # fmt: skip
"""Modules whose exceptions are carried as what they are: no others, as what a test framework takes
for a skipped or an ended test may not come from the code."""


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
        self._errors: dict[str, type[BaseException]] = {}
        self.raised: list[BaseException] = []
        """What the code has raised."""
        self.applies = False
        """Whether what a call changes of its arguments is changed here, too."""
        self.barred = ""
        """Which bar of the sandbox an error of the code came from."""
        self.broken = ""
        self.unrunnable = ""
        self.last_call = ""
        self.values: list[str] = []
        """Names of what is no function."""
        self.lost = ""
        """What of a result was lost on its way, if a test could have looked at it."""
        self.changed = ""
        """Which call had an effect that was lost: on its arguments."""
        self.opaque = False
        """Whether it is unknown how a call has changed them."""
        self.lost_attributes = ""
        """Which error has lost its attributes on its way."""

    def names(self) -> dict[str, Any]:
        """What stands for each name of the code's."""
        hello = self._receive()
        if "broken" in hello:
            if hello.get("barred"):
                self.give_up(f"{hello['barred']!s:.100}")
            self._break(f"it does not run: {hello['broken']!s:.300}")
        self.values = _strings(hello.get("values"))
        for name, classes in _pairs(hello.get("errors")):
            self._errors[name] = type(name, (self._nearest(classes[1:]),), {})
        return {name: self._errors.get(name) or _Function(self, name)
                for name in _strings(hello.get("names"))}  # fmt: skip

    def give_up(self, why: str) -> NoReturn:
        """End the tests: they cannot be run."""
        self.unrunnable = self.unrunnable or why
        raise _Unrunnable(why)

    def _nearest(self, classes: list[tuple[str, str]]) -> type[BaseException]:
        """The nearest of the classes that an exception is of and that is known here."""
        for module, name in classes:
            kind = self._errors.get(name) if module == "solution" else None
            if module in _MODULES or module == "builtins":
                kind = getattr(sys.modules.get(module), name, None)
            if isinstance(kind, type) and issubclass(
                kind, (Exception, SystemExit, KeyboardInterrupt)
            ):
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
            if "after" in reply:
                self.changed = f"{self.last_call} changes its arguments"
                self.opaque = self.opaque or reply["after"] is None
                if self.applies:
                    self._apply((args, kwargs), reply["after"])
            if lost := str(reply.get("loses", "")):
                self.lost = f"{self.last_call} returned a {lost:.100}"
            self.last_call += f" gave {_shown(value):.200}"
            return value
        if "unsendable" in reply:
            self.give_up(f"{self.last_call} returned a value that is {reply['unsendable']!s:.300}")
        self.last_call += f" raised {reply.get('raised')!s:.50}: {reply.get('message')!s:.200}"
        raise self._exception(reply)

    def _apply(self, given: tuple[object, ...], after: object) -> None:
        try:
            _become(list(given), [decode(one) for one in after] if isinstance(after, list) else [])
        except (WireError, RecursionError) as error:
            self._break(f"it answered with a {error}")

    def _exception(self, reply: dict[str, Any]) -> BaseException:
        """What was raised there, as the nearest exception that is known here."""
        name, message = str(reply.get("raised")), str(reply.get("message", ""))
        classes = _named(reply.get("classes"))
        kind = self._nearest(classes)
        own = kind if kind.__name__ == name else type(name, (kind,), {})
        try:
            args, state = decode(reply.get("args")), decode(reply.get("state"))
        except (WireError, RecursionError):
            args = state = None
        raised = _made(own, args if isinstance(args, tuple) else (message,))
        if raised is None:
            self.lost = f"{self.last_call} of a kind that cannot be carried"
            raised = RuntimeError(message)
        if not isinstance(state, dict):
            self.lost_attributes = f"{self.last_call} with attributes that cannot be carried"
        for key, value in state.items() if isinstance(state, dict) else ():
            if isinstance(key, str) and not key.startswith("__"):
                with contextlib.suppress(Exception):
                    setattr(raised, key, value)
        self.barred = self.barred or str(reply.get("barred") or "")[:100]
        self.raised.append(raised)
        return raised

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


def _pairs(given: object) -> list[tuple[str, list[tuple[str, str]]]]:
    """Names with classes, as far as they are."""
    return [
        (one[0], _named(one[1]))
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str)
    ]


def _named(given: object) -> list[tuple[str, str]]:
    """Classes by module and name, as far as they are."""
    return [
        (one[0], one[1])
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, list) and len(one) == 2 and len(_strings(one)) == 2
    ]


def _made(kind: type[BaseException], args: tuple[object, ...]) -> BaseException | None:
    """An exception with these arguments, if need be without the class's own `__init__`."""
    for make in (kind, partial(kind.__new__, kind)):
        try:
            made = make(*args)
        except Exception:  # noqa: BLE001, S112 - UnicodeDecodeError wants others
            continue
        if isinstance(made, BaseException):
            made.args = args
            return made
    return None


def _become(old: object, new: object) -> bool:
    """Change a value into another in place, as deep as the two are alike; whether it could be."""
    if type(old) is not type(new):
        return False
    if isinstance(old, list) and isinstance(new, list):
        kept = [was if _become(was, now) else now for was, now in zip(old, new, strict=False)]
        old[:] = kept + new[len(kept) :]
    elif isinstance(old, tuple) and isinstance(new, tuple):
        return len(old) == len(new) and all(map(_become, old, new))
    elif isinstance(old, dict) and isinstance(new, dict):
        changed = {key: old[key] if key in old and _become(old[key], now) else now
                for key, now in new.items()}  # fmt: skip
        old.clear()
        old.update(changed)
    elif isinstance(old, bytearray) and isinstance(new, bytearray):
        old[:] = new
    elif isinstance(old, set) and isinstance(new, set):
        old.clear()
        old |= new
    elif isinstance(old, deque) and isinstance(new, deque):
        old.clear()
        old.extend(new)
    else:
        return False
    return True


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
        names = remote.names()
        try:
            _run(names, job)
        except Exception as error:
            if not (remote.changed and (remote.opaque or _passes_in_place(remote, names, job))):
                raise
            raise _Unrunnable(remote.changed) from error
        passed = not remote.broken
        evidence = remote.broken or "all tests passed"
    except _Broken as broken:
        evidence = str(broken)
    except _Unrunnable as unrunnable:
        passed, evidence = None, str(unrunnable)
    except BaseException as error:  # noqa: BLE001 - a failed test may raise anything
        evidence = remote.broken or _described(error, job["test"], remote.last_call)
        remote.unrunnable = remote.unrunnable or _unjudged(remote, error, job)
    if remote.unrunnable:  # even if a bare `except` of the tests swallowed it
        passed, evidence = None, remote.unrunnable
    os.write(outcome, json.dumps({"passed": passed, "evidence": evidence}).encode())


_TYPES = ("isinstance(", "type(", "__class__", "issubclass(")


def _passes_in_place(remote: _Remote, names: dict[str, Any], job: dict[str, str]) -> bool:
    """Whether tests that failed pass where calls change their arguments.

    That makes it no pass: code could empty what a test compares its result with.
    """
    changed, last_call, remote.applies = remote.changed, remote.last_call, True
    try:
        _run(names, job)
    except Exception:  # noqa: BLE001 - a failed test may raise anything
        remote.last_call = last_call
        return False
    finally:
        remote.changed = changed
    return True


def _unjudged(remote: _Remote, error: BaseException, job: dict[str, str]) -> str:
    """Why a failed test says nothing about the code; empty if it does."""
    if remote.broken:
        return ""
    if isinstance(error, NameError) and error.name in remote.values:
        return f"a test looks at {error.name}, which is no function"
    if why := remote.barred or barred(error) or job["reaches"]:
        return why
    if not any(error is one for one in remote.raised):
        if isinstance(error, ImportError | SystemExit):
            return f"the tests end with {type(error).__name__}: {error!s:.200}"
        if isinstance(error, AttributeError) and isinstance(error.obj, BaseException):
            return remote.lost_attributes
    looks = not isinstance(error, AssertionError) or any(word in job["test"] for word in _TYPES)
    return remote.lost if looks else ""


def _run(names: dict[str, Any], job: dict[str, str]) -> None:
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
