"""R17: reports, files and addresses, by the tests that attack them, the slow ones too."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.reliability.record import Run

ROOT = Path(__file__).parents[2]
_REPORT = "tests/reports/test_report_chromium.py::test_no_text_ever_becomes_code_or_loads_anything"
PAYLOADS, FEW = "payloads in every field", 30
PARTS = {
    "hostile files": "tests/data/test_hostile_files.py",
    "cases of addresses in data": "tests/test_no_fetching.py",
}


def hostile(run: Run) -> None:
    """Run them and count."""
    which = "300" if run.count(PAYLOADS, 300, least=FEW) == 300 else "few"
    parts = {PAYLOADS: f"{_REPORT}[{which}]", **PARTS}
    for what, node in parts.items():
        passed, failed, skipped = tested(node)
        if what == PAYLOADS:
            run.counts[what] = 0 if skipped else 300 if which == "300" else FEW
        else:
            run.counts[what], run.full[what] = passed + failed, passed + failed + skipped
        run.zero(f"failed: {what}", failed)
        if skipped:
            run.notes.append(f"{what}: {skipped} skipped; `pytest {node}` says why.")
    from tests.test_no_fetching import URLS  # listens to what the whole process does

    run.notes.append(
        "Payloads: each opened in Chromium, every node of the page looked at. Files: each refused "
        f"in one line, within 1 s and 100 MB. Addresses: {len(URLS)} of them, all or some by each "
        "way that data come in; each connection and look-up is recorded."
    )


def tested(*nodes: str) -> tuple[int, int, int]:
    """Tests that passed, failed and were skipped."""
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *nodes]
        subprocess.run(
            [*command, f"--junitxml={report}"], cwd=ROOT, check=False, stdout=subprocess.DEVNULL
        )
        cases = list(ET.parse(report).iter("testcase"))
    failed = sum(case.find("failure") is not None or case.find("error") is not None
                 for case in cases)  # fmt: skip
    skipped = sum(case.find("skipped") is not None for case in cases)
    return len(cases) - failed - skipped, failed, skipped
