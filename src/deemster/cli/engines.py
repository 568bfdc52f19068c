"""Where a run is judged, or a model sampled from: the options that say it, and the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deemster.cli.options import Options
from deemster.cli.terminal import tell
from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.integrations.ray_engine import RayEngine
    from deemster.suites.engines import Engine

_PANEL = "Where it is judged"


def _option(*names: str, text: str) -> Any:  # noqa: ANN401 - what typer makes
    return typer.Option(*names, rich_help_panel=_PANEL, help=text)


OPTIONS: Options = {
    "engine": (
        Annotated[str, _option(text="local: this process; ray: a cluster (needs the extra ray).")],
        "local",
    ),
    "address": (
        Annotated[
            str | None,
            _option(text="Of the Ray cluster. Default: one is started on this machine."),
        ],
        None,
    ),
    "actors": (
        Annotated[int | None, _option(text="Ray: judges at a time. Default: 2.")],
        None,
    ),
    "actor_cpus": (
        Annotated[float | None, _option(text="Ray: cores for each of them. Default: 1.")],
        None,
    ),
    "actor_gpus": (
        Annotated[float | None, _option(text="Ray: graphics cards for each, 0.5 for half a one.")],
        None,
    ),
    "batch": (
        Annotated[
            bool,
            _option(
                "--batch",
                text="Ask models behind APIs in batches: within a day, mostly at half price.",
            ),
        ],
        False,
    ),
    "batch_size": (
        Annotated[int | None, _option(text="Most requests of a batch. Default: 50000.")],
        None,
    ),
    "batch_wait": (
        Annotated[
            float | None, _option(text="Most seconds between two looks at a batch. Default: 120.")
        ],
        None,
    ),
}


_RAY = ("address", "actors", "actor_cpus", "actor_gpus")
SAMPLING: Options = {
    "sample_on": (
        Annotated[str, _option(text="local: this process; ray: a cluster (needs the extra ray).")],
        "local",
    ),
    **{name: OPTIONS[name] for name in _RAY},
}
"""Where the models of a recipe are sampled from."""


def make_sampling(given: Mapping[str, Any]) -> RayEngine | None:
    """What the values of `SAMPLING` describe; None is this process.

    Raises:
        InputError: they do not go together.
    """
    name, ray = given["sample_on"], _ray(given)
    if name not in {"local", "ray"}:
        raise InputError(f"unknown value {name!r} of --sample-on; known: local, ray")
    if ray and name != "ray":
        raise InputError("--address and --actor options are for --sample-on ray; give that too")
    return _ray_engine(ray) if name == "ray" else None


def make_engine(given: Mapping[str, Any]) -> Engine | None:
    """The engine that the values of `OPTIONS` describe; None is this process.

    Raises:
        InputError: they do not go together.
    """
    name, batch = given["engine"], given["batch"]
    ray = _ray(given)
    batches = _given(given, requests="batch_size", longest_wait="batch_wait")
    if name not in {"local", "ray"}:
        raise InputError(f"unknown engine {name!r}; known: local, ray")
    if ray and name != "ray":
        raise InputError("--address and --actor options are for --engine ray; give that too")
    if batches and not batch:
        raise InputError("--batch-size and --batch-wait are for --batch; give that too")
    if batch and name == "ray":
        raise InputError("--batch asks a provider, --engine ray a cluster; give one of them")
    if name == "ray":
        return _ray_engine(ray)
    if not batch:
        return None
    from deemster.backends.batches import BatchLimits
    from deemster.suites.batching import BatchEngine

    first = min(BatchLimits.first_look, batches.get("longest_wait", BatchLimits.first_look))
    return BatchEngine(limits=BatchLimits(first_look=first, **batches), report=_report)


def _ray(given: Mapping[str, Any]) -> dict[str, Any]:
    return _given(given, address="address", actors="actors", cpus="actor_cpus", gpus="actor_gpus")


def _ray_engine(options: Mapping[str, Any]) -> RayEngine:
    from deemster.integrations.ray_engine import RayEngine, RayOptions

    return RayEngine(RayOptions(**options), report=_report)


def _given(given: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Settings by their own names, from options by theirs, without those that were not given."""
    found = {setting: given[option] for setting, option in names.items()}
    return {setting: value for setting, value in found.items() if value is not None}


def _report(line: str) -> None:
    tell(line)
