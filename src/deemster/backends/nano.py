"""The model that ships with the package (`nano`): a demonstration that needs nothing else.

It has about a million parameters and was trained by `recipes/nano.yaml` on a synthetic world of
short judging tasks. It says so once per process, and whenever a query is not one of those tasks.
"""

from __future__ import annotations

from pathlib import Path

from deemster.backends import shipped
from deemster.backends.base import EMBEDDED
from deemster.backends.domain import Domain
from deemster.backends.embedded import EmbeddedBackend
from deemster.errors import InputError
from deemster.extras import need

DOMAINS = (
    "arithmetic, comparing and sorting numbers, reversing word lists, counting, spelling, dates, "
    "facts given in the query, writing under constraints, tone and format"
)
"""What it was trained on, in words."""
_NOTICE = (
    f"deemster: judging with {EMBEDDED!r}, the embedded demonstration model of a million "
    f"parameters. It knows short synthetic tasks only: {DOMAINS}. For anything else give a model, "
    "for example openai/gpt-5-mini or hf:PATH. (DEEMSTER_NANO_NOTICE=0 hides this.)"
)
_BETTER = (
    "'smol', a small real judge, becomes the default once its base is here: deemster models fetch "
    "smollm2"
)


class NanoBackend(EmbeddedBackend):
    """Draws from the embedded model, on the CPU by default.

    Completions of a prompt that is unlike its training prompts carry a warning (see `Domain`).

    Args:
        path: empty; there is one embedded model.
        device: as torch names it. A model this small is faster without a GPU.
        batch_size, max_context, threads, exact: see `TransformersBackend`.

    Raises:
        InputError: the model's files or the extra `local` are not installed, or a path is given.
    """

    dialect = EMBEDDED
    foreign = (
        "the query {query} with its responses is unlike what the embedded model was trained on, so "
        "its verdict means nothing; give another model"
    )

    def __init__(
        self,
        path: str = "",
        *,
        device: str = "cpu",
        batch_size: int = 64,
        max_context: int | None = None,
        threads: int | None = None,
        exact: bool = False,
    ) -> None:
        if path:
            raise InputError(
                f"model '{EMBEDDED}:{path}': there is one embedded model, {EMBEDDED!r}; open one "
                f"of your own with 'hf:{path}' and the dialect {EMBEDDED!r}"
            )
        need(
            "local",
            f"model {EMBEDDED!r} (the default)",
            otherwise="name a model of an API, for example 'openai/gpt-5-mini'",
        )
        judge = part("judge")
        super().__init__(
            str(judge),
            weights=judge / "model.safetensors",
            notice=_notice(),
            domain=Domain.load(part("domain.json")),
            device=device,
            dtype="float32",
            batch_size=batch_size,
            max_context=max_context,
            threads=threads,
            exact=exact,
        )


def part(name: str) -> Path:
    """Path of a part of the embedded model: `judge`, `meta`, `domain.json`.

    Raises:
        InputError: it is not installed.
    """
    path = assets() / name
    if not (path / "config.json" if path.suffix == "" else path).is_file():
        raise InputError(
            f"the embedded model is not installed: {str(path)!r} is missing; reinstall deemster, "
            "or give a model, for example openai/gpt-5-mini or hf:PATH"
        )
    return path


def assets() -> Path:
    """Folder of the embedded model, whether or not it is there."""
    return shipped.package_folder("nano")


def _notice() -> str:
    """What kind of model this is, and whether a better one only lacks its base."""
    waits = (shipped.smol_folder() / shipped.WEIGHTS).is_file() and shipped.smol_base() is None
    return f"{_NOTICE} {_BETTER}" if waits else _NOTICE
