"""What an install may bring: floors above known-bad releases, and the locks of core and server."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import cast

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
BAD = [
    # package, releases, why
    ("litellm", "==1.82.7", "malicious release of March 2026"),
    ("litellm", "==1.82.8", "malicious release of March 2026"),
    ("litellm", ">=1.81.16,<1.83.7", "CVE-2026-42208"),
    ("litellm", ">=1.80.5,<1.83.7", "CVE-2026-42203"),
    ("litellm", ">=1.74.2,<1.83.7", "CVE-2026-42271"),
    ("litellm", "<1.83.14", "CVE-2026-47101"),
    ("litellm", "<1.83.10", "CVE-2026-47102"),
    ("litellm", ">=1.81.8,<1.83.10", "CVE-2026-40217"),
    ("litellm", "<1.84.0", "CVE-2026-49468"),
    ("litellm", "<1.84.0", "CVE-2026-59822"),
    ("litellm", "<1.96.2", "CVE-2026-84377"),  # closed in older branches, too, from 1.88.6 on
    ("transformers", ">=4.56,<5.3", "CVE-2026-4372"),
    ("transformers", "<5.5", "CVE-2026-5241"),
    ("transformers", "<5.3", "CVE-2026-1839"),
    ("transformers", "<5.10", "CVE-2026-9856"),
    # No release closes these. Nothing here calls torch's of .pt2 files (CVE-2026-4538),
    # accelerate's of its checkpoint loaders (CVE-2026-69112), peft's of LoRA-GA (CVE-2026-71281).
    # tests/backends/test_model_sources.py has transformers' of the index (CVE-2026-75104).
    ("torch", "<2.6", "CVE-2025-32434"),
    ("torch", "<2.10", "CVE-2026-24747"),
    ("torch", "<2.13", "CVE-2025-3000"),
    ("datasets", "<5.0.1", "CVE-2026-65010"),
    ("datasets", "<5.0.1", "CVE-2026-66007"),
    ("pyarrow", ">=15,<23.0.1", "CVE-2026-25087"),
    ("ray", "<2.52", "CVE-2025-62593"),
    ("ray", "<2.54", "CVE-2026-27482"),
    ("ray", ">=2.49,<2.55", "CVE-2026-41486"),
    ("ray", "<2.56", "CVE-2026-57516"),
    ("mcp", "<1.27.2", "CVE-2026-52869"),
    ("mcp", "<1.28.1", "GHSA-vj7q-gjh5-988w"),
    ("scikit-learn", "<1.5", "CVE-2024-5206"),
    ("pytest", "<9.0.3", "CVE-2025-71176"),
    ("jinja2", "<3.1.6", "CVE-2025-27516"),
    ("aiohttp", "<3.13.3", "CVE-2025-69223"),
    ("aiohttp", "<3.13.4", "CVE-2026-34515"),
    ("aiohttp", "<3.14.1", "CVE-2026-54278"),
    ("aiohttp", "<3.14.2", "GHSA-mfx4-hv73-q22v"),
    ("aiohttp", "<3.14.2", "GHSA-mq44-7p77-q5h7"),
    ("aiohttp", "<3.14.3", "GHSA-cq5v-8q36-5273"),
    ("filelock", "<3.20.1", "CVE-2025-68146"),
    ("filelock", "<3.20.3", "CVE-2026-22701"),
    ("starlette", "<1.0.1", "CVE-2026-48710"),
    ("starlette", "<1.1.0", "CVE-2026-48818"),
    ("starlette", "<1.3.1", "CVE-2026-54283"),
    ("typer", "<0.19", "knows no choices by Literal"),
]


EDGE = os.environ.get("DEEMSTER_FLOORS", "")
"""Which environment of `make floors` this is, `core` or `oldest`; empty in any other."""
ABOVE = {
    "core": {},
    # For mcp, for local, and for what vLLM needs of local: see docs/installing.md, Tested versions.
    "oldest": {"pydantic": "2.12", "regex": "2025.10.22", "transformers": "5.21"},
}
"""What has another version there than its floor."""


@cache
def project() -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
        "project"
    ]
    return found


def every() -> Iterator[Requirement]:
    """All requirements, those of the extras too."""
    whole = project()
    core, extras = whole["dependencies"], whole["optional-dependencies"]
    assert isinstance(core, list)
    assert isinstance(extras, dict)
    for line in [*core, *(line for lines in extras.values() for line in lines)]:
        yield Requirement(line)


@cache
def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


LOCKS: dict[str, tuple[str, ...]] = {"core": (), "serve": ("serve",)}
"""Files of hashes, and which extras are in them."""


@cache
def lock(which: str) -> dict[str, tuple[str, str, int]]:
    """Version, marker and number of hashes of each package of a lock."""
    text = (ROOT / f"requirements-{which}.lock").read_text("utf-8").replace("\\\n", " ")
    found: dict[str, tuple[str, str, int]] = {}
    for line in text.splitlines():
        pin, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        name, _, rest = pin.partition("==")
        version, _, marker = rest.partition(";")
        assert all(re.fullmatch(r"[0-9a-f]{64}", one.strip()) for one in hashes), name
        found[canonicalize_name(name)] = (version.strip(), marker.strip(), len(hashes))
    return found


def candidates(bad: str) -> set[Version]:
    """Releases at the edges of a range, and the numbers around them."""
    edges = {Version(one.version) for one in SpecifierSet(bad)}
    found = set(edges)
    for edge in edges:
        major, minor, micro = (*edge.release, 0, 0)[:3]
        found |= {
            Version(f"{major}.{max(0, minor - 1)}.99"),
            Version(f"{major}.{minor}.{max(0, micro - 1)}"),
            Version(f"{major}.{minor}.{micro + 1}"),
        }
    return {version for version in found if version in SpecifierSet(bad)}


@pytest.mark.parametrize(("package", "releases", "why"), BAD, ids=[f"{b[0]}-{b[2]}" for b in BAD])
def test_no_known_bad_release_is_allowed(package: str, releases: str, why: str) -> None:
    asked = [one for one in every() if canonicalize_name(one.name) == package]
    assert asked, f"{package} is not asked for"
    bad = candidates(releases)
    assert bad
    for requirement in asked:
        assert not [str(version) for version in bad if version in requirement.specifier], why
    if package in constraints():  # not those that are too large for the tests, such as ray
        assert Version(constraints()[package]) not in SpecifierSet(releases), why
    for which in LOCKS:
        if package in lock(which):
            assert Version(lock(which)[package][0]) not in SpecifierSet(releases), why


def test_every_dependency_has_a_floor() -> None:
    for one in every():
        least = [spec for spec in one.specifier if spec.operator in {">=", "=="}]
        assert least or one.name == "deemster", f"{one} may be any old release"


@pytest.mark.skipif(not EDGE, reason="a check of `make floors`")
def test_the_floors_are_what_is_installed() -> None:
    core = project()["dependencies"]
    assert isinstance(core, list)
    asked = map(Requirement, core) if EDGE == "core" else every()
    seen = {}
    for one in asked:
        least = [spec.version for spec in one.specifier if spec.operator == ">="]
        try:
            found = Version(metadata.version(one.name)).public
        except PackageNotFoundError:
            continue  # vLLM, Ray and the quantisers: not in `all`
        if least:
            seen[one.name] = Version(ABOVE[EDGE].get(one.name, least[0])) == Version(found)
    assert all(seen.values()), seen
    assert len(seen) >= len(core)


def test_no_pattern_that_older_pythons_read_wrongly() -> None:
    """Before 3.11.5, `(...)*+` around a look-behind matches too little; `(?>(...)*)` is right."""
    possessive = re.compile(r"\)(?:[?*+]|\{\{?[0-9,]+\}\}?)\+(?=[^ \n])")
    for path in (ROOT / "src").rglob("*.py"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            assert not possessive.search(line), f"{path}:{number}: {line.strip()}"


def test_no_extra_that_brings_a_bad_release() -> None:
    """`litellm[proxy]` is where LiteLLM's holes are; `instructor[litellm]` caps it at bad ones."""
    extras = {(canonicalize_name(one.name), extra) for one in every() for extra in one.extras}
    assert not {("litellm", "proxy"), ("instructor", "litellm")} & extras


@pytest.mark.parametrize("which", LOCKS)
def test_a_lock_pins_what_the_constraints_pin(which: str) -> None:
    assert len(lock(which)) > 50
    for name, (version, _, hashes) in lock(which).items():
        assert hashes, name
        if name in constraints():
            assert version == constraints()[name], name
    unknown = {name for name in lock(which) if name not in constraints()}
    # Those that no platform of the constraints needs.
    assert all(lock(which)[name][1] for name in unknown), unknown


@pytest.mark.parametrize("which", LOCKS)
def test_a_lock_holds_all_that_is_needed(which: str) -> None:
    dependencies, extras = project()["dependencies"], project()["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(extras, dict)
    asked = [*dependencies, *(line for name in LOCKS[which] for line in extras[name])]
    left = [one for one in map(Requirement, asked) if one.name != "deemster"]
    seen: set[tuple[str, frozenset[str]]] = set()
    environment = cast("dict[str, str]", default_environment())
    while left:
        one = left.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        assert key[0] in lock(which), one
        assert Version(lock(which)[key[0]][0]) in one.specifier, one
        try:
            inner = requires(one.name) or []
        except PackageNotFoundError:
            continue
        for line in inner:
            requirement = Requirement(line)
            extras = one.extras or {""}
            if requirement.marker is None or any(
                requirement.marker.evaluate({**environment, "extra": extra}) for extra in extras
            ):
                left.append(requirement)
    assert len(seen) > 40


def test_neither_file_names_where_packages_come_from() -> None:
    for name in (*(f"requirements-{which}.lock" for which in LOCKS), "constraints.txt"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        assert "--index-url" not in text
        assert "--find-links" not in text
        assert " @ " not in text
