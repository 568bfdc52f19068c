"""A model that is sampled from a server: it must be the model of the stage."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.model_server import ModelServer, model_server
from tests.support.toy_training import pairs, toy_recipe, write_rows

from deemster.errors import InputError
from deemster.training.corpus import load_corpus
from deemster.training.evaluation import evaluate
from deemster.training.rollouts import RolloutFile
from deemster.training.sections import ModelSection, RftSection, ServerSection
from deemster.training.served import Trained, check_served
from deemster.training.stage import StageContext
from deemster.training.trl_recipe import TrlRecipe
from deemster.training.trl_stages import _candidate, _draw_own, _models


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    folder = tmp_path / "run" / "rft" / "model"
    folder.mkdir(parents=True)
    return Trained("rft", str(folder))


def check(server: ModelServer, name: str, model: Trained) -> None:
    section = ServerSection(model=f"hosted_vllm/{name}", api_base=server.url)
    check_served(section, model, trust=True)


@pytest.mark.parametrize(
    ("name", "id_", "root"),
    [
        pytest.param("judge", "judge", "{path}", id="root"),
        pytest.param("judge", "judge", "{path}/../model", id="root-written-otherwise"),
        pytest.param("judge-{stage}", "judge-rft", None, id="stage"),
        pytest.param("judge-{stage}", "judge-rft", "/elsewhere/model", id="other-machine"),
        pytest.param("{model}", "{path}", "{path}", id="as-vllm-calls-it"),
    ],
)
def test_the_model_of_the_stage_is_taken(
    name: str, id_: str, root: str | None, server: ModelServer, trained: Trained
) -> None:
    server.serve(id_.format(path=trained.path), root and root.format(path=trained.path))
    check(server, name, trained)


@pytest.mark.parametrize(
    ("name", "id_", "root", "message"),
    [
        pytest.param("judge", "other", None, r"has 'other', not 'judge', .* 'rft'", id="name"),
        pytest.param("judge-{stage}", "judge-base", None, "not 'judge-rft'", id="stage"),
        pytest.param("{model}", "org/base", "org/base", r"has 'org/base', not '/.*'", id="path"),
        pytest.param("judge", "judge", "org/base", "is 'org/base', not '/.*'", id="root"),
        pytest.param("judge-{stage}", "judge-rft", "{other}", "is '.*other', not", id="misnamed"),
    ],
)
def test_another_model_is_refused(  # noqa: PLR0917
    name: str, id_: str, root: str | None, message: str, server: ModelServer, trained: Trained
) -> None:
    other = Path(trained.path).parent / "other"
    other.mkdir()
    server.serve(id_, root and root.format(other=other))
    with pytest.raises(InputError, match=message) as error:
        check(server, name, trained)
    assert f"start it with: vllm serve {trained.path}" in str(error.value)
    assert str(error.value).endswith("and give --resume")


def test_a_name_that_tells_nothing_is_refused(server: ModelServer, trained: Trained) -> None:
    server.serve("judge")
    with pytest.raises(InputError, match=r"does not tell which .* put \{stage\} into the name"):
        check(server, "judge", trained)


@pytest.mark.parametrize(
    ("status", "listed", "message"),
    [
        (401, [], "answers with status 401"),
        (200, "plain text", "gives no list of models"),
        (200, {"models": []}, "gives no list of models"),
        (200, [], r"has nothing, not 'judge'"),
    ],
    ids=["status", "text", "shape", "empty"],
)
def test_servers_that_serve_nothing(
    status: int, listed: Any, message: str, server: ModelServer, trained: Trained
) -> None:
    server.status, server.listed = status, listed
    with pytest.raises(InputError, match=f"{message}.*start it with"):
        check(server, "judge", trained)


def test_no_server_at_all(server: ModelServer, trained: Trained) -> None:
    gone = ModelServer(1)
    with pytest.raises(InputError, match=r"no server answers at .*refused; start it with"):
        check(gone, "judge", trained)


@pytest.mark.parametrize(("trust", "sent"), [(True, "Bearer secret-of-mine"), (False, None)])
def test_a_key_goes_only_to_servers_that_may_have_it(
    trust: bool,
    sent: str | None,
    server: ModelServer,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "secret-of-mine")
    server.serve("judge", trained.path)
    section = ServerSection(model="hosted_vllm/judge", api_base=server.url)
    check_served(section, trained, trust=trust)
    assert server.keys == [sent]


def a_stage(
    name: str, tmp_path: Path, trained: Trained, sampling: dict[str, Any]
) -> StageContext[TrlRecipe]:
    write_rows(tmp_path / "evaluation.jsonl", pairs(4, "evaluation"))
    write_rows(tmp_path / "train.jsonl", pairs(3, "train"))
    recipe = toy_recipe(model={
        "base": "org/base", "dialect": "nano", "sampling": sampling,
        "template_args": {"enable_thinking": False},
    })  # fmt: skip
    recipe["data"] |= {"instructions": [], "decontaminate": None}
    for section in ("distil", "rft"):
        recipe[section]["train"].pop("instruction_share", None)
    made = TrlRecipe.model_validate(recipe).in_folder(tmp_path)
    folder = tmp_path / "run" / name
    folder.mkdir()
    return StageContext(name, folder, {"rft": Path(trained.path).parent}, made, resume=False)


def test_a_stage_draws_from_the_server(
    server: ModelServer, tmp_path: Path, trained: Trained
) -> None:
    context = a_stage("rl", tmp_path, trained, {
        "model": "hosted_vllm/judge", "api_base": server.url})  # fmt: skip
    samples = load_corpus(context.recipe).train
    server.serve("judge", "org/base")
    with pytest.raises(InputError, match="is 'org/base', not"):
        _draw_own(context, RftSection(n=2, max_tokens=32), samples)
    server.serve("judge", trained.path)
    drawn = _draw_own(context, RftSection(n=2, max_tokens=32), samples)
    assert len(drawn) == 6
    assert {rollout.completion for rollout in drawn} == {server.text}
    assert {one["model"] for one in server.asked} == {"judge"}
    assert server.asked[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert server.asked[0]["max_tokens"] == 32
    assert len(RolloutFile(context.folder / "rollouts.jsonl").read()) == 6


def test_models_are_evaluated_one_server_after_the_other(
    server: ModelServer, tmp_path: Path, trained: Trained
) -> None:
    context = a_stage("eval", tmp_path, trained, {
        "model": "hosted_vllm/judge-{stage}", "api_base": server.url})  # fmt: skip
    recipe = context.recipe
    assert recipe.eval is not None
    assert recipe.model is not None
    judge = partial(
        evaluate,
        [_candidate(context, one) for one in _models(context)],
        load_corpus(recipe).evaluation,
        recipe.eval,
        context,
        dialect="nano",
        options=recipe.model.opened("", "")[1],
    )
    server.serve("judge-base")
    with pytest.raises(InputError, match="has 'judge-base', not 'judge-rft'"):
        judge()
    base = len(server.asked)
    server.text = "no scores"  # would be asked again, if it could be
    server.serve("judge-rft")
    with pytest.raises(InputError, match="has 'judge-rft', not 'judge-base'"):
        _candidate(context, _models(context)[0]).check()  # type: ignore[misc]  # it has one
    assert judge().models["rft"].parse_failures == 1
    server.serve("judge-none")
    found = judge()
    assert (found.n, found.models["base"].parse_failures) == (4, 0)
    # What the first had said is not asked of the second.
    assert {one["model"] for one in server.asked[base:]} == {"judge-rft"}
    assert len(server.asked) == 2 * base


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("judge", "'judge' is no model of a server of yours; give hosted_vllm/NAME or"),
        ("anthropic/claude", "give hosted_vllm/NAME or openai/NAME"),
        ("openai/judge", "'openai/judge' needs api_base"),
    ],
)
def test_what_is_no_server_of_ones_own(given: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelSection.model_validate({"base": "b", "sampling": given})


def test_where_a_model_is_sampled_makes_no_other_stage() -> None:
    plain = toy_recipe()
    served = toy_recipe(model={**plain["model"], "sampling": "hosted_vllm/{model}"})
    settings = [TrlRecipe.model_validate(one).settings_for("rft") for one in (plain, served)]
    assert settings[0] == settings[1]
    assert "sampling" not in str(settings[0]["model"])
