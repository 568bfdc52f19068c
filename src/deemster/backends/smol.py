"""The small real judge (`smol`): an adapter of the package over a base that is fetched once.

The base is SmolLM2-135M-Instruct; `deemster models fetch smollm2` puts it into the cache. The
adapter was trained by `recipes/smol.yaml` on everyday requests. What lies outside of them carries
a warning.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deemster.backends.base import SMOL
from deemster.backends.domain import Domain
from deemster.backends.embedded import EmbeddedBackend
from deemster.backends.model_fetch import fetch
from deemster.backends.shipped import BASE, WEIGHTS, smol_base, smol_part
from deemster.errors import InputError
from deemster.extras import need

if TYPE_CHECKING:
    from deemster.backends._local.loading import LocalModel

DOMAINS = (
    "everyday arithmetic, money, units, time and dates, common facts, words and spelling, grammar, "
    "given lengths, formats and words, tone, safety, answers from a passage, relevance"
)
"""What it was trained on, in words."""
_NOTICE = (
    f"deemster: judging with {SMOL!r}, a small judge of 135 million parameters (the default where "
    f"its base was fetched). It knows short everyday requests: {DOMAINS}. For anything else give a "
    "model, for example openai/gpt-5-mini or hf:PATH. (DEEMSTER_SMOL_NOTICE=0 hides this.)"
)


class SmolBackend(EmbeddedBackend):
    """Draws from the base with the package's adapter added to its weights.

    A base that is not in the cache is fetched from the Hub when the model is loaded.

    Args:
        path: empty; there is one such model.
        device, dtype, batch_size, max_context, threads, exact: see `TransformersBackend`.
        calculator: see there; False leaves sums to the model.

    Raises:
        InputError: the adapter or the extra `local` is not installed, or a path is given.
    """

    dialect = SMOL
    foreign = (
        "the query {query} with its responses is unlike what 'smol' was trained on (short everyday "
        "requests), so do not rely on its verdict; give another model"
    )

    def __init__(
        self,
        path: str = "",
        *,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 64,
        max_context: int | None = None,
        threads: int | None = None,
        exact: bool = False,
        calculator: bool = True,
    ) -> None:
        if path:
            raise InputError(
                f"model '{SMOL}:{path}': there is one {SMOL!r}; open an adapter of your own with "
                f"'hf:{path}' and the dialect {SMOL!r}"
            )
        need("local", f"model {SMOL!r}", otherwise="name a model of an API, 'provider/model'")
        self._adapter = smol_part()
        super().__init__(
            str(self._adapter),
            weights=self._adapter / WEIGHTS,
            notice=_NOTICE,
            domain=Domain.load(smol_part("domain.json")),
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            max_context=max_context,
            threads=threads,
            exact=exact,
            calculator=calculator,
        )

    @staticmethod
    def _check(path: str) -> str:
        return path  # the base is looked for when it is loaded

    def _load(self) -> LocalModel:
        if self._model is None:
            self._path = str(_base())
            self._options["adapter"] = str(self._adapter)
        return super()._load()


def _base() -> Path:
    """Folder of the base; fetched from the Hub if it is not in the cache.

    Raises:
        InputError: it cannot be had.
    """
    here = smol_base()
    if here is not None:
        return here
    try:
        return Path(fetch(BASE, source="hub"))
    except InputError as error:
        raise InputError(
            f"model {SMOL!r} needs its base, which is not on this machine: deemster models fetch "
            f"{BASE} ({error})"
        ) from error
