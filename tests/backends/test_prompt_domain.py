from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tests.support.tiny_nano import prompts

from deemster.backends.domain import Domain, Likelihood
from deemster.errors import InputError


def encode(text: str) -> list[int]:
    return list(text.encode())


@pytest.fixture
def domain() -> Domain:
    return Domain.fit(encode, prompts(), prompts(), share=0.05)


def test_likelihood_is_that_of_smoothed_bigrams() -> None:
    """Counted by hand: `ab` once; a token never seen counts half in the unigram distribution."""
    domain = Domain({-1: {97: 1}, 97: {98: 1}}, Likelihood(-9, -9))
    unigram = (1 + 0.5) / (2 + 0.5 * 2)
    after_start = math.log((1 + 4 * unigram) / (1 + 4))
    after_b = math.log((0 + 4 * unigram) / (0 + 4))
    found = domain.likelihood(encode, "ab")
    assert found.prompt == found.query == pytest.approx(after_start)  # both steps are the same
    assert domain.likelihood(encode, "aba").prompt == pytest.approx((2 * after_start + after_b) / 3)
    assert domain.likelihood(encode, "").prompt == 0
    assert math.isfinite(domain.likelihood(encode, "zzz").prompt)


def test_the_query_counts_by_itself(domain: Domain) -> None:
    """Ordinary responses do not make up for a strange query."""
    ordinary = prompts()[6].partition("\n")[2]
    strange = "Query: Zebras jump.\n" + f"{ordinary}\n" * 100
    found = domain.likelihood(encode, strange)
    assert found.prompt > domain.least.prompt
    assert not domain.covers(found)


def test_thresholds_refuse_the_share_asked_for() -> None:
    held_out = prompts() + ["Query: Zebras jump.\nResponse 1: Quickly!"] * 4
    domain = Domain.fit(encode, prompts(), held_out, share=0.05)
    covered = [domain.covers(domain.likelihood(encode, one)) for one in held_out]
    assert covered.count(False) >= 4
    assert domain.measured["held-out prompts refused"] == covered.count(False) / len(held_out)
    assert covered[:80].count(False) <= 8  # 5 % by each of the two figures


def test_survives_its_file(domain: Domain, tmp_path: Path) -> None:
    path = tmp_path / "domain.json"
    domain.save(path)
    loaded = Domain.load(path)
    assert loaded == domain
    assert loaded.likelihood(encode, "Query: x") == domain.likelihood(encode, "Query: x")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"threshold": -1.0}, id="one-number"),
        pytest.param({"threshold": {"query": "low", "prompt": 0}}, id="no-number"),
        pytest.param({"threshold": {"query": 0, "prompt": math.nan}}, id="nan"),
        pytest.param({"bigrams": {"a": {}}}, id="token"),
        pytest.param({"bigrams": None}, id="no-bigrams"),
        pytest.param({"bigrams": {}}, id="empty"),
        pytest.param({"bigrams": {"-1": {}}}, id="never-followed"),
        pytest.param({"bigrams": {"-1": {"1": -30}}}, id="negative-count"),
        pytest.param({"bigrams": {"-1": {"1": math.inf}}}, id="infinite-count"),
        pytest.param({"bigrams": {"-1": {"1": 10**400}}}, id="huge-count"),
        pytest.param({"bigrams": {"-1": {"1": 1.7}}}, id="fraction"),
        pytest.param({"threshold": {"query": -(10**400), "prompt": 0}}, id="huge-threshold"),
        pytest.param({"longest": math.inf}, id="infinite-length"),
        pytest.param({"longest": -1}, id="negative-length"),
        pytest.param({"measured": [["a", {}]]}, id="figure"),
    ],
)
def test_damaged_files(domain: Domain, tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "domain.json"
    domain.save(path)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(InputError, match=r"domain\.json' does not describe a domain"):
        Domain.load(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read domain"):
        Domain.load(tmp_path / "none.json")


@pytest.mark.parametrize(("given", "held_out"), [([], ["a"]), (["a"], [])])
def test_nothing_to_fit(given: list[str], held_out: list[str]) -> None:
    with pytest.raises(InputError, match="a domain needs prompts"):
        Domain.fit(encode, given, held_out)
