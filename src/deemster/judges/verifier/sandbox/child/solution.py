"""Runs the code under test: as a program, or as functions that the tester calls."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from .wire import WireError, decode, encode, receive, send


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
    send(answers, {"names": [name for name, value in list(module.items()) if callable(value)]})
    while (call := receive(asks)) is not None:
        answer = _answer(module, call)
        try:
            send(answers, answer)
        except (WireError, MemoryError) as error:
            send(answers, {"unsendable": _described(error)})


def _answer(module: dict[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    try:
        args = decode(call["args"])
        kwargs = decode(call["kwargs"])
        value = module[call["name"]](*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - as above
        bases = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        return {"raised": type(error).__name__, "bases": bases, "message": _text(error)}
    try:
        return {"value": encode(value)}
    except (WireError, RecursionError, MemoryError) as error:
        return {"unsendable": _described(error)}


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
