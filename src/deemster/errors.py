"""One exception tree, so that callers catch by meaning.

DeemsterError
├── InputError              the caller's input is wrong; the command line exits with 2
│   ├── CalibrationError    the judge is not the one that was calibrated, or not good enough
│   └── UnusableModelError  the model cannot be asked for any sample; ends a run
├── BackendError            a model call gave no completion; becomes a Failure
│   ├── BackendTimeout      status "timeout"
│   ├── RateLimitError      the provider said: not so fast
│   ├── RefusedError        status "refused": the provider declined to answer
│   ├── OverBudgetError     status "over_budget": not sent, or stopped by the budget
│   ├── ContextLengthError  the prompt does not fit the model's context
│   └── CassetteMissError   a replayed request was never recorded
├── ParseError              a completion carries no valid verdict; becomes a Failure
│   └── AmbiguousError      it carries two different verdicts
├── UnscoredError           a verdict has no rewards; raised only when asked for, and defined
│                           beside `Verdict`, which it carries
└── HttpError               what the server answers a request with; defined in `deemster.serve`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from deemster.redaction import redact

if TYPE_CHECKING:
    from deemster.usage import Usage

FailureStatus = Literal[
    "parse_error",
    "ambiguous",
    "empty",
    "refused",
    "api_error",
    "timeout",
    "cancelled",
    "over_budget",
]
"""Why a vote has no scores. `empty`: the judge answered with nothing, or nothing but blanks."""


class DeemsterError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(DeemsterError, ValueError):
    """The caller's input is wrong. The text says what, the value, what is allowed, the remedy.

    Secrets are taken out of the text, see `deemster.redaction`.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(redact(arg) if isinstance(arg, str) else arg for arg in args))


class CalibrationError(InputError):
    """A judge is not allowed: it is not the one that was calibrated, or did not agree enough."""


class UnusableModelError(InputError):
    """The model cannot be used as it is set up: no key, no such model, no credit.

    It is so for every sample, so a run ends with it, and `--resume` goes on.
    """


class BackendError(DeemsterError):
    """A model call gave no completion. Secrets are taken out of the text.

    Attributes:
        retryable: whether the same request may succeed later (429, 5xx, connection reset).
        retry_after: seconds the provider asked to wait, if it said.
        usage: what the failed attempts cost, where it is known.
    """

    status: ClassVar[FailureStatus] = "api_error"

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(redact(message))
        self.retryable = retryable
        self.retry_after = retry_after
        self.usage = usage


class BackendTimeout(BackendError):  # noqa: N818 - reads as the event it is, like TimeoutError
    """The call's wall-clock deadline passed."""

    status: ClassVar[FailureStatus] = "timeout"


class RateLimitError(BackendError):
    """The provider takes no more requests for now (HTTP 429). Always retryable."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message, retryable=True, retry_after=retry_after)


class RefusedError(BackendError):
    """The provider or the model declined to answer (content filter, refusal field)."""

    status: ClassVar[FailureStatus] = "refused"


class OverBudgetError(BackendError):
    """The budget in money, tokens or calls is spent."""

    status: ClassVar[FailureStatus] = "over_budget"


class ContextLengthError(BackendError):
    """The prompt does not fit the model's context. Nothing was cut."""


class CassetteMissError(BackendError):
    """The replayed request is not in the cassette. The message names the key."""


class ParseError(DeemsterError, ValueError):
    """A completion carries no valid verdict."""

    status: ClassVar[FailureStatus] = "parse_error"
    usage: Usage | None = None
    """What the completion cost, where nothing else keeps it."""


class AmbiguousError(ParseError):
    """A completion carries two different verdicts, so none is taken."""

    status: ClassVar[FailureStatus] = "ambiguous"


__all__ = [
    "AmbiguousError",
    "BackendError",
    "BackendTimeout",
    "CassetteMissError",
    "ContextLengthError",
    "DeemsterError",
    "FailureStatus",
    "InputError",
    "OverBudgetError",
    "ParseError",
    "RateLimitError",
    "RefusedError",
    "UnusableModelError",
]
