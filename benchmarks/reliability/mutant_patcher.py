"""A process that has collected the tests and makes the change in the modules that it has loaded.

Functions get other code and constants another value, some ten times as quickly as by a fresh
import. What else runs at import cannot be changed so: that, and what survives here, is tried by
`mutant_runner`. The tests are the arguments; a job is a line of JSON with `module`, `original`,
`source`, `tests` and `cpu_s`.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import resource
import sys
import tempfile
import traceback
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, TextIO

import pytest

from benchmarks.reliability.mutant_runner import OPTIONS, wait

_Functions = dict[tuple[str, str], list[FunctionType]]
"""By module and qualified name."""


class _ElsewhereError(Exception):
    """The change is in what runs at import."""


def patch(functions: _Functions, module: str, original: str, source: str) -> bool:
    """Make the change in the module that is loaded; False where that cannot be done."""
    constants = dict(_constants(original, source))
    if constants:
        vars(sys.modules[module]).update(constants)
        return True
    before, after = (
        compile(ast.unparse(ast.parse(text)), module, "exec") for text in (original, source)
    )
    try:
        return _patch(functions, module, before, after) > 0
    except _ElsewhereError:
        return False


def _constants(original: str, source: str) -> Iterator[tuple[str, object]]:
    """Names of the module that are bound to another constant."""
    for old, new in zip(ast.parse(original).body, ast.parse(source).body, strict=True):
        if (
            isinstance(new, ast.Assign)
            and isinstance(new.value, ast.Constant)
            and isinstance(new.targets[0], ast.Name)
            and ast.dump(old) != ast.dump(new)
        ):
            yield new.targets[0].id, new.value.value


def _patch(functions: _Functions, module: str, before: CodeType, after: CodeType) -> int:
    """How many functions were changed of a body that runs at import: a module's or a class's."""
    if _alone(before) != _alone(after):
        raise _ElsewhereError
    changed = 0
    for old, new in zip(_inside(before), _inside(after), strict=True):
        if old == new:
            continue
        found = functions.get((module, old.co_qualname), [])
        if len({function.__code__ for function in found}) > 1:  # of one name
            raise _ElsewhereError
        for function in found:
            if function.__code__.co_freevars != new.co_freevars:
                raise _ElsewhereError
            function.__code__ = new
        changed += len(found) or _patch(functions, module, old, new)
    return changed


def _inside(code: CodeType) -> Iterator[CodeType]:
    return (one for one in code.co_consts if isinstance(one, CodeType))


def _alone(code: CodeType) -> CodeType:
    """Without what is inside."""
    return code.replace(
        co_consts=tuple(None if isinstance(one, CodeType) else one for one in code.co_consts)
    )


def functions_of(package: str) -> _Functions:
    """The functions of its modules, wherever they are kept."""
    gc.unfreeze()  # what tests/conftest.py set aside
    found: _Functions = defaultdict(list)
    for one in gc.get_objects():
        # `isinstance` asks the object for its class, and some warn that they are asked at all.
        if type(one) is FunctionType and str(one.__module__).startswith(package):
            found[one.__module__, one.__code__.co_qualname].append(one)
    gc.freeze()
    return found


class _Loop:
    """In the place of pytest's own: runs the tests of a job in a child."""

    def __init__(self, jobs: TextIO, answers: TextIO) -> None:
        self._jobs, self._answers = jobs, answers
        self._first: dict[str, int] = {}
        """When a test last failed: it may fail again."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        functions = functions_of("deemster.")
        for number, line in enumerate(self._jobs):
            job = json.loads(line)
            read, write = os.pipe()
            child = os.fork()
            if not child:
                os._exit(self._child(session, functions, job, write))
            os.close(write)
            status, seconds = wait(child, job["cpu_s"])
            with os.fdopen(read) as pipe:
                said = pipe.read()
            if status == "1":
                self._first[said] = -number
            answer = {"status": status, "seconds": seconds, "said": said}
            self._answers.write(json.dumps(answer) + "\n")
            self._answers.flush()
        return True

    def _child(
        self, session: pytest.Session, functions: _Functions, job: dict[str, Any], write: int
    ) -> int:
        """The status: 0 and 1 as pytest's, 7 where the change is elsewhere, 9 for an error."""
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_s"], job["cpu_s"] + 5))
            source = job["source"]
            if source and not patch(functions, job["module"], job["original"], source):
                return 7
            items = [item for item in session.items if item.nodeid.split("::")[0] in job["tests"]]
            items.sort(key=lambda item: self._first.get(item.nodeid, 1))
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    os.write(write, item.nodeid.encode())
                    return 1
        except BaseException:  # noqa: BLE001 - told to whoever asked
            os.write(write, traceback.format_exc()[-2000:].encode())
            return 9
        return 0 if items else 9


def main() -> None:
    jobs, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    with tempfile.TemporaryDirectory() as folder:
        pytest.main(
            [*OPTIONS, f"--basetemp={folder}/pytest", *sys.argv[1:]], plugins=[_Loop(jobs, answers)]
        )


if __name__ == "__main__":
    main()
