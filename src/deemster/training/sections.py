"""The sections of a recipe for models of transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from deemster.aggregators import Sum, TopK
from deemster.backends._local.quantization import Quantization
from deemster.backends._local.speculating import check_speculation
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.judges.spec import AnyJudge
from deemster.schemas import Record, first_problem
from deemster.suites.spec import DataSpec, SuiteSpec
from deemster.training.data.source import DataSource
from deemster.training.settings import (
    Experts,
    GrpoSettings,
    MetaSettings,
    Number,
    SftSettings,
)

_OF_RUN = {"teachers", "reasons", "unlabelled", "consistent", "holdout"}
"""Fields of `distil` that go with `run`."""

Count = Annotated[int, Field(strict=True, ge=1)]
Temperature = Annotated[Number, Field(gt=0, le=2)]


class DataSection(Record):
    """What is trained and evaluated on."""

    train: Annotated[tuple[DataSource, ...], Field(min_length=1)] = ()
    """Preferences with ground truth: one, two or many responses to a query. Only a recipe in which
    every stage learns from a stored run needs none."""
    instructions: tuple[DataSource, ...] = ()
    """General instruction data, mixed into fine-tuning."""
    evaluation: tuple[DataSource, ...] = ()
    """Held-out preferences for the stage `eval`."""
    decontaminate: Annotated[int, Field(strict=True, ge=1, le=100)] | None = 13
    """Training items that share this many words in a row with `evaluation` are left out; null
    turns the check off."""

    @field_validator("train", "instructions", "evaluation", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return [given] if isinstance(given, dict) else given


_SERVERS = ("hosted_vllm", "openai")


class ServerSection(Record):
    """A server that the model being trained is sampled from."""

    model: str
    """`hosted_vllm/NAME` or `openai/NAME`, what the server calls the model. `{stage}` in it is the
    stage that trained the model, or `base`; `{model}` is its folder or repository, which is what
    vLLM calls a model unless told otherwise."""
    api_base: str | None = None
    """URL of the server; default: of the environment, as for other models behind APIs."""
    concurrency: Count = 128
    """Requests under way at once."""
    timeout: Annotated[Number, Field(gt=0)] = 600.0
    """Seconds for a request with all its retries."""

    @field_validator("model")
    @classmethod
    def _provider(cls, given: str) -> str:
        provider, _, name = given.partition("/")
        if provider not in _SERVERS or not name:
            allowed = " or ".join(f"{one}/NAME" for one in _SERVERS)
            raise ValueError(f"{given!r} is no model of a server of yours; give {allowed}")
        return given

    @model_validator(mode="after")
    def _own_server(self) -> Self:
        if self.model.startswith("openai/") and self.api_base is None:
            raise ValueError(f"{self.model!r} needs api_base, the URL of your server; give it")
        return self

    @property
    def says_which(self) -> bool:
        """Whether the name differs from model to model."""
        return "{stage}" in self.model or "{model}" in self.model

    def served_name(self, stage: str, path: str) -> str:
        """What the server is to call the model that a stage trained, in a folder."""
        name = self.model.partition("/")[2]
        return name.replace("{stage}", stage).replace("{model}", path)

    def model_string(self, stage: str, path: str) -> str:
        """The same as a model string."""
        return f"{self.model.partition('/')[0]}/{self.served_name(stage, path)}"

    def options(self, template_args: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """What the backend is opened with."""
        extra: dict[str, JsonValue] = {"chat_template_kwargs": dict(template_args)}
        return {
            **({} if self.api_base is None else {"api_base": self.api_base}),
            "concurrency": self.concurrency,
            "timeout": self.timeout,
            "reasoning_room": 0,  # max_tokens is what the model was trained with
            **({"extra": extra} if template_args else {}),
        }


class SamplingOptions(Record):
    """Options of the `hf:` backend that a recipe may give, as `TransformersBackend` has them."""

    device: str | None = None
    device_map: Literal["auto", "balanced", "balanced_low_0", "sequential"] | None = None
    dtype: str | None = None
    batch_size: Count = 64
    max_context: Count | None = None
    threads: Count | None = None
    experts_implementation: Experts | None = None
    quantization: Quantization | None = None
    speculate: str | None = None
    draft_tokens: Count | None = None
    calculator: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _together(self) -> Self:
        check_speculation(self.speculate, self.draft_tokens, exact=False)
        if self.device is not None and self.device_map is not None:
            raise ValueError(
                f"device {self.device!r} and device_map {self.device_map!r} exclude each other; "
                "give one"
            )
        return self


class ModelSection(Record):
    """The model that is trained."""

    base: Annotated[str, Field(min_length=1)]
    """Folder or repository with safetensors weights and a chat template; `nano`: the embedded
    model, to try a recipe in minutes."""
    dialect: str = "grm"
    """Prompt and parser, both for training and afterwards."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Of the `hf:` backend when the model is sampled from: `device`, `device_map`, `dtype`,
    `batch_size`, `max_context`, `threads`, `experts_implementation`, `quantization`, `speculate`,
    `draft_tokens`, `calculator`."""

    template_args: dict[str, JsonValue] = Field(default_factory=dict)
    """Further variables of the chat template, in training and when it is sampled from:
    `{enable_thinking: false}` for a model that would think aloud first."""

    sampling: ServerSection | None = None
    """A server to sample from in `rft`, `rl` (before it trains), `meta` and `eval`, or its model
    string alone; default: this process. It has GPUs of its own, and serves the model that the
    stage starts from: a stage refuses another."""

    @property
    def backend_options(self) -> dict[str, JsonValue]:
        """What the `hf:` backend is opened with."""
        return {**self.options, "template_args": self.template_args}

    def opened(self, name: str, path: str) -> tuple[str, dict[str, JsonValue]]:
        """Model string and options with which a model of the run is sampled from.

        Args:
            name: the stage that trained it, or `base`.
            path: its folder or repository.
        """
        if self.sampling is None:
            return f"hf:{path}", self.backend_options
        return self.sampling.model_string(name, path), self.sampling.options(self.template_args)

    @field_validator("sampling", mode="before")
    @classmethod
    def _model_alone(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return {"model": given} if isinstance(given, str) else given

    @field_validator("options")
    @classmethod
    def _of_sampling_only(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        allowed = SamplingOptions.model_fields
        unknown = sorted(given.keys() - allowed.keys())
        if unknown:
            raise ValueError(
                f"unknown option {unknown[0]!r}; allowed: {', '.join(allowed)} (what changes the "
                "prompt stands in template_args, beside options)"
            )
        nested(lambda: SamplingOptions.model_validate(given))
        return given

    @field_validator("dialect")
    @classmethod
    def _known(cls, given: str) -> str:
        open_dialect(given)
        return given


class DistilSection(Record):
    """Trajectories of other judges, and fine-tuning on those that are right.

    The teachers are asked (`judges`), or what they said is in a run already (`run`).
    """

    judges: Annotated[tuple[AnyJudge, ...], Field(min_length=1)] = ()
    """The teachers, described as in a suite. Members of a panel are in the list beside it."""
    run: str | None = None
    """Instead of `judges`: a run directory, of `deemster run` or `deemster import`. Its items are
    what is trained on, and its labels reject what is wrong."""
    n: Count | None = None
    """Trajectories per item and teacher; default 1, and with `run` all there are."""
    teachers: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """With `run`: names of its judges to learn from; default: all."""
    reasons: bool = True
    """With `run`: whether reasons are learnt, or the scores alone."""
    unlabelled: Literal["keep", "drop"] = "keep"
    """With `run`: judgments that no label can check."""
    consistent: bool = False
    """With `run`: keep a judge's judgments of an item only if none is wrong and all agree on what
    is best, in both orders where it was shown both."""
    holdout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """With `run`: the share of its queries, with all their items, that is held out of training for
    the stage `eval`."""
    train: SftSettings = SftSettings()

    @field_validator("teachers", mode="before")
    @classmethod
    def _one_name(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return [given] if isinstance(given, str) else given

    @field_validator("judges", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return [given] if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if bool(self.judges) == (self.run is not None):
            given = "both" if self.judges else "neither"
            raise ValueError(f"give judges to ask, or run, where judgments are stored; got {given}")
        if self.judges:
            if given_for_run := sorted(_OF_RUN & self.model_fields_set):
                raise ValueError(f"{given_for_run[0]} goes with run, not with judges")
            nested(lambda: self.suite(seed=0))
            self._differing()
        return self

    def _differing(self) -> None:
        """Refuse several trajectories of a teacher that says the same each time."""
        for teacher in self.judges:
            if self.per_item > 1 and getattr(teacher, "temperature", None) == 0:
                raise ValueError(
                    f"judge {teacher.label!r} has temperature 0: its {self.n} trajectories of an "
                    "item would be the same; give a temperature above 0, or n: 1"
                )

    @model_serializer(mode="wrap")
    def _of_one_kind(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the fields of the other kind of teachers, so that new ones are no new stage."""
        left_out = {"judges"} if self.run is not None else {"run", *_OF_RUN}
        found = {key: value for key, value in write(self).items() if key not in left_out}
        return found if self.run is not None else {**found, "n": self.per_item}

    @property
    def per_item(self) -> int:
        """Trajectories per item of each teacher that is asked."""
        return self.n or 1

    def suite(self, *, seed: int) -> SuiteSpec:
        """The teachers as a suite without data, which is how judges are built."""
        nothing = DataSpec(samples=())
        return SuiteSpec(name="teachers", data=(nothing,), judges=self.judges, seed=seed)


class SampledSection(Record):
    """How the model being trained is sampled from."""

    n: Annotated[int, Field(strict=True, ge=2)] = 3
    """Trajectories per item; the paper's N_RFT is 3."""
    temperature: Temperature = 1.0
    max_tokens: Count = 2048
    limit: Count | None = None
    """Sample about only this many of the training items, drawn at random."""


class RftSection(SampledSection):
    """Rejective fine-tuning: the cold start (paper section 3)."""

    hinted: bool = True
    """One more trajectory per item from a prompt that says which response is best."""
    train: SftSettings = SftSettings()


class RlSection(SampledSection):
    """Rule-based online RL by GRPO.

    The samples decide which items are too easy or too hard; if there is a stage `rft`, its
    samples are used instead of new ones.
    """

    train: GrpoSettings = GrpoSettings()


class MetaSection(SampledSection):
    """The meta RM, from the non-hinted trajectories of `rft` and new ones of the last model."""

    run: str | None = None
    """A run directory with labelled judgments to learn from instead; nothing is sampled then."""
    base: Annotated[str, Field(min_length=1)] | None = None
    """The model to start from; default: the last trained one."""
    train: MetaSettings = MetaSettings()


class EvalSettings(Record):
    """How models are evaluated. One greedy judgment and `k` votes per sample and model."""

    k: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 32
    """Votes per sample; accuracy is shown for 1, 2, 4, … up to it."""
    k_meta: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Votes the meta RM keeps; default: half of the valid ones, rounded up."""
    temperature: Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)] = 0.5
    """Of the votes; the paper's is 0.5. The greedy judgment has none."""
    max_tokens: Annotated[int, Field(strict=True, ge=1)] = 2048
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Stages whose models are evaluated, and `base`; default: the base and the last one."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.k_meta is not None and self.k_meta > self.k:
            raise ValueError(f"k_meta must be from 1 to k={self.k}, got {self.k_meta}")
        return self

    def aggregator(self, *, has_meta: bool) -> str:
        """How the votes become rewards."""
        return str(TopK(self.k_meta) >> Sum() if has_meta else Sum())

    def chosen(self, known: Sequence[str]) -> tuple[str, ...]:
        """The models to evaluate, out of those trained, in the order of training.

        Raises:
            InputError: `models` names one that does not exist.
        """
        if self.models is None:
            return tuple(dict.fromkeys((known[0], known[-1])))
        for name in self.models:
            if name not in known:
                raise InputError(f"eval.models: unknown model {name!r}; known: {', '.join(known)}")
        return tuple(name for name in known if name in self.models)


def nested(validate: Callable[[], object]) -> None:
    """Validate one model in another's validator, so that its errors keep their place."""
    try:
        validate()
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error
