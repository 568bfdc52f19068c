"""The only door to a model. Judges never import litellm or torch."""

from __future__ import annotations

import asyncio
import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Protocol, Self, runtime_checkable

from pydantic import Field, model_validator

from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.schemas import Completion, Conversation, Question, Record, Sampling, Usage, Whole

Outcome = Completion | BackendError
"""What one draw gives: text, or the error that stands for it."""


class Request(Record):
    """One prompt from which `n` completions are drawn."""

    messages: Conversation
    sampling: Sampling
    n: Annotated[int, Field(strict=True, ge=1)] = 1
    seeds: tuple[Whole, ...] = ()
    """One per draw. Local backends make draw `i` depend on `seeds[i]` alone, up to rounding;
    providers get `seeds[0]` where they take a seed. With `messages` they identify a draw: judges
    never use one seed twice for one prompt."""
    json_schema: dict[str, Any] | None = None
    """JSON Schema that the completion must match; None for free text."""
    prefix: str = ""
    """Text the completion must start with, where the backend can force it (it is not repeated
    in `Completion.text`)."""
    questions: tuple[Question, ...] = ()
    """What a decision model is asked about the text of `messages`. The text of the completion is
    then `dump_decisions` of the answers, the same for every draw: nothing is sampled."""

    @model_validator(mode="after")
    def _one_seed_per_draw(self) -> Self:
        if self.seeds and len(self.seeds) != self.n:
            raise ValueError(f"{len(self.seeds)} seeds for n={self.n}; give one per draw")
        names = [question.name for question in self.questions]
        if len(set(names)) != len(names):
            raise ValueError(f"names of questions must differ, got {names}")
        return self

    @property
    def length(self) -> int:
        """Characters of all that a model reads."""
        return sum(len(message.text) for message in self.messages) + sum(
            len(question.text) for question in self.questions
        )

    @cached_property
    def _shared(self) -> str:
        """What the identities of all draws share, hashed once: prompts can be long."""
        identity = {
            "messages": [message.to_openai() for message in self.messages],
            "sampling": self.sampling.model_dump(mode="json"),
            "schema": self.json_schema,
            "prefix": self.prefix,
        }
        if self.questions:  # not in the identity of requests for text, which is older
            identity["questions"] = [one.model_dump(mode="json") for one in self.questions]
        text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()

    @property
    def prompt(self) -> str:
        """Identity of what the draws share: a SHA-256 in hex."""
        return self._shared

    def key(self, model: str, draw: int) -> str:
        """Identity of draw number `draw` (0..n-1) at `model`: a SHA-256 in hex."""
        seed = self.seeds[draw] if self.seeds else draw
        text = f"{self._shared}\n{seed}\n{model}"
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


@runtime_checkable
class Backend(Protocol):
    """A source of completions. Safe to share between judges, tasks and event loops."""

    @property
    def name(self) -> str:
        """The model string, e.g. `openai/gpt-5-mini` or `hf:Qwen/Qwen3-8B`."""
        ...

    async def generate(self, request: Request) -> list[Outcome]:
        """Draw exactly `request.n` outcomes.

        A draw that failed is its `BackendError` in the list, so that one lost draw does not
        lose the others. Raising `BackendError` is the same as failing all of them.
        """
        ...

    async def aclose(self) -> None:
        """Release connections and memory. Idempotent; a closed backend may be used again."""
        ...


Trust = bool | frozenset[str]
"""Whose words a model's options are. True: the caller's own. False: those of a file that may be
somebody else's, so that they do not decide where keys go. A set: such a file's, but these URLs of
servers are the caller's."""

EMBEDDED = "nano"
"""Model string of the embedded model, which is also the name of the dialect it was trained on."""
SMOL = "smol"
"""Model string of the small real judge, and the name of its dialect."""


@runtime_checkable
class KnowsDialect(Protocol):
    """Optional: a backend whose model was trained on one dialect."""

    @property
    def dialect(self) -> str | None:
        """Its name; None: the model takes any."""
        ...


def refuse_questions(backend: str, request: Request) -> None:
    """Raise `UnusableModelError` if a backend that gives text is asked for decisions."""
    if request.questions:
        raise UnusableModelError(
            f"model {backend!r} answers with text and takes no questions; give "
            "'labels:provider/model', 'decisions:provider/model', 'systemone:provider/model' or "
            "'hf:PATH'"
        )


def nothing_sampled(completion: Completion, n: int) -> list[Outcome]:
    """The outcomes of `n` draws that are the same; the first carries what it cost."""
    free = completion.model_copy(update={"usage": Usage()})
    return [completion, *[free] * (n - 1)]


@runtime_checkable
class DrawsOneByOne(Protocol):
    """Optional: a backend that says whether every draw is a request of its own."""

    @property
    def one_by_one(self) -> bool:
        """Whether the provider draws one completion per request."""
        ...


@runtime_checkable
class Priced(Protocol):
    """Optional: a backend that knows what its model costs."""

    def price(self, tokens_in: int, tokens_out: int) -> float | None:
        """US dollars for so many tokens; None where the price is not known."""
        ...


@runtime_checkable
class AsksApart(Protocol):
    """Optional: a backend that asks for the questions of a request by several prompts."""

    def apart(self, request: Request) -> list[Request]:
        """What the model is asked, each a prompt of its own."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """Optional: a backend that needs something before its first call, a key say."""

    def check(self) -> None:
        """Raise `InputError` if it cannot be asked; the text says what to do. Sends nothing."""
        ...


@runtime_checkable
class Preloads(Protocol):
    """Optional: a backend, or another model, that can be loaded before its first call."""

    async def preload(self) -> None:
        """Load it now, if it is not loaded. Raises `InputError` if that cannot be done."""
        ...


def only_dialect(backend: Backend) -> str | None:
    """Name of the only dialect that a backend's model was trained on; None: it takes any."""
    return backend.dialect if isinstance(backend, KnowsDialect) else None


def checked(backend: Backend) -> Backend:
    """The same backend, if it can be asked.

    Raises:
        InputError: it cannot; the text says what to do. Nothing was sent.
    """
    if isinstance(backend, Checkable):
        backend.check()
    return backend


async def generate_all(backend: Backend, request: Request) -> list[Outcome]:
    """`backend.generate` with every way to fail turned into outcomes, wrong types among them.

    Cancellation passes, and so does `InputError`: what the caller got wrong (a provider that does
    not exist, a damaged cassette) is the same for every draw and is reported once.

    What a failure of all draws cost is the usage of the first outcome alone, so that the outcomes'
    usage adds up to what was spent.

    This is the one broad catch of the framework (a third-party backend may raise anything).
    """
    try:
        returned: object = await backend.generate(request)
    except BackendError as error:
        return _all_failed(error, request.n)
    except (InputError, KeyboardInterrupt, SystemExit, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - boundary to third-party code
        failed = BackendError(f"{type(error).__name__} in backend {backend.name!r}: {error}")
        failed.__cause__ = error
        return _all_failed(failed, request.n)
    if not isinstance(returned, list | tuple):
        kind = type(returned).__name__
        failed = BackendError(f"backend {backend.name!r} returned {kind}, not a list of outcomes")
        return _all_failed(failed, request.n)
    outcomes = [_outcome(one, backend.name) for one in returned]
    if len(outcomes) != request.n:
        failed = BackendError(
            f"backend {backend.name!r} returned {len(outcomes)} outcomes for n={request.n}",
            usage=Usage.total(outcome.usage or Usage() for outcome in outcomes),
        )
        return _all_failed(failed, request.n)
    return outcomes


def _outcome(returned: object, name: str) -> Outcome:
    """What a backend returned for a draw, if it is an outcome; else an error that says so."""
    if isinstance(returned, Completion | BackendError):
        return returned
    return BackendError(
        f"backend {name!r} returned {type(returned).__name__} for a draw, "
        "not a Completion or a BackendError"
    )


def _all_failed(error: BackendError, n: int) -> list[Outcome]:
    """The error for each of n draws; only the first carries what was spent."""
    if n == 1 or error.usage is None:
        return [error] * n
    return [error, *[with_usage(error, None)] * (n - 1)]


def with_usage(error: BackendError, usage: Usage | None) -> BackendError:
    """The same error, with another account of what was spent."""
    # Past __init__: subclasses of third parties take arguments of their own.
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__, usage=usage)
    made.__cause__ = error.__cause__
    return made
