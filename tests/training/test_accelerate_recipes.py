"""The accelerate configurations are what `accelerate launch` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser

RECIPES = Path(__file__).parents[2] / "recipes" / "accelerate"


@pytest.mark.parametrize(
    ("name", "kind", "processes"),
    [("single_gpu", "NO", 1), ("multi_gpu", "MULTI_GPU", 8), ("fsdp2", "FSDP", 8)],
)
def test_accelerate_reads_it(name: str, kind: str, processes: int) -> None:
    config: Any = load_config_from_file(str(RECIPES / f"{name}.yaml"))
    assert config.distributed_type == kind
    assert config.num_processes == processes
    assert config.mixed_precision == "bf16"


def test_every_fsdp_option_is_known_to_the_launcher() -> None:
    text = (RECIPES / "fsdp2.yaml").read_text(encoding="utf-8")
    options = yaml.safe_load(text)["fsdp_config"]
    known = {action.dest for action in launch_command_parser()._actions}
    assert options.keys() <= known
    assert options["fsdp_version"] == 2
