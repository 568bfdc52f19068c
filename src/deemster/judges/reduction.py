"""From the outputs of a classifier to one number, as the user declares it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from deemster.errors import InputError

MEAN, EXPECTED = "mean", "expected"
_TERM = re.compile(r"(?P<name>[^=,]+?)\s*=\s*(?P<weight>[^=,]+)")
_FORMS = (
    "an output's name or number, 'NAME=WEIGHT,NAME=WEIGHT' (a weighted sum), 'mean', or "
    "'expected' (the mean number of the output, from 0, under their softmax)"
)


@dataclass(frozen=True)
class Reduction:
    """How several outputs become one number.

    Attributes:
        text: as it was declared.
        kind: `mean`, `expected`, or `sum` of weighted outputs.
        terms: of a sum: names or numbers of outputs, with their weights.
    """

    text: str
    kind: str
    terms: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Reduction:
        """Read a declaration.

        Raises:
            InputError: it is not one.
        """
        stripped = str(text).strip()
        if stripped in (MEAN, EXPECTED):
            return cls(stripped, stripped)
        if "=" not in stripped:
            if not stripped or "," in stripped:
                raise InputError(f"reduction {text!r} names no output; give {_FORMS}")
            return cls(stripped, "sum", ((stripped, 1.0),))
        terms = []
        for part in stripped.split(","):
            found = _TERM.fullmatch(part.strip())
            weight = _number(found["weight"]) if found else None
            if found is None or weight is None:
                raise InputError(f"reduction {text!r}: {part.strip()!r} is not NAME=WEIGHT")
            terms.append((found["name"], weight))
        names = [name for name, _ in terms]
        if len(set(names)) < len(names):
            raise InputError(f"reduction {text!r} names an output twice")
        return cls(stripped, "sum", tuple(terms))

    def of(
        self, outputs: Sequence[float], labels: Sequence[str] | None, *, ordered: bool = True
    ) -> float:
        """The number.

        Args:
            outputs: of the model.
            labels: their names, where they are known.
            ordered: whether they come in the model's order.

        Raises:
            InputError: it names an output that the model does not have.
        """
        if self.kind == MEAN:
            return math.fsum(outputs) / len(outputs)
        if self.kind == EXPECTED:
            if not ordered:
                raise InputError(
                    f"reduction {self.text!r} needs the order of the outputs, which the server "
                    "does not give; give names"
                )
            top = max(outputs)
            shares = [math.exp(output - top) for output in outputs]
            return math.fsum(i * share for i, share in enumerate(shares)) / math.fsum(shares)
        return math.fsum(
            weight * outputs[self._place(name, len(outputs), labels, ordered=ordered)]
            for name, weight in self.terms
        )

    def _place(self, name: str, n: int, labels: Sequence[str] | None, *, ordered: bool) -> int:
        if labels is not None and labels.count(name) == 1:
            return labels.index(name)
        if ordered and name.isascii() and name.isdigit() and int(name) < n:
            return int(name)
        raise InputError(
            f"reduction {self.text!r}: the model has no output {name!r}; {outputs_of(n, labels)}"
        )


def outputs_of(n: int, labels: Sequence[str] | None) -> str:
    """What a model's outputs are, in words."""
    if labels is None:
        return f"it has {n}, which the server does not name: give numbers from 0"
    shown = ", ".join(labels[:20]) + (", …" if n > 20 else "")
    return f"it has {n}: {shown}"


def one_output(outputs: Sequence[float], labels: Sequence[str] | None, what: str) -> float:
    """The only output.

    Raises:
        InputError: there are several; the text says how to declare what they mean.
    """
    if len(outputs) == 1:
        return outputs[0]
    raise InputError(
        f"{what} has {len(outputs)} outputs, and one number is needed; "
        f"{outputs_of(len(outputs), labels)}; declare it with reduction: {_FORMS}"
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
