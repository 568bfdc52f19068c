"""The clients of the benchmark: how one is run, made an environment for, and refused."""

from __future__ import annotations

import ast
import sys
import textwrap
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.peers.environments import NotInstalledError, environment
from benchmarks.peers.harness import FailedRunError, main, run_client
from benchmarks.peers.page import peers_section
from benchmarks.peers.registry import CLIENTS, PEERS, Peer

ASKS = """
    import json, urllib.request

    def judge(pairs):
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": pairs[0].query}]})
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{url}/chat/completions", body.encode(), headers)
        reply = json.load(urllib.request.urlopen(asked))
        return len(pairs) if "8, 5" in reply["choices"][0]["message"]["content"] else 0
"""


def client(folder: Path, start: str, name: str = "fake") -> Peer:
    """A client whose `start` is this."""
    body = textwrap.indent(textwrap.dedent(start).strip(), "    ")
    script = (
        f"import sys\nsys.path.insert(0, {str(CLIENTS)!r})\nfrom _measuring import main\n"
        f"def start(url, concurrency):\n{body}\n    return judge\nmain(start)\n"
    )
    (folder / f"{name}.py").write_text(script, "utf-8")
    return Peer(name, name, (), "\\boxed{8, 5}", "asks once", folder=folder)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        pytest.param("import nothing_of_this_name", "exit status 1: ModuleNotFound", id="import"),
        pytest.param("judge = lambda pairs: len(pairs) // 2", "2 of 5 verdicts", id="lost"),
        pytest.param("sys.exit('no key')", "exit status 1: no key", id="exit"),
        pytest.param("import os; os._exit(0)", "exit status 0: said nothing", id="silent"),
        pytest.param("import time; time.sleep(60)", "did not end within 2 s", id="hangs"),
    ],
)
def test_a_client_that_fails_says_why(tmp_path: Path, start: str, said: str) -> None:
    peer = client(tmp_path, f"{start}\njudge = globals().get('judge') or locals().get('judge')")
    with pytest.raises(FailedRunError, match=said):
        run_client(
            peer, Path(sys.executable), "http://127.0.0.1:9/v1",
            concurrency=2, requests=5, seconds=2 if "sleep" in start else 60,
        )  # fmt: skip


def wheel(folder: Path, needs: str) -> str:
    path = folder / "heavy_peer-1.0-py3-none-any.whl"
    info = "heavy_peer-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: heavy-peer\nVersion: 1.0\nRequires-Dist: {needs}\n",
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return str(path)


def test_a_package_of_gigabytes_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(NotInstalledError, match="needs torch, which is refused for its size"):
        environment("heavy", [wheel(tmp_path, "torch>=2")], cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())  # tried anew next time


def test_the_table_has_figures_of_what_ran_and_reasons_of_what_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    works = client(tmp_path, ASKS, "works")
    wrong = replace(client(tmp_path, ASKS, "wrong"), reply="neither")
    absent = replace(works, name="absent", requirements=("no-such-package==1.0",))
    found = main(
        latency=0.0,
        concurrency=2,
        requests=5,
        rounds=2,
        peers=[works, wrong, absent],
        cache=tmp_path / "cache",
        tell=lambda _: None,
    )
    assert [len(one["rounds"]) for one in found["clients"].values()] == [2, 0, 0]
    page = peers_section(found)
    assert "- wrong: trial: 0 of 1 verdicts arrived" in page
    assert "- absent: not installed: ERROR: No matching distribution found" in page
    rows = [line for line in page.splitlines() if line.startswith("| works |")]
    assert len(rows) == 3
    assert "–" not in rows[0].replace("| – |", "", 1)  # there is no bare client to compare with
    assert "| absent | – | – | – | – | – |" in page


def test_every_peer_is_pinned_and_its_client_needs_nothing_else_at_first() -> None:
    for peer in PEERS:
        assert all("==" in one for one in peer.requirements), peer.name
        tree = ast.parse(peer.script.read_text("utf-8"))
        roots = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        # The library is imported by `start`, where the clock runs.
        assert roots <= {"_measuring", *sys.stdlib_module_names}, peer.name
