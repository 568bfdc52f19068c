"""What a recipe file may say, and reading it: errors name the line and the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    Field,
    JsonValue,
    PrivateAttr,
    model_validator,
)

from deemster.errors import InputError
from deemster.schemas import Record
from deemster.suites.yaml_file import read_yaml
from deemster.training.evaluation import EvalSettings
from deemster.training.sections import (
    DataSection,
    DistilSection,
    MetaSection,
    ModelSection,
    RftSection,
    RlSection,
    nested,
)

STAGES = ("distil", "rft", "rl", "meta", "eval")
"""All stages, in the order they run."""
TRAINED = ("distil", "rft", "rl")
"""Stages that end with a model."""

T = TypeVar("T")


class Recipe(Record):
    """A training run."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: str = ""
    engine: Literal["trl", "nano"] = "trl"
    """`trl`: TRL's trainers, for models of transformers. `nano`: the loop that makes the embedded
    model from nothing; it reads the section `nano` only."""
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = 0
    out: str | None = None
    """Folder of the run, relative to the working directory; default `runs/NAME`."""
    data: DataSection | None = None
    model: ModelSection | None = None
    distil: DistilSection | None = None
    rft: RftSection | None = None
    rl: RlSection | None = None
    meta: MetaSection | None = None
    eval: EvalSettings | None = None
    nano: dict[str, JsonValue] | None = None
    """Settings of the engine `nano`."""
    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _complete(self) -> Self:
        empty = [name for name in self.model_fields_set if getattr(self, name) is None]
        if empty:
            raise ValueError(f"{min(empty)} is empty; write '{min(empty)}: {{}}' for its defaults")
        if self.engine == "nano":
            self._check_nano()
            return self
        if self.nano is not None:
            raise ValueError("nano goes with engine: nano")
        if not self.stages:
            raise ValueError(f"no stage to run; give at least one of {', '.join(STAGES)}")
        if self.model is None:
            raise ValueError("model is missing; engine trl needs it")
        from_run = self.meta is not None and self.meta.run is not None
        if self.data is None and not (from_run and self.stages == ("meta",)):
            raise ValueError("data is missing; only a meta RM with meta.run alone needs none")
        if self.eval is not None and self.data is not None and not self.data.evaluation:
            raise ValueError("eval needs data.evaluation")
        if self.eval is not None:
            self.eval.chosen(self.models)
        return self

    def _check_nano(self) -> None:
        other = [name for name in ("data", "model", *STAGES) if getattr(self, name) is not None]
        if other:
            raise ValueError(f"{other[0]} goes with engine: trl; engine nano reads only nano")
        from deemster.training.nano.settings import NanoSettings  # noqa: PLC0415 - its engine's

        nested(lambda: NanoSettings.model_validate(self.nano or {}), "nano.")

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages it has, in the order they run."""
        if self.engine == "nano":
            return STAGES
        return tuple(name for name in STAGES if getattr(self, name) is not None)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models there will be, first to last trained."""
        return ("base", *(stage for stage in self.stages if stage in TRAINED))

    def before(self, stage: str) -> tuple[str, ...]:
        """The stages that run before one."""
        return self.stages[: self.stages.index(stage)]

    @property
    def folder(self) -> Path:
        """Where the recipe file is: relative paths in it start there."""
        return self._folder

    @property
    def out_folder(self) -> Path:
        """Where the run goes if nothing else is said."""
        return Path(self.out or f"runs/{self.name}").expanduser()

    @property
    def on_cpu(self) -> bool:
        """Whether some stage trains on the CPU though there may be a GPU."""
        sections = (self.distil, self.rft, self.rl, self.meta)
        return any(section.train.cpu for section in sections if section is not None)

    def settings_for(self, stage: str) -> dict[str, JsonValue]:
        """The parts that decide what a stage does, not where it is computed."""
        whole = self.model_dump(mode="json", exclude={"name", "description", "out"})
        kept = {key: value for key, value in whole.items() if key not in STAGES or key == stage}
        nano = kept["nano"]
        if isinstance(nano, dict):
            other = {*STAGES, "device", "threads"} - {stage}
            kept["nano"] = {k: v for k, v in nano.items() if k not in other}
        return {key: value for key, value in kept.items() if value is not None}

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every local file or folder that training reads, with the field that names it."""
        for part in ("train", "instructions", "evaluation") if self.data is not None else ():
            for number, source in enumerate(getattr(self.data, part)):
                for field in ("path", "run"):
                    if getattr(source, field) is not None:
                        path = self.folder / Path(getattr(source, field)).expanduser()
                        yield f"data.{part}.{number}.{field}", path
                if source.dataset is not None and self._local(source.dataset) is not None:
                    yield f"data.{part}.{number}.dataset", self.folder / source.dataset
        if self.meta is not None and self.meta.run is not None:
            yield "meta.run", self.folder / Path(self.meta.run).expanduser()
        for name, model in (
            ("model.base", self.model.base if self.model else None),
            ("meta.base", self.meta.base if self.meta else None),
        ):
            local = None if model is None else self._local(model)
            if local is not None:
                yield name, local

    def locate(self, model: str) -> str:
        """A model's folder, if there is one where the recipe says; else the name as it is."""
        return str(self._local(model) or model)

    def _local(self, name: str) -> Path | None:
        path = self.folder / Path(name).expanduser()
        return path.resolve() if path.exists() else None


def needed(section: T | None, name: str) -> T:
    """A section of a recipe that a stage cannot do without.

    Raises:
        InputError: the recipe does not have it.
    """
    if section is None:
        raise InputError(f"the recipe has no section {name!r}; add it")
    return section


def load_recipe(path: str | Path, *, environment: Mapping[str, str] | None = None) -> Recipe:
    """Read and check a recipe file. `${NAME}` in a value is an environment variable.

    Args:
        path: the YAML file.
        environment: where `${NAME}` is looked up; None is the process's environment.

    Raises:
        InputError: it cannot be read or says something that is not allowed. The text names file,
            line, field, value and what is allowed.
    """
    path = Path(path)
    recipe = read_yaml(path, what="recipe", keys="name, data, model and stages").read_as(
        Recipe, environment=environment
    )
    recipe._folder = path.parent  # noqa: SLF001 - its own module
    return recipe
