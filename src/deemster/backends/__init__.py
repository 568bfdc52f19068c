"""The only door to a model: one protocol, a registry, and the backends behind it."""

from deemster.backends.base import Backend, Outcome, Request, generate_all
from deemster.backends.fake import FakeBackend
from deemster.backends.registry import BACKENDS, open_backend

__all__ = [
    "BACKENDS",
    "Backend",
    "FakeBackend",
    "Outcome",
    "Request",
    "generate_all",
    "open_backend",
]
