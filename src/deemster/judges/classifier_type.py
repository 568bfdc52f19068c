"""Which judge type a model string means, for models that give numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from deemster.backends import CLASSIFY_SCHEMES
from deemster.json_text import read_json
from deemster.zoo import find_model

ClassifierType = Literal["scalar", "pairwise"]


def classifier_type(model: str) -> ClassifierType | None:
    """The judge type of a model that gives numbers; None for all others.

    Known are classifiers behind HTTP, the zoo's models, and local folders by their config.json and
    the names of their tensors.

    Raises:
        InputError: config.json is not usable JSON.
    """
    if model.partition(":")[0] in CLASSIFY_SCHEMES:
        return "scalar"
    if not model.startswith("hf:"):
        return None
    entry = find_model(model)
    if entry is not None and entry.kind == "scalar":
        return None if entry.judge == "meta_rm" else entry.judge
    folder = Path(model.removeprefix("hf:")).expanduser()
    return _of_folder(folder) if (folder / "config.json").is_file() else None


def _of_folder(folder: Path) -> ClassifierType | None:
    config = read_json(folder / "config.json")
    named = config.get("architectures") if isinstance(config, dict) else None
    names = named if isinstance(named, list) else []
    if any(str(name).endswith("ForSequenceClassification") for name in names):
        return "scalar"
    if any(str(name).endswith("ForCausalLM") for name in names):
        return None
    from deemster.extras import need  # noqa: PLC0415 - heavy, as the next

    need("local", f"model 'hf:{folder}'")
    from deemster.backends._local.checkpoint import Checkpoint  # noqa: PLC0415
    from deemster.backends._local.heads import find_head  # noqa: PLC0415

    head = find_head(Checkpoint(str(folder)).names)
    if head is None:
        return "scalar" if any(str(name).endswith("RewardModel") for name in names) else None
    return "pairwise" if head.compares else "scalar"
