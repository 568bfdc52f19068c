"""Runs the code under test: as a program, or as functions that the tester calls."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping
from typing import Any

from .wire import WireError, decode, encode, loses, receive, send


def run_program(source: str) -> None:
    """Run it as `python solution.py` would; ends the process."""
    module = _module("__main__")
    exec(compile(source, "solution.py", "exec"), module)  # noqa: S102 - what the sandbox is for


def serve(source: str, *, asks: int, answers: int) -> None:
    """Run the definitions, report the callables, then answer calls until asked to end."""
    module = _module("solution")
    try:
        exec(compile(source, "solution.py", "exec"), module)  # noqa: S102 - as above
    except BaseException as error:  # noqa: BLE001 - whatever it raises is its outcome
        send(answers, {"broken": _described(error)})
        return
    # The code can put anything into its own dictionary; the tester checks what arrives.
    found = list(module.items())
    errors = [(name, _above(one)) for name, one in found if _is_error(one) and one is not Exception]
    hello = {
        "names": [name for name, value in found if callable(value)],
        "values": [name for name, value in found if not callable(value)],
        "errors": sorted(errors, key=lambda error: len(error[1])),  # bases before what they are of
    }
    send(answers, hello)
    while (call := receive(asks)) is not None:
        answer = _answer(module, call)
        try:
            send(answers, answer)
        except (WireError, MemoryError) as error:
            send(answers, {"unsendable": _described(error)})


def _answer(module: dict[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    printed = io.StringIO()
    try:
        args = decode(call["args"])
        kwargs = decode(call["kwargs"])
        with contextlib.redirect_stdout(printed) if call["prints"] else contextlib.nullcontext():
            value = module[call["name"]](*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - as above
        return {
            "raised": type(error).__name__, "bases": _above(type(error)), "message": _text(error),
            "args": _sendable(error.args), "printed": printed.getvalue(),
        }  # fmt: skip
    try:
        answer = {"value": encode(value), "loses": loses(value), "printed": printed.getvalue()}
        if value is None and [encode(args), encode(kwargs)] != [call["args"], call["kwargs"]]:
            answer["changes"] = True
    except (WireError, RecursionError, MemoryError) as error:
        return {"unsendable": _described(error)}
    return answer


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def _above(error: type) -> list[str]:
    """The names of its bases, the nearest first."""
    return [kind.__name__ for kind in error.__mro__[1:] if kind is not object]


def _sendable(args: tuple[object, ...]) -> Any:  # noqa: ANN401 - JSON
    """Arguments of an exception; None where they are not plain data."""
    try:
        return encode(args)
    except (WireError, RecursionError, MemoryError):
        return None


def _module(name: str) -> dict[str, Any]:
    # A real module, so that pickling, dataclasses and `sys.modules[__name__]` work.
    module = type(sys)(name)
    sys.modules[name] = module
    return vars(module)


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {_text(error)}"


def _text(error: BaseException) -> str:
    try:
        return str(error)[:300]
    except BaseException:  # noqa: BLE001 - its __str__ is untrusted code, too
        return ""
