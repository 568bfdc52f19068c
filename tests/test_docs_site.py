"""The docs site builds without a warning, and its pages work in a browser without a network."""

from __future__ import annotations

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args

import pytest
import yaml
from tests.test_terms import PACKAGES

from deemster.cli.statuses import STATUSES
from deemster.errors import FailureStatus

pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install 'deemster[docs]'")
selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from mkdocstrings import Inventory  # noqa: E402
from selenium.webdriver import Chrome, ChromeOptions  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

ROOT = Path(__file__).parents[1]
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def build(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "mkdocs", "build", "-f", config, "-d", out)
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=environment
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", out)
    assert done.returncode == 0, done.stderr
    return out


def test_links_that_lead_nowhere_break_the_build(tmp_path: Path) -> None:
    wrong = {
        "no-page": "nowhere.md",
        "no-section": "index.md#nowhere",
        "no-file-of-the-repository": "../nowhere.py",
        "absolute": "/index.md",
    }
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Title\n", "utf-8")
    for page, link in wrong.items():
        (tmp_path / "docs" / f"{page}.md").write_text(f"# Title\n\n[a]({link})\n", "utf-8")
    whole = (ROOT / "mkdocs.yml").read_text("utf-8")
    checks = whole[whole.index("validation:") : whole.index("# Files of the repository")]
    hooks = f"hooks: [{ROOT / 'docs' / 'site_hooks.py'}]"
    config = tmp_path / "mkdocs.yml"
    config.write_text(
        f"site_name: s\nstrict: true\n{hooks}\n{checks}\nnot_in_nav: /repository/\n", "utf-8"
    )
    done = build(config, tmp_path / "site")
    assert done.returncode != 0
    warned = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    for page, link in wrong.items():
        (line,) = [one for one in warned if f"'{page}.md'" in one]
        assert f"'{link}'" in line


def test_every_exported_name_is_in_the_reference(site: Path) -> None:
    with (site / "objects.inv").open("rb") as file:
        known = set(Inventory.parse_sphinx(file))
    missing = []
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            thing = getattr(importlib.import_module(package), name)
            home = f"{getattr(thing, '__module__', package)}.{name}"
            if not {f"{package}.{name}", home} & known and not name.startswith("__"):
                missing.append(f"{package}.{name}")
    assert missing == []


def test_the_reference_has_every_command_and_status(site: Path) -> None:
    commands = (site / "reference" / "command-line.html").read_text("utf-8")
    for command in ("score", "run", "cascade fit", "principles mine", "train meta-rm"):
        assert f'id="deemster-{command.replace(" ", "-")}"' in commands
    assert "--allow-unscored" in commands
    errors = (site / "reference" / "errors.html").read_text("utf-8")
    assert len(set(STATUSES)) == 4
    for status in STATUSES:
        assert f"<td>{int(status)}</td>" in errors
    for failure in get_args(FailureStatus):
        assert f"<td><code>{failure}</code></td>" in errors
    assert "TrainingCollapsedError" in errors
    assert "made by the site" not in commands + errors


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join(timeout=10)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromium-driver are not installed")
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def asked(chrome: Chrome) -> list[str]:
    """The addresses that the browser asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]


@pytest.mark.parametrize(
    ("width", "dark", "every"),
    [
        pytest.param(1280, False, 8, id="desktop, light, some pages"),
        pytest.param(1280, False, 1, id="desktop, light", marks=pytest.mark.slow),
        pytest.param(390, True, 1, id="phone, dark", marks=pytest.mark.slow),
    ],
)
def test_pages_open_without_errors_or_other_hosts(
    width: int, dark: bool, every: int, *, url: str, site: Path, chrome: Chrome
) -> None:
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    pages = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    assert len(pages) > 30
    chrome.get_log("browser")
    asked(chrome)
    for page in pages[::every]:
        chrome.get(url + page)
        assert chrome.get_log("browser") == [], page
        # The page that the browser begins with asks for its own parts, now and then late.
        own = (url, "data:", "blob:", "chrome:")
        others = [one for one in asked(chrome) if not one.startswith(own)]
        assert others == [], page
        # Only tables and code scroll sideways, never the page.
        wide = chrome.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, page
        light = chrome.execute_script(
            "const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g);"
            "return +r + +g + +b > 384"
        )
        assert light is not dark, page


def test_the_search_finds_a_page(url: str, chrome: Chrome) -> None:
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chrome.set_window_size(1280, 900)
    chrome.get(url)
    chrome.find_element(By.CSS_SELECTOR, "input.md-search__input").send_keys("allow-unscored")
    found = WebDriverWait(chrome, 30).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
    )
    assert any("reference/command-line" in str(one.get_attribute("href")) for one in found)


def test_the_navigation_names_files_that_are_there() -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    nav = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)["nav"]

    def files(part: object) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            yield from files(list(part.values()))
        elif isinstance(part, list):
            for one in part:
                yield from files(one)

    named = list(files(nav))
    assert len(set(named)) == len(named)
    here = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert here == {name for name in named if not name.startswith("repository/")}
