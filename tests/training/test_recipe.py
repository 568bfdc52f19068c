"""Recipes: what they may say, and what is told about what they may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.toy_training import toy_recipe

from deemster.errors import InputError
from deemster.training.loading import load_recipe
from deemster.training.trl_recipe import STAGES, TrlRecipe

READY = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def changed(key: str, value: Any) -> dict[str, Any]:
    """The toy recipe with the value at a dotted key replaced; `...` removes it."""
    recipe = toy_recipe()
    *path, last = key.split(".")
    section = recipe
    for name in path:
        section = section[name]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return recipe


def with_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """The toy recipe with several values replaced; see `changed`."""
    recipe = toy_recipe()
    for key, value in changes.items():
        *path, last = key.split(".")
        section = recipe
        for name in path:
            section = section.setdefault(name, {})
        section[last] = value
    return recipe


def load(tmp_path: Path, recipe: dict[str, Any] | str) -> TrlRecipe:
    path = tmp_path / "recipe.yaml"
    text = recipe if isinstance(recipe, str) else yaml.safe_dump(recipe, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    loaded = load_recipe(path)
    assert isinstance(loaded, TrlRecipe)
    return loaded


def test_a_whole_recipe(tmp_path: Path) -> None:
    recipe = load(tmp_path, toy_recipe())
    assert recipe.stages == STAGES
    assert recipe.before("meta") == ("distil", "rft", "rl")
    assert recipe.models == ("base", "distil", "rft", "rl")
    assert recipe.folder == tmp_path
    assert recipe.out_folder == Path("runs/toy")
    assert recipe.on_cpu
    assert set(recipe.settings_for("rl")) == {"engine", "seed", "data", "model", "rl"}
    again = TrlRecipe.model_validate_json(recipe.model_dump_json(exclude_none=True))
    assert again.model_dump() == recipe.model_dump()


def test_sections_decide_the_stages(tmp_path: Path) -> None:
    recipe = toy_recipe(rl={}, meta={}, eval={"models": ["rl", "rft"]})
    del recipe["distil"]
    loaded = load(tmp_path, recipe)
    assert loaded.stages == ("rft", "rl", "meta", "eval")
    assert loaded.eval is not None
    assert loaded.eval.chosen(loaded.models) == ("rft", "rl")
    assert loaded.rl is not None
    assert (loaded.rl.train.group_size, loaded.rl.train.beta) == (4, 0.08)


def test_a_toy_is_the_recipe_with_some_changes(tmp_path: Path) -> None:
    changes = {"out": "toy", "distil": {"n": 1, "train": {"max_steps": 2}}, "eval": {"k": 3}}
    whole = load(tmp_path, {**toy_recipe(), "toy": changes})
    assert whole == load(tmp_path, toy_recipe())
    load(tmp_path, {**toy_recipe(), "toy": changes})
    toy = load_recipe(tmp_path / "recipe.yaml", toy=True)
    assert isinstance(toy, TrlRecipe)
    assert toy.distil is not None
    assert whole.distil is not None
    assert (toy.out, toy.distil.n, toy.distil.train.max_steps) == ("toy", 1, 2)
    assert toy.distil.train.learning_rate == whole.distil.train.learning_rate
    assert (toy.rft, toy.rl, toy.meta) == (whole.rft, whole.rl, whole.meta)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        pytest.param(None, "has no section 'toy'", id="none"),
        pytest.param([1], "has no section 'toy', a mapping", id="a-list"),
        pytest.param({"distil": {"k": 3}}, "unknown key 'distil.k'", id="unknown-key"),
    ],
)
def test_a_toy_that_cannot_be_made(tmp_path: Path, section: object, message: str) -> None:
    more = {} if section is None else {"toy": section}
    load(tmp_path, {**toy_recipe(), **more})
    with pytest.raises(InputError, match=message):
        load_recipe(tmp_path / "recipe.yaml", toy=True)


def test_files_are_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    recipe = load(tmp_path, toy_recipe(out="elsewhere"))
    assert dict(recipe.files()) == {
        "data.train.0.path": tmp_path / "train.jsonl",
        "data.instructions.0.path": tmp_path / "instructions.jsonl",
        "data.evaluation.0.path": tmp_path / "evaluation.jsonl",
        "model.base": tmp_path / "base",
    }
    assert recipe.locate("base") == str(tmp_path / "base")
    assert recipe.locate("owner/name") == "owner/name"
    assert recipe.out_folder == Path("elsewhere")


def test_a_stored_run_brings_its_own_items(tmp_path: Path) -> None:
    recipe = {
        "name": "stored",
        "model": {"base": "base"},
        "distil": {"run": "log", "teachers": "gpt", "holdout": 0.2},
        "eval": {"k": 2},
    }
    loaded = load(tmp_path, recipe)
    assert loaded.stages == ("distil", "eval")
    assert dict(loaded.files()) == {"distil.run": tmp_path / "log"}
    assert loaded.distil is not None
    assert (loaded.distil.teachers, loaded.distil.n, loaded.distil.reasons) == (
        ("gpt",),
        None,
        True,
    )
    again = TrlRecipe.model_validate_json(loaded.model_dump_json(exclude_none=True))
    assert again.model_dump() == loaded.model_dump()
    with pytest.raises(InputError, match="data is missing; rl needs it"):
        load(tmp_path, {**recipe, "rl": {}})


def test_the_settings_of_teachers_that_are_asked_know_no_run(tmp_path: Path) -> None:
    """What a stage was begun with is hashed: a run that was begun before goes on."""
    settings = load(tmp_path, changed("distil.n", ...)).settings_for("distil")["distil"]
    assert isinstance(settings, dict)
    assert settings.keys() == {"judges", "n", "train"}
    assert settings["n"] == 1


def test_variables_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE", "owner/name")
    recipe = load(tmp_path, changed("model.base", "${BASE}"))
    assert recipe.model is not None
    assert recipe.model.base == "owner/name"


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_ready_recipes_load(path: Path) -> None:
    assert load_recipe(path).stages


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        pytest.param("- a\n", "expected a mapping with name, engine", id="list"),
        pytest.param("name: [\n", "recipe.yaml:2: not YAML", id="yaml"),
        pytest.param("name: a\nname: b\n", ":2: the key 'name' occurs twice", id="twice"),
        pytest.param(changed("name", ...), "name is missing", id="no-name"),
        pytest.param(changed("colour", 1), "unknown key 'colour'; allowed: name", id="key"),
        pytest.param(
            changed("rft.sft", {}), "unknown key 'rft.sft'; allowed: n, temperature", id="deep-key"
        ),
        pytest.param(
            changed("rl.train.lr", 1), "unknown key 'rl.train.lr'; allowed: learning", id="lr"
        ),
        pytest.param(changed("rl.train.beta", -1), "rl.train.beta: Input should be", id="range"),
        pytest.param(changed("rl.train.beta", "x"), "rl.train.beta: ", id="number"),
        pytest.param(changed("rl.train.learning_rate", float("nan")), "learning_rate: ", id="nan"),
        pytest.param(changed("rft.n", 1), "rft.n: Input should be greater", id="n"),
        pytest.param(changed("rft.n", "3"), "rft.n: Input should be a valid integer", id="text"),
        pytest.param(changed("rft.n", True), "rft.n: Input should be a valid integer", id="bool"),
        pytest.param(changed("seed", -1), "seed: Input should be greater", id="seed"),
        pytest.param(changed("engine", "jax"), "engine: unknown engine 'jax'; known: trl", id="e"),
        pytest.param(changed("engine", 3), "engine: give the name of an engine", id="e-type"),
        pytest.param(changed("model", ...), "model is missing", id="no-model"),
        pytest.param(changed("data", ...), "data is missing", id="no-data"),
        pytest.param(changed("model.base", ""), "model.base: String should have", id="no-base"),
        pytest.param(
            changed("model.dialect", "xml"), "model.dialect: unknown dialect 'xml'", id="dialect"
        ),
        pytest.param(
            changed("model.options", {"template_args": {}}),
            "model.options: unknown option 'template_args'; allowed: device",
            id="options",
        ),
        pytest.param(
            changed("data.train", {"path": "a", "run": "b"}),
            "data.train: give one of path",
            id="two",
        ),
        pytest.param(changed("data.train", []), "data.train: expected 1 or more", id="no-train"),
        pytest.param(
            changed("data.evaluation", ...), "eval needs data.evaluation, or", id="no-eval"
        ),
        pytest.param(changed("data.decontaminate", 0), "data.decontaminate: ", id="n-gram"),
        pytest.param(
            changed("distil.judges", ...),
            "distil: give judges to ask, or run, where judgments are stored; got neither",
            id="no-judge",
        ),
        pytest.param(changed("distil.run", "log"), "stored; got both", id="judges-and-run"),
        pytest.param(
            changed("distil.holdout", 0.2), "distil: holdout goes with run", id="holdout-of-none"
        ),
        pytest.param(
            changed("distil", {"run": "log", "unlabelled": "guess"}),
            "distil.unlabelled: Input should be 'keep' or 'drop'",
            id="unlabelled",
        ),
        pytest.param(
            changed("data.train", ...), "data.train is missing; distil needs it", id="no-items"
        ),
        pytest.param(
            changed("distil.judges", {"name": "p", "members": ["b"]}), "unknown member 'b'", id="b"
        ),
        pytest.param(
            changed("distil.judges", {"k": 1}),
            "distil.judges.model is missing",
            id="no-model-judge",
        ),
        pytest.param(changed("rl", None), "rl is empty; write 'rl: {}'", id="empty"),
        pytest.param(changed("eval.k_meta", 5), "k_meta must be from 1 to k=4, got 5", id="k-meta"),
        pytest.param(
            changed("eval.models", ["sft"]), "unknown model 'sft'; known: base, distil", id="models"
        ),
        pytest.param(changed("eval.models", []), "eval.models: expected 1 or more", id="no-model"),
        pytest.param(changed("meta.base", ""), "meta.base: String should have", id="no-base"),
        pytest.param("name: a\nmodel: {base: b}\n", "no stage to run", id="no-stage"),
        pytest.param(changed("model.base", "${NOT_SET}"), "'NOT_SET' is not set", id="variable"),
    ],
)
def test_errors_name_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any] | str, message: str
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(InputError) as told:
        load(tmp_path, recipe)
    assert message in str(told.value)
    assert "recipe.yaml" in str(told.value)
    assert "\n" not in str(told.value)


MTP = {"model.options": {"speculate": "mtp"}, "distil.train.mtp": {}, "rft.train.mtp": {}}
OF_RFT = {"meta": {"run": "log"}, "eval.models": ["distil", "rft"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"rft.hinted": True}, "rft.hinted: the prompt of dialect 'nano' has", id="h"),
        pytest.param(
            {"rft.hinted": True, "model.dialect": "nemotron-principle"},
            "rft.hinted: the prompt of dialect 'nemotron-principle' has no place",
            id="hint-beside-roles",
        ),
        pytest.param(
            {"model.dialect": "br-rm"}, "model.dialect: dialect 'br-rm' judges in two", id="turns"
        ),
        pytest.param(
            {"rl.train.vllm": {}, "model.dialect": "json"},
            "dialect 'json' is drawn under a grammar",
            id="grammar",
        ),
        pytest.param(
            {"rl.train.max_completion_length": 128},
            "rl.train: max_completion_length 128",
            id="room",
        ),
        pytest.param({"rl.train.group_size": 3}, "batch_size 8 is not a multiple of gr", id="g"),
        pytest.param({"meta.train.micro_batch_size": 3}, "batch_size 8 is not a mul", id="micro"),
        pytest.param({"rft.train.optimizer": "adamw_8bit"}, "'adamw_8bit' needs a GPU", id="8-bit"),
        pytest.param(
            {"data.instructions": []}, "distil.train.instruction_share is 0.05, but", id="share"
        ),
        pytest.param(
            {"distil.judges": {"model": "fake:x", "temperature": 0}},
            "judge 'fake:x' has temperature 0: its 2 trajectories",
            id="same-again",
        ),
        pytest.param({"model.options": {"batch_size": 0}}, "model.options: batch_size: ", id="b"),
        pytest.param({"model.options": {"speculate": "x"}}, "unknown speculate 'x'; all", id="s"),
        pytest.param({"model.options": {"draft_tokens": 2}}, "goes with speculate", id="draft"),
        pytest.param({"model.options": {"quantization": "int4"}}, "quantization: Input", id="int4"),
        pytest.param(
            {"model.options": {"experts_implementation": "fast"}}, "'grouped_mm'", id="experts"
        ),
        pytest.param(
            {"model.options": {"device": "cpu", "device_map": "auto"}}, "exclude each", id="map"
        ),
        pytest.param(
            {**MTP, **OF_RFT, "rft.train.mtp": None},
            "rft leaves a model without a block for it, which eval samples",
            id="no-block",
        ),
        pytest.param(MTP, "rl leaves a model without a block for it, which meta samples", id="rl"),
    ],
)
def test_sections_that_contradict_each_other(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """Each would be refused anyway, but after hours of sampling."""
    with pytest.raises(InputError) as told:
        load(tmp_path, with_changes(changes))
    assert message in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"rft.hinted": True, "model.dialect": "grm"}, id="hint"),
        pytest.param({"rft.hinted": True, "model.dialect": "flow-judge"}, id="of-one-response"),
        pytest.param({"rl.train.vllm": {}, "model.dialect": "grm"}, id="vllm"),
        pytest.param(MTP | OF_RFT, id="blocks"),
        pytest.param({"model.options": {"batch_size": 8, "threads": 1}}, id="options"),
    ],
)
def test_sections_that_go_together(tmp_path: Path, changes: dict[str, Any]) -> None:
    load(tmp_path, with_changes(changes))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read recipe '.*none\.yaml'"):
        load_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["m/a.gguf", "m#a.gguf"], ids=["file", "folder-and-file"])
def test_a_gguf_base_is_found_beside_the_recipe_and_hashed(name: str, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.gguf").write_bytes(b"GGUF")
    made = TrlRecipe.model_validate(
        {"name": "n", "data": {"train": {"path": "t"}}, "model": {"base": name}, "rl": {}}
    ).in_folder(tmp_path)
    file = str((tmp_path / "m" / "a.gguf").resolve())
    assert made.locate(name) == file
    assert ("model.base", Path(file)) in list(made.files())
