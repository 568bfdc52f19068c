"""The only door to a model: one protocol, a registry, and the backends behind it."""

from deemster.backends.base import (
    EMBEDDED,
    AsksApart,
    Backend,
    Checkable,
    DrawsOneByOne,
    KnowsDialect,
    Outcome,
    Preloads,
    Priced,
    Request,
    checked,
    generate_all,
    only_dialect,
    with_usage,
)
from deemster.backends.cassette import Cassette
from deemster.backends.fake import FakeBackend
from deemster.backends.limits import Budget
from deemster.backends.registry import BACKENDS, CLASSIFY_SCHEMES, open_backend
from deemster.backends.replay import RecordBackend, ReplayBackend
from deemster.schemas import Completion

__all__ = [
    "BACKENDS",
    "CLASSIFY_SCHEMES",
    "EMBEDDED",
    "AsksApart",
    "Backend",
    "Budget",
    "Cassette",
    "Checkable",
    "Completion",
    "DrawsOneByOne",
    "FakeBackend",
    "KnowsDialect",
    "Outcome",
    "Preloads",
    "Priced",
    "RecordBackend",
    "ReplayBackend",
    "Request",
    "checked",
    "generate_all",
    "only_dialect",
    "open_backend",
    "with_usage",
]
