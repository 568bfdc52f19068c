r"""Answers compared as mathematics: `\frac{1}{2}` is `0.5`, `(x+1)^2` is `x^2+2x+1`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from deemster.extras import need
from deemster.judges.verifier.answers import boxed, final_answer
from deemster.judges.verifier.base import Finding, need_reference
from deemster.judges.verifier.sandbox.box import SandboxError
from deemster.judges.verifier.sandbox.limits import Limits
from deemster.judges.verifier.sandbox.worker import Worker

_MATHS = re.compile(r"\$|\\\(|\\\[")
_PROSE = re.compile(r"(?<![\\A-Za-z])(?!and\b)[A-Za-z]{3,}")
_LONGEST = 2000
"""Most characters of an answer; longer ones are not expressions."""


@dataclass(frozen=True)
class MathMatch:
    r"""The final answer equals the reference as mathematics (numbers, expressions, sets, ...).

    Compared is the last `\boxed{...}`, else the final answer (see `answers.final_answer`), by the
    math-verify library (the extra `math`), in a sandboxed process: an answer that
    takes too long to compare is left unscored (status `timeout`).

    Attributes:
        seconds: time for one comparison, > 0.

    Raises:
        InputError: the extra `math` is not installed.
    """

    seconds: float = 5.0
    _worker: Worker = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        need("math", f"the check {self.name!r}", otherwise="compare by NumericMatch or ExactMatch")
        # Not strict: it parses text and runs none of the response's code. The sandbox is there so
        # that it can be killed; the kernel isolates it where it can.
        limits = Limits(seconds=self.seconds, memory=2 << 30, strict=False)
        object.__setattr__(self, "_worker", Worker("maths", limits))

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "mathematical match with the reference"

    def run(self, query: str, response: str, reference: str | None) -> Finding:  # noqa: ARG002
        """See `Check.run`."""
        wanted = _marked(final_answer(need_reference(self, reference)))
        answer = boxed(response)
        answer = final_answer(response) if answer is None else f"${answer}$"
        if len(answer) > _LONGEST:
            return Finding(0.0, f"an answer of {len(answer)} characters is not an expression")
        try:
            reply = self._worker.ask({"reference": wanted, "answer": _marked(answer)})
        except SandboxError as error:
            return Finding(None, str(error), status=error.status)
        if reply["equal"] is None:
            return Finding(None, str(reply["why"]))
        return Finding.of(bool(reply["equal"]), f"{reply['why']}; answer {answer!r:.200}")

    def close(self) -> None:
        """End the process that compares; another comparison starts one."""
        self._worker.close()


def _marked(answer: str) -> str:
    """The answer in dollar signs, unless it has some or is prose, so that all of it is read."""
    if _MATHS.search(answer) or _PROSE.search(answer):
        return answer
    return f"${answer}$"
