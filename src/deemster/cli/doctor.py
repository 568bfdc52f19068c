"""`deemster doctor`: what is installed and what is missing, without loading or calling a model."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from deemster.cli.terminal import say, tell
from deemster.errors import InputError
from deemster.extras import EXTRAS, missing

_PACKAGES = (
    "deemster", "pydantic", "litellm", "instructor", "asyncio-throttle", "openai", "torch",
    "transformers", "tokenizers", "llguidance", "numpy", "scipy", "scikit-learn", "datasets",
    "trl", "peft", "ray", "vllm",
)  # fmt: skip
_KEYS = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY", "DEEPSEEK_API_KEY",
    "GROQ_API_KEY", "TOGETHERAI_API_KEY", "OPENROUTER_API_KEY", "AZURE_API_KEY", "HF_TOKEN",
)  # fmt: skip
_MALICIOUS_LITELLM = {"1.82.7", "1.82.8"}


def doctor(
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Show how this model would judge, and where each setting is from."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Show versions, devices, which API keys are set (never their values) and disk space."""
    from deemster.cli.options import default_model

    judge = None if model is None else _settings(model)
    packages = {name: _version(name) for name in _PACKAGES}
    facts: dict[str, object] = {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "default model": default_model(None),
        "embedded model": _embedded(),
        "small judge": _small(),
        **({"devices": "torch is not installed"} if "torch" in missing("local") else _local()),
        "keys set": ", ".join(key for key in _KEYS if os.environ.get(key)) or "none",
        "cache": str(Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()),
        "disk free": f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB",
    }
    warnings = []
    if packages["litellm"] in _MALICIOUS_LITELLM:
        warnings.append(
            f"litellm {packages['litellm']} was a malicious release: remove it and rotate every "
            "secret this machine has seen"
        )
    extras = {name: missing(name) for name in EXTRAS}
    if as_json:
        found = {**facts, "extras": extras, "packages": packages, "warnings": warnings}
        if judge is not None:
            found["judge"] = {name: {"value": one, "from": by} for name, (one, by) in judge.items()}
        typer.echo(json.dumps(found))
    else:
        from deemster.cli.render import show_facts

        show_facts(facts)
        typer.echo()
        show_facts({f"extra {name}": _described(absent) for name, absent in extras.items()})
        typer.echo()
        show_facts({name: found or "not installed" for name, found in packages.items()})
        if judge is not None:
            say(f"\njudge {model}")
            show_facts({name: f"{one}  (from {by})" for name, (one, by) in judge.items()})
        for warning in warnings:
            tell(f"WARNING: {warning}")
    return 0


def _settings(model: str) -> dict[str, tuple[object, str]]:
    """How a model judges if nothing but its name is given, and who says so."""
    from deemster.backends.judge_file import CONFIG_NAME
    from deemster.judges import Judge
    from deemster.zoo import find_model

    info = Judge(model).info
    found: dict[str, object] = info.model_dump(
        mode="json", include={"dialect", "principles", "k", "aggregator", "meta_rm"}
    )
    if info.sampling is not None:
        found |= info.sampling.model_dump(include={"temperature", "top_p", "max_tokens"})

    def source(name: str) -> str:
        if name in info.from_file:
            return CONFIG_NAME
        return "the zoo" if name == "dialect" and find_model(model) else "defaults"

    shown = {
        name: (value if value != "" else "none", source(name)) for name, value in found.items()
    }
    others = [name for name in info.from_file if name not in shown]
    return shown | ({"others": (", ".join(others), CONFIG_NAME)} if others else {})


def _described(absent: list[str]) -> str:
    return f"missing: {', '.join(absent)}" if absent else "installed"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _embedded() -> str:
    """Whether it is installed, or what is missing of it."""
    from deemster.backends import nano

    found = []
    for name in ("judge", "meta"):
        try:
            files = nano.part(name).glob("*.safetensors")
            found.append(f"{name} {sum(file.stat().st_size for file in files) / 1e6:.1f} MB")
        except InputError:
            found.append(f"no {name}")
    return f"nano: {', '.join(found)}"


def _small() -> str:
    """Whether both parts of it are here, or what to do."""
    from deemster.backends.shipped import BASE, WEIGHTS, smol_base, smol_part

    try:
        weights = smol_part() / WEIGHTS
    except InputError:
        return "smol: no adapter in this package"
    base = smol_base()
    where = f"no base, deemster models fetch {BASE}" if base is None else f"base {base}"
    return f"smol: adapter {weights.stat().st_size / 1e6:.1f} MB, {where}"


def _local() -> dict[str, str]:
    """How local models run on this machine, and why so."""
    from deemster.backends import _local  # noqa: F401 - sets up how torch's threads wait

    waiting = os.environ.get("OMP_WAIT_POLICY", "").upper()
    devices = _devices()
    return {
        "devices": devices,
        "threads": _threads(),
        "waiting threads": "sleep (OMP_WAIT_POLICY=PASSIVE)"
        if waiting == "PASSIVE"
        else "spin, which beside other busy processes can cost several times the time of one "
        "thread: set OMP_WAIT_POLICY=PASSIVE",
        "dtype": _dtype(),
    }


def _threads() -> str:
    if given := os.environ.get("OMP_NUM_THREADS"):
        return f"{given} (OMP_NUM_THREADS), or what the option threads says"
    from deemster.backends._local.loading import usable_cpus

    return (
        f"{usable_cpus()} at the most, the CPUs that this process may use, or fewer where steps "
        "are then faster; 1 for models below 8 million parameters, whose steps are too short to "
        "share; OMP_NUM_THREADS or the option threads fixes it"
    )


def _dtype() -> str:
    """The default of `hf:` models, and what may be quicker."""
    from deemster.backends._local.loading import pick_device, pick_dtype

    device = pick_device(None)
    name = str(pick_dtype(None, device)).removeprefix("torch.")
    if device.type != "cpu":
        return f"{name}, the default on this device"
    why = f"{name}, the default on a CPU"
    if "amx_bf16" in _cpu_flags():
        return f"{why}; this one has AMX, so that dtype=bfloat16 is quicker"
    return why


def _cpu_flags() -> frozenset[str]:
    """What the processor can do, as Linux names it; nothing where that is not said."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())


def _devices() -> str:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return ", ".join(names)
    if torch.backends.mps.is_available():
        return "Apple GPU (mps)"
    return "CPU only"
