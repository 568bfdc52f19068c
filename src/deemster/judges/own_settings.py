"""The settings that a model brings with it, in the `deemster.json` beside its weights.

What the caller gives wins over the file, and the file over the defaults of `Judge`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from deemster.aggregators import Reducer
from deemster.backends import shipped
from deemster.backends.base import SMOL
from deemster.backends.hub import find_judge_file
from deemster.backends.judge_file import CONFIG_NAME, JudgeFile, judge_file_in
from deemster.backends.registry import LOCAL_SCHEMES
from deemster.errors import InputError
from deemster.judges.settings import aggregator_of, announce
from deemster.zoo import find_model

T = TypeVar("T")
M = TypeVar("M")
P = TypeVar("P")
NO_META_RM = "none"
"""As `meta_rm`: no meta RM, whatever the model's file says."""
_OPTIONS = ("top_p", "max_tokens")


@dataclass
class OwnSettings:
    """What a model's file says, and what of it was taken.

    Attributes:
        model: the string that opens the model.
        file: the file; None if the model has none.
        folder: where the file lies.
        taken: names of the settings that were taken from it.
    """

    model: str
    file: JudgeFile | None = None
    folder: Path = field(default_factory=Path)
    taken: list[str] = field(default_factory=list)

    def pick(self, name: str, given: T | None, default: T) -> T:
        """A setting: what was given, else the file's, else the default."""
        if given is not None:
            return given
        found = None if self.file is None else getattr(self.file, name)
        if found in (None, "", {}):
            return default
        self.taken.append(name)
        value: T = found
        return value

    def pick_path(self, name: str, given: T | None) -> T | Path | None:
        """A setting that is a file or folder: its whole path, where the file names one."""
        found: T | str | None = self.pick(name, given, None)
        return given if found is given else self.folder / str(found)

    def fill(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options of the caller, and those of the file that the caller left out."""
        names = [*_OPTIONS, "template_args"]
        if self.model.startswith("hf:"):
            names.append("calculator")
        picked = {name: self.pick(name, options.get(name), None) for name in names}
        return {**options, **{name: one for name, one in picked.items() if one is not None}}

    def pick_meta_rm(
        self, given: M | str | None, template: P | None
    ) -> tuple[M | str | None, P | str | None]:
        """The meta RM and its template; `NO_META_RM` keeps the file's away."""
        if given == NO_META_RM:
            return None, template
        found = self.pick_path("meta_rm", given)
        if found is given:
            return given, template
        return f"hf:{found}", self.pick("meta_template", template, None)

    def pick_temperature(self, given: float | None, *, k: int) -> float | None:
        """The temperature; that of the file's votes is not that of one draw that was asked for."""
        votes = 1 if self.file is None or self.file.k is None else self.file.k
        return given if k == 1 < votes else self.pick("temperature", given, None)

    def pick_aggregator(self, given: Reducer | str | None, *, k: int, has_meta: bool) -> Reducer:
        """The aggregator; the file's is left out where it does not fit what the caller gave.

        Raises:
            InputError: see `aggregator_of`.
        """
        if given is None and self.file is not None and self.file.aggregator is not None:
            try:
                chosen = aggregator_of(self.file.aggregator, k=k, has_meta=has_meta)
            except InputError:
                if {"k", "meta_rm"} <= set(self.taken):
                    raise
            else:
                self.taken.append("aggregator")
                return chosen
        return aggregator_of(given, k=k, has_meta=has_meta)

    def said(self) -> tuple[str, ...]:
        """Names of the settings that the file gave; says on stderr, once, what they are."""
        if self.file is not None:
            shown = ", ".join(f"{name} {getattr(self.file, name)}" for name in self.taken)
            announce(
                f"deemster: {self.model}: {shown or 'nothing'} from its {CONFIG_NAME}; what you "
                "give wins over it"
            )
        return tuple(self.taken)


def own_settings(model: object) -> OwnSettings:
    """The settings of a model string that has a file; of all others, and of backends, none.

    Repositories that the zoo knows are not asked: it says how they judge.

    Raises:
        InputError: see `find_judge_file`.
    """
    if not isinstance(model, str):
        return OwnSettings("")
    if model == SMOL:
        return OwnSettings(model, judge_file_in(shipped.smol_folder()), shipped.smol_folder())
    scheme, _, path = model.partition(":")
    if scheme not in LOCAL_SCHEMES or (find_model(model) is not None and not Path(path).exists()):
        return OwnSettings(model)
    found = find_judge_file(path)
    if found is None:
        return OwnSettings(model)
    folder, file = found
    if file.model != ".":
        model = f"{scheme}:{folder / file.model}"
    return OwnSettings(model, file, folder)
