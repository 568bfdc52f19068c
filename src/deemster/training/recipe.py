"""What all recipes have, whichever engine trains."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, JsonValue, PrivateAttr, model_validator

from deemster.backends import EMBEDDED
from deemster.backends.judge_file import JudgeFile
from deemster.redaction import redact_all, without_secrets
from deemster.schemas import Record

DEFAULT_ENGINE = "trl"


class Recipe(Record):
    """A training run. Each engine has a subclass, with the sections that it reads."""

    known_stages: ClassVar[tuple[str, ...]] = ()
    """All stages of the engine, in the order they run."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: str = ""
    engine: str = DEFAULT_ENGINE
    """The engine: a name or a path, see `deemster.training.engine.open_engine`."""
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = 0
    out: str | None = None
    """Folder of the run, relative to the working directory; default `runs/NAME`."""
    _folder: Path = PrivateAttr(default=Path())
    _trust: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _no_empty_section(self) -> Self:
        empty = [name for name in self.model_fields_set if getattr(self, name) is None]
        if empty:
            raise ValueError(f"{min(empty)} is empty; write '{min(empty)}: {{}}' for its defaults")
        return self

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages it has, in the order they run."""
        return self.known_stages

    def before(self, stage: str) -> tuple[str, ...]:
        """The stages that run before one."""
        return self.stages[: self.stages.index(stage)]

    @property
    def folder(self) -> Path:
        """Where the recipe file is: relative paths in it start there."""
        return self._folder

    @property
    def trust(self) -> bool:
        """Whether servers that it names may have the user's keys."""
        return self._trust

    def in_folder(self, folder: Path, *, trust: bool = False) -> Self:
        """The same recipe, with a folder that its relative paths start from."""
        placed = self.model_copy()
        placed._folder = folder  # noqa: SLF001 - its own class
        placed._trust = trust  # noqa: SLF001
        return placed

    @property
    def out_folder(self) -> Path:
        """The default folder of the run."""
        return Path(self.out or f"runs/{self.name}").expanduser()

    @property
    def on_cpu(self) -> bool:
        """Whether some stage trains on the CPU even if there is a GPU."""
        return False

    def settings_for(self, stage: str) -> dict[str, JsonValue]:
        """The settings that decide what a stage does, not where it is computed.

        A section with the name of a stage matters to that stage only. Secrets are left out: they
        go into no manifest, and a new key makes no other stage.
        """
        whole = self.model_dump(mode="json", exclude={"name", "description", "out"})
        others = {*self.known_stages} - {stage}
        found = {k: v for k, v in whole.items() if k not in others and v is not None}
        kept: dict[str, JsonValue] = without_secrets(redact_all(found))
        return kept

    def judge_file(self, stage: str) -> JudgeFile | None:
        """What the folder of a stage's model says of how it judges; None if it is no judge."""
        del stage
        return None

    def run_file(self, trained: Collection[str]) -> JudgeFile | None:
        """What the run's folder says of the judge that came of it; None if none did.

        Args:
            trained: the stages that have a model.
        """
        del trained
        return None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every local file or folder that training reads, with the field that names it."""
        yield from ()

    def locate(self, model: str) -> str:
        """A model's folder, if the recipe names one that exists; else the name as it is."""
        return str(self.local(model) or model)

    def local(self, name: str) -> Path | None:
        """The file or folder of that name, seen from the recipe; None if there is none.

        `FOLDER#FILE` is a file in a folder. The embedded model goes by its name.
        """
        place, mark, file = name.partition("#")
        path = self.folder / Path(place).expanduser()
        if not path.exists():
            return _embedded() if name == EMBEDDED else None
        return path.resolve() / file if mark else path.resolve()


def _embedded() -> Path:
    from deemster.backends.nano import part  # noqa: PLC0415 - only where it is trained on

    return part("judge")
