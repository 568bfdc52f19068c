"""What a server is told besides its judges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deemster.errors import InputError
from deemster.files import RECORD_BYTES, read_text
from deemster.redaction import note_secret
from deemster.schemas import first_problem
from deemster.yaml_text import SETTING, read_yaml

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Addresses that only this machine reaches."""
_Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_Positive = Annotated[int, Field(strict=True, ge=1)]


class ApiKey(BaseModel):
    """A key and its limits."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[\w.+-]{1,60}$")]
    """What logs and metrics call it."""
    key: Annotated[str, Field(min_length=16, max_length=400, pattern=r"^[\x21-\x7e]+$", repr=False)]
    """The secret."""
    per_minute: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Requests a minute; a tenth of them may come at once. None: no limit."""
    in_flight: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Requests at a time. None: no limit."""


def read_keys(path: str | Path) -> tuple[ApiKey, ...]:
    """The keys of a YAML file: `name: key`, or `name: {key: …, per_minute: 600, in_flight: 8}`.

    Raises:
        InputError: it cannot be read, or has no keys.
    """
    given = read_yaml(read_text(path, what="keys", limit=RECORD_BYTES), str(path), SETTING)[0]
    if not isinstance(given, dict) or not given:
        raise InputError(f"{path}: expected a mapping of names to keys, e.g. 'trainer: KEY'")
    keys = []
    for name, value in given.items():
        fields = value if isinstance(value, dict) else {"key": value}
        try:
            key = ApiKey.model_validate({"name": str(name), **fields})
        except ValidationError as error:
            problem = first_problem(error).partition(", got")[0]  # the value is a secret
            raise InputError(f"{path}: key {str(name)!r:.80}: {problem}") from None
        note_secret(key.key)
        keys.append(key)
    return tuple(keys)


class ServerSettings(BaseModel):
    """Limits, keys and the address of a server. The defaults serve this machine alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(strict=True, ge=0, le=65_535)] = 8000
    """Port to listen on; 0 takes a free one."""
    keys: tuple[ApiKey, ...] = ()
    """Who may ask; none: whoever reaches the address."""
    public: bool = False
    """Serve others than this machine without keys."""
    max_body: _Positive = 8 * 2**20
    """Bytes of the largest body; a larger one is answered with 413."""
    body_timeout: _Seconds = 30.0
    """Seconds in which a body must have arrived."""
    in_flight: _Positive = 64
    """Samples judged at a time; a judge's backend may have lower limits of its own."""
    queue: Annotated[int, Field(strict=True, ge=0)] = 1024
    """Samples that wait for their turn; more are answered with 429."""
    deadline: _Seconds = 100.0
    """Seconds for one request, waiting included. Trainers wait 120 s (slime) to 180 s (OpenRLHF)
    before they ask again."""
    group_size: Annotated[int, Field(strict=True, ge=1)] = 1
    """Rollouts of one prompt that trainers post one by one and that are judged together; 1: each
    by itself."""
    group_wait: _Seconds = 30.0
    """Seconds that the first rollout of a group waits for the others."""
    max_k: _Positive = 64
    """The most votes that a request may ask for."""
    max_responses: _Positive = 64
    """The most responses of one sample."""
    log_texts: bool = False
    """Put what is judged in the log."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [key.name for key in self.keys]
        if len(set(names)) != len(names):
            raise ValueError(f"names of keys must differ, got {names}")
        if self.group_wait >= self.deadline:
            raise ValueError(
                f"group_wait {self.group_wait:g} must be below deadline {self.deadline:g}"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the address."""
        return self.host in LOOPBACK

    def check_reach(self) -> None:
        """Refuse to serve everybody by accident.

        Raises:
            InputError: others reach the address, and there are no keys.
        """
        if not (self.is_local or self.keys or self.public):
            raise InputError(
                f"--host {self.host!r} lets others in, and there are no keys; give --keys FILE, or "
                "--public if everybody who reaches it may spend your money"
            )
