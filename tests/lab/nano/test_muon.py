"""The optimizer of matrices does what torch's does, in float32."""

from __future__ import annotations

import pytest
import torch

from lab.nano import precision
from lab.nano.muon import Muon, orthogonalised


def test_steps_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(16, 48), (48, 16), (16, 48)]
    ours = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    theirs = [torch.nn.Parameter(one.detach().clone()) for one in ours]
    before = [one.detach().clone() for one in ours]
    one = Muon(ours, lr=0.02, weight_decay=0.01)
    other: torch.optim.Optimizer = torch.optim.Muon(
        theirs, lr=0.02, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        one.step()
        other.step()
    for a, b, start in zip(ours, theirs, before, strict=True):
        moved = (b - start).norm()
        assert moved > 0
        assert (a - b).norm() < 0.03 * moved  # torch rounds to bfloat16


def test_a_parameter_without_gradient_stays() -> None:
    still, moved = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2, 2))
    moved.grad = torch.eye(2)
    Muon([still, moved], lr=0.1, weight_decay=0.0).step()
    assert torch.equal(still, torch.ones(2, 2))
    assert not torch.equal(moved, torch.ones(2, 2))


@pytest.mark.parametrize("shape", [(3, 8, 20), (1, 20, 8), (2, 8, 8)])
def test_singular_values_come_near_one(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 100
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert values.max() < 1.3
    assert values.median() > 0.6


def test_a_gradient_of_nothing_moves_nothing() -> None:
    assert torch.equal(orthogonalised(torch.zeros(1, 4, 4)), torch.zeros(1, 4, 4))


def test_the_state_is_continued_from_a_checkpoint() -> None:
    def parameter() -> torch.nn.Parameter:
        return torch.nn.Parameter(torch.eye(4))

    def step(one: torch.nn.Parameter, optimizer: Muon, seed: int) -> None:
        one.grad = torch.randn(4, 4, generator=torch.Generator().manual_seed(seed))
        optimizer.step()

    through, broken = parameter(), parameter()
    whole, first = (
        Muon([through], lr=0.1, weight_decay=0.0),
        Muon([broken], lr=0.1, weight_decay=0.0),
    )
    step(through, whole, 1)
    step(broken, first, 1)
    resumed = Muon([broken], lr=0.1, weight_decay=0.0)
    resumed.load_state_dict(first.state_dict())
    step(through, whole, 2)
    step(broken, resumed, 2)
    assert torch.equal(through, broken)


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"bf16": True}, torch.bfloat16),
        ({}, torch.float32),
    ],
)
def test_bfloat16_is_for_processors_that_have_it(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, bool], kind: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert precision.matrix_type() == kind
