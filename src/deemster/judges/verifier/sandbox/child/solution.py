"""Runs the code under test: as a program, or as functions that the tester calls."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import site
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from .wire import WireError, decode, encode, loses, receive, send

_WORKDIR = os.getcwd()  # noqa: PTH109 - pathlib is slow to import


def run_program(source: str) -> None:
    """Run it as `python solution.py` would; ends the process."""
    module = _module("__main__")
    exec(compile(_without_mark(source), "solution.py", "exec"), module)  # noqa: S102 - the purpose


def serve(source: str, *, asks: int, answers: int) -> None:
    """Run the definitions, report the callables, then answer calls until asked to end."""
    module = _module("solution")
    try:
        exec(compile(_without_mark(source), "solution.py", "exec"), module)  # noqa: S102 - as above
    except BaseException as error:  # noqa: BLE001 - whatever it raises is its outcome
        if not _ends_well(error):
            send(answers, {"broken": _described(error), "barred": barred(error)})
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
    printed = io.BytesIO()
    try:
        args = decode(call["args"])
        kwargs = decode(call["kwargs"])
        before = [encode(args), encode(kwargs)]  # not what came: sets may have another order now
        with _printing(printed) if call["prints"] else contextlib.nullcontext():
            value = module[call["name"]](*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - as above
        return {
            "raised": type(error).__name__, "classes": _above(type(error)), "message": _text(error),
            "args": _sendable(error.args), "state": _sendable(vars(error)),
            "printed": _said(printed), "barred": barred(error),
        }  # fmt: skip
    try:
        answer = {"value": encode(value), "loses": loses(value), "printed": _said(printed)}
    except (WireError, RecursionError, MemoryError) as error:
        return {"unsendable": _described(error)}
    try:
        after: list[Any] | None = [encode(args), encode(kwargs)]
    except (WireError, RecursionError, MemoryError):
        after = None
    return answer if after == before else answer | {"after": after}


@contextlib.contextmanager
def _printing(into: io.BytesIO) -> Iterator[None]:
    """What is printed goes into a buffer, that of the stream's bytes too."""
    stream = io.TextIOWrapper(into, "utf-8", "surrogatepass", newline="", write_through=True)
    try:
        with contextlib.redirect_stdout(stream):
            yield
    finally:
        with contextlib.suppress(ValueError):  # it closed or detached the stream
            stream.detach()


def _said(printed: io.BytesIO) -> str:
    return "" if printed.closed else printed.getvalue().decode("utf-8", "replace")


def _ends_well(error: BaseException) -> bool:
    """Whether a module has run: it exits as it should, or reads an input that tests do not give."""
    return isinstance(error, EOFError) or (
        isinstance(error, SystemExit) and (error.code is None or error.code == 0)
    )


def barred(error: BaseException) -> str:
    """Which bar of the sandbox made right code raise an error; empty if none did."""
    seen: BaseException | None = error
    for _ in range(8):
        if isinstance(seen, RuntimeError) and "can't start new thread" in _text(seen):
            return "it starts threads, which Limits(threads=True) allows"
        if isinstance(seen, OSError) and seen.errno == errno.ENOSYS and "asyncio" in sys.modules:
            return "it runs an event loop, which the sandbox bars"
        if isinstance(seen, PermissionError) and str(seen.filename).startswith(_WORKDIR):
            return "it makes a directory, which the sandbox bars"
        if seen is None:
            break
        seen = seen.__cause__ or seen.__context__
    return ""


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def _above(error: type) -> list[list[str]]:
    """Module and name of it and its bases, the nearest first."""
    return [[str(kind.__module__), kind.__name__] for kind in error.__mro__ if kind is not object]


def _sendable(of_error: object) -> Any:  # noqa: ANN401 - JSON
    """Arguments or attributes of an exception; None where they are not plain data."""
    try:
        return encode(of_error)
    except (WireError, RecursionError, MemoryError):
        return None


def _module(name: str) -> dict[str, Any]:
    # A real module, so that pickling, dataclasses and `sys.modules[__name__]` work.
    module = type(sys)(name)
    sys.modules[name] = module
    vars(module)["__file__"] = _WORKDIR + "/solution.py"
    for add in (site.setquit, site.setcopyright, site.sethelper):  # `exit` is gone with `-S`
        add()
    return vars(module)


def _without_mark(source: str) -> str:
    """As Python reads a file: without a byte order mark."""
    return source.removeprefix("\ufeff")


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {_text(error)}"


def _text(error: BaseException) -> str:
    try:
        return str(error)[:300]
    except BaseException:  # noqa: BLE001 - its __str__ is untrusted code, too
        return ""
