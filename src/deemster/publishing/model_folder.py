"""A trained judge as a folder that judges by itself: weights, meta RM, settings, card."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deemster.backends.hub import REPOSITORY
from deemster.backends.judge_file import CONFIG_NAME, JudgeFile, inside, judge_file_in
from deemster.errors import InputError
from deemster.json_text import read_json
from deemster.publishing.bundle import Bundle, as_json, without_places
from deemster.publishing.card import ModelCard
from deemster.training.evaluation import FILE as EVALUATION
from deemster.training.evaluation import Evaluation
from deemster.training.manifest import Manifest, read_manifest

META = "meta"
_KEPT = (".json", ".safetensors", ".jinja", ".txt", ".model", ".gguf")
_OWN = {CONFIG_NAME, "README.md", "manifest.json", "evaluation.json", "training.json"}
_TRAINERS = {"trainer_state.json", "origin.json"}
_NAMED = ("_name_or_path", "name_or_path", "base_model_name_or_path")


@dataclass(frozen=True)
class _Found:
    """A judge on this machine."""

    folder: Path
    file: JudgeFile

    @property
    def weights(self) -> Path:
        return inside(self.folder, self.file.model)

    @property
    def run(self) -> Path | None:
        """The folder of the training run that it came of."""
        stage = self.weights.resolve().parent
        return stage.parent if read_manifest(stage) is not None else None

    def manifests(self) -> dict[str, Manifest]:
        """Of the stages that made it, in the order of training."""
        if self.run is None:
            return {}
        read = ((one.name, read_manifest(one)) for one in self.run.iterdir() if one.is_dir())
        found = {name: one for name, one in read if one is not None and one.complete}
        return dict(sorted(found.items(), key=lambda one: one[1].started))

    def evaluation(self) -> Evaluation | None:
        """The figures of the stage `eval`, if it looked at this model."""
        path = None if self.run is None else self.run / "eval" / EVALUATION
        if path is None or not path.is_file():
            return None
        found = Evaluation.model_validate_json(path.read_bytes())
        return found if self.weights.resolve().parent.name in found.models else None


def model_bundle(
    source: str | Path,
    *,
    where: str | None = None,
    base: str | None = None,
    licence: str | None = None,
) -> Bundle:
    """What is published of a judge.

    Args:
        source: the folder of a training run, of one of its models, or another with a
            `deemster.json`.
        where: repository or folder that it goes to, for the card; default: the name of `source`.
        base: the model that it was made from, if the file does not say it.
        licence: of the weights, as the Hub spells it.

    Raises:
        InputError: there is no judge, or an adapter whose base nobody else has.
    """
    folder = Path(source).expanduser()
    file = judge_file_in(folder)
    if file is None:
        raise InputError(
            f"{str(source)!r} is no run and no judge: it has neither run.sqlite nor {CONFIG_NAME}; "
            "give a folder that deemster train made, or write the file "
            "(docs/howto/publish-a-judge.md)"
        )
    given = {"base": base, "licence": licence}
    said = JudgeFile.model_validate(
        {**file.model_dump(exclude_unset=True), **{k: v for k, v in given.items() if v}}
    )
    found = _Found(folder, said)
    files: dict[str, Path | bytes] = {}
    left: list[str] = []
    _add_model(found.weights, "", said, files, left)
    moved: dict[str, str] = {"model": "."}
    if said.meta_rm is not None:
        _add_model(inside(folder, said.meta_rm), f"{META}/", said, files, left)
        moved["meta_rm"] = META
    if said.template is not None:
        moved["template"] = Path(said.template).name
        files[moved["template"]] = inside(folder, said.template)
    published = said.model_copy(update=moved)
    files[CONFIG_NAME] = published.text().encode()
    manifests, evaluation = found.manifests(), found.evaluation()
    if manifests:
        files["training.json"] = as_json(
            without_places({name: one.model_dump(mode="json") for name, one in manifests.items()})
        )
    if evaluation is not None:
        files["evaluation.json"] = as_json(evaluation.model_dump(mode="json"))
    card = ModelCard(
        file=published,
        where=where or folder.resolve().name,
        stage=found.weights.resolve().parent.name,
        adapter="adapter_config.json" in files,
        manifests=manifests,
        evaluation=evaluation,
    )
    files["README.md"] = card.text().encode()
    notes = () if published.licence else ("no licence is known: --licence names one",)
    return Bundle("model", files, tuple(sorted(left)), notes)


def _add_model(
    folder: Path, prefix: str, said: JudgeFile, files: dict[str, Path | bytes], left: list[str]
) -> None:
    """The files of a model, as they may be published."""
    before = len(files)
    for path in _files(folder):
        name = path.name
        if name in _OWN:
            continue
        if not name.startswith("LICENSE") and (
            path.suffix not in _KEPT or name in _TRAINERS or name.startswith(".")
        ):
            left.append(f"{prefix}{name}")
        elif name.endswith("config.json"):
            files[prefix + name] = _config(path, said)
        else:
            files[prefix + name] = path
    weights = [one for one in [*files][before:] if one.endswith((".safetensors", ".gguf"))]
    if not weights:
        raise InputError(f"{str(folder)!r} has no safetensors weights; nothing to publish")


def _files(folder: Path) -> Iterator[Path]:
    """The files right in a folder; links that lead out of it are not followed."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            inside(folder, path.name)
        if path.is_file():
            yield path


def _config(path: Path, said: JudgeFile) -> Path | bytes:
    """A configuration without paths of this machine.

    Raises:
        InputError: it is an adapter's, and its base is a folder of this machine.
    """
    fields = read_json(path)
    if not isinstance(fields, Mapping):
        return path
    changed = dict(fields)
    for key in _NAMED:
        named = fields.get(key)
        if not isinstance(named, str) or (REPOSITORY.match(named) and not Path(named).exists()):
            continue
        if key == "base_model_name_or_path" and path.name == "adapter_config.json":
            if said.base is None:
                raise InputError(
                    f"the adapter in {str(path.parent)!r} lies over {named!r}, a folder of this "
                    "machine: say with --base which model others need, OWNER/NAME"
                )
            changed[key] = said.base
        elif os.sep in named:
            changed[key] = Path(named).name
    return path if changed == fields else as_json(changed)
