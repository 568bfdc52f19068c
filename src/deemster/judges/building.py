"""Judges from their specs: what they share, and all that were built."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from deemster.backends.base import Trust
from deemster.backends.limits import Budget
from deemster.backends.registry import BACKENDS, CLASSIFY_SCHEMES, LOCAL_SCHEMES
from deemster.errors import CalibrationError, InputError
from deemster.files import exists
from deemster.judges.base import BaseJudge
from deemster.judges.spec import JudgeSpec, ModelSpec
from deemster.principles import PrinciplesLike

_FILES = (*LOCAL_SCHEMES, "replay")
"""Schemes of models that may be a file or a folder beside the suite."""
_PAID = ("api", "decisions", "labels", "litellm", "systemone")
"""Schemes of models that cost money; model strings without a scheme do too."""
PrinciplesGiven = str | dict[str, JsonValue] | tuple[str | dict[str, JsonValue], ...]
"""What may stand in a suite: a word, a rubric, or a list of criteria."""


@dataclass
class Site:
    """Where judges are built.

    Attributes:
        specs: by name, the judges that others may name as members.
        seed: of orders, draws and tie-breaks.
        folder: what relative paths start from.
        budget: shared by all judges whose model costs money.
        trust: whose words the judges' options are, which decides where keys go; see `Trust`.
    """

    specs: Mapping[str, JudgeSpec] = field(default_factory=dict)
    seed: int = 0
    folder: Path = field(default_factory=Path)
    budget: Budget | None = None
    trust: Trust = True
    _named: dict[str, BaseJudge] = field(default_factory=dict)
    _built: list[BaseJudge] = field(default_factory=list)

    def judge(self, which: str | JudgeSpec) -> BaseJudge:
        """The judge of a name, built once, or the one that a spec describes.

        Raises:
            InputError: its settings are wrong; the text names the judge.
        """
        if isinstance(which, JudgeSpec):
            return self._build(which)
        if which not in self.specs:
            known = ", ".join(self.specs) or "none"
            raise InputError(f"unknown member {which!r}; known: {known}")
        if which not in self._named:
            self._named[which] = self._build(self.specs[which])
        return self._named[which]

    def _build(self, spec: JudgeSpec) -> BaseJudge:
        with _naming(spec.label):
            judge = spec.build(self)
        self._built.append(judge)
        return judge

    def file(self, path: str) -> Path:
        """A path as it stands in the suite."""
        return self.folder / Path(path).expanduser()

    def model(self, model: str) -> str:
        """A model string; a file or folder that stands beside the suite gets its whole path.

        Raises:
            InputError: it has the URL of a server in it, and the judges are not the user's own.
        """
        if self.trust is not True and "://" in model:  # LiteLLM would send a key there
            raise InputError(
                f"model {model!r} of a file names a server; if that is meant, give --trust-suite "
                "(in Python: trust=True)"
            )
        scheme, _, rest = model.partition(":")
        here = scheme in _FILES and rest and exists(self.file(rest.partition("#")[0]))
        return f"{scheme}:{self.folder / rest}" if here else model

    def options(self, spec: ModelSpec, settings: Collection[str]) -> dict[str, Any]:
        """A spec's options for the backend, with the budget if its model costs money.

        Args:
            spec: of the judge.
            settings: names of the judge's own parameters, which are no options.

        Raises:
            InputError: an option is a setting of the judge.
        """
        taken = sorted(set(spec.options) & set(settings))
        if taken:
            raise InputError(
                f"option {taken[0]!r} is a setting of the judge; write it beside options"
            )
        scheme = spec.model.partition(":")[0]
        if scheme in _PAID or scheme not in BACKENDS:
            return self._served(spec.options)
        return dict(spec.options)

    def service_options(self, model: str, given: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Options of a classifier, with the budget if it is behind HTTP."""
        if model.partition(":")[0] in CLASSIFY_SCHEMES:
            return self._served(given)
        return dict(given)

    def _served(self, given: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Options of a model that others serve: with the trust in the file, and the budget."""
        options: dict[str, Any] = dict(given)
        if self.trust is not True or "trust" in options:
            options["trust"] = self.trust
        if self.budget is not None:
            options["budget"] = self.budget
        return options

    def principles(self, given: PrinciplesGiven) -> PrinciplesLike:
        """Principles as they stand in the suite: a file or bank beside it gets its whole path."""
        if not isinstance(given, str):
            return given
        if given.startswith("bank:"):
            return f"bank:{self.file(given.removeprefix('bank:'))}"
        path = self.file(given)  # not a folder: it may have the name of a rubric
        return str(path) if exists(path) and not path.is_dir() else given

    async def aclose(self) -> None:
        """Close all judges that were built. Idempotent."""
        await asyncio.gather(*(judge.aclose() for judge in self._built))


@contextmanager
def _naming(label: str) -> Iterator[None]:
    try:
        yield
    except CalibrationError as error:
        raise CalibrationError(f"judge {label!r}: {error}") from error
    except InputError as error:
        raise InputError(f"judge {label!r}: {error}") from error
