"""The type `grm` of suites: a `Judge`, one model that writes its verdict in a dialect."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from deemster.aggregators import parse_stop
from deemster.errors import InputError
from deemster.files import exists
from deemster.judges.building import PrinciplesGiven, Site
from deemster.judges.finder import Finder
from deemster.judges.judge import MAX_K, Judge
from deemster.judges.own_settings import NO_META_RM
from deemster.judges.spec import JudgeSpec, ModelSpec, Part, Positive, sampling_fields
from deemster.principles import as_principles
from deemster.schemas import SamplingSettings


class GrmSpec(SamplingSettings, ModelSpec):
    """A pointwise generative reward model: k votes of principles, critiques and scores."""

    type: Literal["grm"] = "grm"
    k: Annotated[int, Field(strict=True, ge=1, le=MAX_K)] = 1
    """Votes to draw."""
    dialect: str | None = None
    """Prompt and parser, e.g. `grm` or `json`; default: the model's own, for most `grm`. Responses
    can dictate verdicts in bare numbers or plain words: docs/dialects.md, Forgery."""
    template: str | None = None
    """Your own Jinja prompt with the dialect's slots, or the file of an `official` one."""
    prompt: Literal["own", "official"] = "own"
    """`own`: the wording that ships; `official`: the makers' own, read from `template`."""
    principles: PrinciplesGiven = "self"
    """`self`, `ahead`, a rubric's name or file, `bank:FILE`, or criteria as in a rubric file."""
    aggregator: str | None = None
    """How votes become rewards, e.g. `sum`, `topk(4) >> mean`; default: the sum."""
    meta_rm: str | None = None
    """Rates the votes: `hf:PATH` (trained), `nano` (embedded) or a model (prompted); `none`: not
    even the one that the model brings."""
    meta_template: str | None = None
    """How the meta RM is asked: `deepseek-grm`, or a file; default: as it was trained."""
    k_meta: Positive | None = None
    """Votes that the meta RM keeps; default: half."""
    orders: Literal["balanced", "random", "fixed"] = "balanced"
    """In which orders responses are shown."""
    min_valid: Positive = 1
    """Fewest valid votes for a verdict with rewards."""
    stop: str | None = None
    """When to stop before k votes, e.g. `decided:0.95`; default: all k are drawn."""
    calibration: str | None = None
    """File of `deemster calibrate`: confidence is then the chance of being right."""
    tool: Part | None = None
    """A verifier whose findings are put before the judge as facts: its name, or described here."""

    @field_validator("principles", mode="before")
    @classmethod
    def _criteria(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        if isinstance(given, list | tuple | dict):
            as_principles(given)
        return given

    @field_validator("stop")
    @classmethod
    def _readable(cls, given: str | None) -> str | None:
        if given is not None:
            parse_stop(given)
        return given

    @model_validator(mode="after")
    def _possible(self) -> Self:
        own = self.model.startswith("hf:")  # its file may bring k and a meta RM
        has_meta = self.meta_rm not in (None, NO_META_RM) or (own and self.meta_rm is None)
        k = None if own and "k" not in self.model_fields_set else self.k
        if self.meta_template is not None and not has_meta:
            raise ValueError("meta_template needs meta_rm")
        if self.k_meta is not None:
            if not has_meta:
                raise ValueError("k_meta needs meta_rm")
            if k is not None and self.k_meta > k:
                raise ValueError(f"k_meta must be from 1 to k={k}, got {self.k_meta}")
            if self.aggregator is not None:
                raise ValueError("give k_meta or aggregator, not both")
        if k is not None and self.min_valid > k:
            raise ValueError(f"min_valid must be from 1 to k={k}, got {self.min_valid}")
        return self

    @property
    def parts(self) -> tuple[str | JudgeSpec, ...]:
        """See `JudgeSpec.parts`."""
        return () if self.tool is None else (self.tool,)

    def build(self, site: Site) -> Judge:
        """See `JudgeSpec.build`."""
        options = site.options(self, inspect.signature(Judge).parameters.keys())
        given = self.model_fields_set  # what is left out, the model's own file may say
        sampling = {name: one for name, one in sampling_fields(self).items() if name in given}
        return Judge(
            site.model(self.model),
            k=self.k if "k" in given else None,
            dialect=self.dialect,
            template=None if self.template is None else site.file(self.template),
            prompt=self.prompt,
            principles=site.principles(self.principles) if "principles" in given else None,
            aggregator=self.aggregator if self.k_meta is None else f"topk({self.k_meta}) >> sum",
            meta_rm=None if self.meta_rm is None else site.model(self.meta_rm),
            meta_template=self._meta_template(site),
            orders=self.orders if "orders" in given else None,
            seed=site.seed,
            min_valid=self.min_valid,
            stop=self.stop,
            calibration=None if self.calibration is None else site.file(self.calibration),
            tool=self._tool(site),
            name=self.label,
            **sampling,
            **options,
        )

    def _meta_template(self, site: Site) -> Path | str | None:
        """The name of a layout, or a file that stands beside the suite."""
        if self.meta_template is None:
            return None
        path = site.file(self.meta_template)  # not a folder: it may have the name of a layout
        return path if exists(path) and not path.is_dir() else self.meta_template

    def _tool(self, site: Site) -> Finder | None:
        if self.tool is None:
            return None
        # Its checks are many, and few judges have a tool.
        from deemster.judges.verifier import Verifier  # noqa: PLC0415

        tool = site.judge(self.tool)
        if not isinstance(tool, Verifier):
            raise InputError(
                f"tool {tool.name!r} must be a verifier, it is a {type(tool).__name__}"
            )
        return tool
