"""What a release is made of: the build, the citation, the container of the server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.command_line import deemster
from tests.support.container_file import Step, reaches_the_build, read_steps

from deemster import __version__

ROOT = Path(__file__).parents[1]
CONTAINER = ROOT / "Containerfile"


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def test_the_version_stands_in_one_place() -> None:
    assert deemster("--version").stdout.strip() == __version__
    assert project()["dynamic"] == ["version"]
    version = re.compile(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])")
    for name in ("CITATION.cff", "Containerfile", "Makefile", "src/deemster/__init__.py"):
        assert not version.search((ROOT / name).read_text("utf-8")), name


def test_the_citation_says_what_the_project_says() -> None:
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert said["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= said.keys()
    assert said["license"] == project()["license"]
    assert said["keywords"] == project()["keywords"]
    assert project()["description"].rstrip(".") in said["title"]


def steps(name: str) -> list[Step]:
    return [one for one in read_steps(CONTAINER) if one.name == name]


def test_what_the_container_copies_is_there() -> None:
    names = [one.rest.partition(" AS ")[2] for one in steps("FROM")]
    copied = 0
    for one in steps("COPY"):
        *sources, _target = one.words
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in names
            continue
        for source in sources:
            assert (ROOT / source).exists(), source
            assert reaches_the_build(source, ROOT / ".dockerignore"), source
            copied += 1
    assert copied >= 5
    for private in (".git", "runs", ".env", "keys.yaml", "tests"):
        assert not reaches_the_build(private, ROOT / ".dockerignore"), private


def test_the_container_runs_the_server_as_nobody_special() -> None:
    last = max(one.stage for one in read_steps(CONTAINER))
    [entry], [user], [port], [health] = (
        steps(name) for name in ("ENTRYPOINT", "USER", "EXPOSE", "HEALTHCHECK")
    )
    assert entry.stage == last == user.stage
    assert int(user.rest) > 0
    program, command, *options = entry.words
    assert program in project()["scripts"]
    told = deemster(command, "--help", env={"COLUMNS": "200"}).stdout
    flags = set(re.findall(r"(?<=[ ,])--[a-z-]+", told))
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert set(given) <= flags
    assert given["--port"] == port.rest
    assert f"http://127.0.0.1:{port.rest}/healthz" in health.words[-1]
    comment = CONTAINER.read_text("utf-8").partition("FROM")[0]
    assert set(re.findall(r"(?<=\s)--[a-z-]+", comment)) <= flags


def test_what_the_container_installs_is_pinned_by_hash() -> None:
    locked = {}
    for name in ("core", "serve"):
        text = (ROOT / f"requirements-{name}.lock").read_text("utf-8").replace("\\\n", " ")
        locked[name] = {line.split()[0]: line for line in text.splitlines()}
        assert all("--hash=sha256:" in line for line in locked[name].values())
        assert "://" not in text
    assert locked["core"].items() <= locked["serve"].items()
    more = {one.partition("==")[0] for one in locked["serve"].keys() - locked["core"].keys()}
    assert {"fastapi", "uvicorn"} <= more
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert {one for one in locked["serve"] if one.startswith(("fastapi", "uvicorn"))} <= set(pins)
    installs = [
        part for one in steps("RUN") for part in one.rest.split("&&") if " install " in part
    ]
    assert all(
        any(how in part for how in ("--require-hashes", "--constraint", "--no-index"))
        for part in installs
    )


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command, capture_output=True, check=False, text=True, cwd=cwd, env={**os.environ, **env}
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository: which files belong to it is not known")
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    return [name for name in run(*command, cwd=ROOT).splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the build backend that the constraints name."""
    folder = tmp_path_factory.mktemp("builder")
    run(sys.executable, "-m", "venv", "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    wanted = ("--constraint", str(ROOT / "constraints.txt"), "hatchling")
    asked = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *wanted],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    if asked.returncode != 0:
        pytest.skip(f"pip cannot reach a package index: {asked.stderr.splitlines()[-1:]}")
    return python


def copied(names: list[str], folder: Path, *, mode: int, when: int) -> Path:
    """The files in another folder, with other dates and rights, in another order."""
    for name in reversed(names) if when % 2 else names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        target.chmod(mode)
        os.utime(target, (when, when))
    return folder


def built(python: Path, folder: Path, **env: str) -> dict[str, bytes]:
    run(python, "-m", "hatchling", "build", cwd=folder, SOURCE_DATE_EPOCH="1700000000", **env)
    return {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_builds_are_the_same_bytes(builder: Path, tmp_path: Path) -> None:
    names = tracked()
    first = built(builder, copied(names, tmp_path / "a", mode=0o644, when=1_600_000_000))
    other = copied(names, tmp_path / "b" / "deeper", mode=0o600, when=1_650_000_001)
    junk = (
        "src/deemster/__pycache__/app.cpython-311.pyc", ".hypothesis/x", "runs/r/run.sqlite",
        "build/site/index.html", ".venv/lib/x.py", "docs/scaling/votes/study.json", ".env",
    )  # fmt: skip
    for name in junk:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text("junk")
    second = built(builder, other, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    assert len(first) == 2
    assert {name: hashlib.sha256(one).hexdigest() for name, one in first.items()} == {
        name: hashlib.sha256(one).hexdigest() for name, one in second.items()
    }
    [source] = (name for name in first if name.endswith(".tar.gz"))
    [wheel] = (name for name in first if name.endswith(".whl"))
    assert f"-{__version__}-" in wheel
    with tarfile.open(tmp_path / "a" / "dist" / source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    tops = ("src/", "lab/", "benchmarks/", "recipes/", "suites/", "tests/", "docs/", "examples/")
    expected = {one for one in names if one.startswith(tops) and "docs/scaling/" not in one}
    assert {one for one in held if "/" in one} == expected
    assert {"pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "Makefile"} <= held
    assert held - expected - set(names) == {"PKG-INFO"}
    with zipfile.ZipFile(tmp_path / "a" / "dist" / wheel) as packed:
        inside = {one for one in packed.namelist() if ".dist-info/" not in one}
    package = {one.removeprefix("src/") for one in names if one.startswith("src/deemster/")}
    assert inside == package
    [unpacked] = (tmp_path / "unpacked").iterdir()
    assert built(builder, unpacked)[wheel] == first[wheel]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_steps_of_the_container_make_a_server(builder: Path, tmp_path: Path) -> None:
    """No container is run: its commands are, in folders of this test, and its health check."""
    assert builder.exists()
    moved = {"/build": "build", "/tools": "tools", "/wheels": "wheels", "/opt/deemster": "opt"}

    def here(text: str) -> str:
        for place, name in moved.items():
            text = re.sub(rf"(?<![\w/.-]){place}(?![\w-])", str(tmp_path / name), text)
        return re.sub(r"\bpython -m venv", f"{sys.executable} -m venv", text)

    work = tmp_path / "build"
    work.mkdir()
    for one in read_steps(CONTAINER):
        if one.stage:
            break
        if one.name == "COPY":
            *sources, _target = one.words
            for source in sources:
                if (ROOT / source).is_dir():
                    ignored = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(ROOT / source, work / source, ignore=ignored)
                else:
                    shutil.copyfile(ROOT / source, work / source)
        elif one.name == "RUN":
            run("sh", "-ec", here(one.rest), cwd=work, PYTHONPATH="")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    [entry], [health] = steps("ENTRYPOINT"), steps("HEALTHCHECK")
    words = [word if word != "8000" else port for word in entry.words]
    words[0] = str(tmp_path / "opt" / "bin" / words[0])
    words[words.index("0.0.0.0")] = "127.0.0.1"
    env = {**os.environ, "PYTHONPATH": ""}
    server = subprocess.Popen(
        [*words, "--model", r"fake:Scores: \boxed{8, 3}"], env=env, stderr=subprocess.PIPE
    )
    try:
        program, *code = (one.replace("8000", port) for one in health.words)
        checked = [str(tmp_path / "opt" / "bin" / program), *code]
        for _ in range(120):
            if subprocess.run(checked, capture_output=True, check=False).returncode == 0:
                break
            assert server.poll() is None
            time.sleep(0.5)
        body = json.dumps({"query": "q", "responses": ["a", "b"]}).encode()
        head = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/score", body, head)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert sorted(json.load(answer)["rewards"]) == [3.0, 8.0]
    finally:
        server.terminate()
        _, said = server.communicate(timeout=60)
    assert server.returncode == 0, said
