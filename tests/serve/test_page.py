"""The page in a real headless Chromium: Debian's chromium and chromium-driver."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.live_server import LiveServer, serving, until

from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.schemas import Verdict
from deemster.serve import ApiKey

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver import Chrome, ChromeOptions  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed"
    ),
]
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1280,900",
)  # fmt: skip
EVIL = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
VOTE = f"""Specific Criteria:
1. Right {EVIL} (weight: 70%): the sum is right.
2. Brief (weight: 30%): no padding.

Analysis:
- Response 1: right and brief. {EVIL}
- Response 2: wrong.

Scores: \\boxed{{9, 2}}"""
KEY = "page-key-0123456789"


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    downloads = tmp_path_factory.mktemp("downloads")
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_page_load_timeout(60)
    driver.downloads = downloads
    yield driver
    driver.quit()


class Watched:
    """A judge whose votes come when the test says so; the fourth has no scores."""

    def __init__(self) -> None:
        self.allowed = 0
        self.cut = 0
        self._lock = threading.Lock()
        self._begun = 0

    def judge(self) -> Judge:
        return Judge(FakeBackend(self._script), k=4, orders="fixed", name="stub")

    async def _script(self, _request: Request, _draw: int) -> str:
        with self._lock:
            number = self._begun
            self._begun += 1
        try:
            while number >= self.allowed:  # noqa: ASYNC110 - another thread counts up
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cut += 1
            raise
        return VOTE if number != 3 else f"I would rather not. {EVIL}"


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def server(watched: Watched) -> Iterator[LiveServer]:
    with serving(watched.judge()) as live:
        yield live


def waits(chrome: Chrome, condition: Callable[[Chrome], Any]) -> Any:
    return WebDriverWait(chrome, 30, poll_frequency=0.05).until(condition)


def text(chrome: Chrome, name: str) -> str:
    return str(chrome.find_element(By.ID, name).text)


def says(wanted: str, chrome: Chrome) -> bool:
    return wanted in text(chrome, "status")


def opened(chrome: Chrome, server: LiveServer) -> None:
    chrome.get("about:blank")
    chrome.get_log("browser")
    chrome.get_log("performance")
    chrome.get(f"{server.url}/")


def fill(chrome: Chrome, query: str = "What is 2+2?") -> None:
    waits(chrome, lambda d: text(d, "served") != "")
    chrome.find_element(By.ID, "query").send_keys(query)
    for area, answer in zip(
        chrome.find_elements(By.CSS_SELECTOR, "#responses textarea"), ("4", EVIL), strict=True
    ):
        area.send_keys(answer)


def go(chrome: Chrome) -> None:
    chrome.find_element(By.ID, "go").click()


def clean(chrome: Chrome, server: LiveServer) -> None:
    """No line in the console (policy violations are), nothing asked of anybody else."""
    assert chrome.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    allowed = (server.url, "data:,", "about:", "chrome:", "blob:")
    assert all(url.startswith(allowed) for url in asked), asked


def test_votes_arrive_one_by_one_and_the_verdict_can_be_saved(
    chrome: Chrome, server: LiveServer, watched: Watched
) -> None:
    opened(chrome, server)
    fill(chrome, f"What is 2+2? {EVIL}")
    go(chrome)
    for votes in (1, 2):
        watched.allowed = votes
        waits(chrome, partial(says, f"{votes} of {votes} votes valid, 4 asked for"))
        assert len(chrome.find_elements(By.CSS_SELECTOR, "#votes li")) == votes
    assert not chrome.find_element(By.ID, "save").is_enabled()
    watched.allowed = 4
    waits(chrome, lambda d: d.find_element(By.ID, "save").is_enabled())
    assert text(chrome, "status") == "Response 1 leads: 3 of 4 votes valid, confidence 100 %"
    failed = chrome.find_elements(By.CSS_SELECTOR, "#votes .failed")
    assert len(failed) == 1
    assert "failed: parse_error" in failed[0].text
    first = chrome.find_element(By.CSS_SELECTOR, "#votes details:not(.failed)")
    first.find_element(By.TAG_NAME, "summary").click()
    assert f"Right {EVIL} (70 %): the sum is right." in first.text
    assert "right and brief." in first.text
    assert EVIL in chrome.find_elements(By.CSS_SELECTOR, "#rewards .text")[1].text
    assert chrome.find_elements(By.CSS_SELECTOR, "main img, #outcome script") == []
    assert chrome.title == "deemster"
    chrome.find_element(By.ID, "save").click()
    saved: Path = chrome.downloads / "verdict.json"
    until(saved.is_file)
    kept = json.loads(saved.read_text("utf-8"))
    verdict = Verdict.model_validate(kept["verdict"])
    assert verdict.best == 0
    assert kept["asked"]["responses"] == ["4", EVIL]
    clean(chrome, server)
    opened(chrome, server)
    chrome.find_element(By.ID, "open").send_keys(str(saved))
    waits(chrome, lambda d: "3 of 4 votes valid" in text(d, "status"))
    saved.unlink()
    clean(chrome, server)


def test_stop_cancels_the_votes(chrome: Chrome, server: LiveServer, watched: Watched) -> None:
    opened(chrome, server)
    fill(chrome)
    watched.allowed = 1
    go(chrome)
    waits(chrome, lambda d: d.find_elements(By.CSS_SELECTOR, "#votes li"))
    chrome.find_element(By.ID, "stop").click()
    waits(chrome, lambda d: text(d, "status").startswith("Stopped"))
    until(lambda: watched.cut == 3)


def test_what_the_server_refuses_is_shown(chrome: Chrome, server: LiveServer) -> None:
    opened(chrome, server)
    fill(chrome)
    k = chrome.find_element(By.ID, "k")
    k.clear()
    k.send_keys("7")
    go(chrome)
    waits(chrome, lambda d: "draws 4 votes; leave k out" in text(d, "status"))


def test_a_key_is_asked_for(chrome: Chrome) -> None:
    with serving(Judge(FakeBackend(VOTE)), keys=(ApiKey(name="me", key=KEY),)) as live:
        opened(chrome, live)
        waits(chrome, lambda d: text(d, "served") == "this server asks for a key")
        chrome.find_element(By.ID, "key").send_keys(KEY + "\t")
        waits(chrome, lambda d: text(d, "served") == "fake")
        fill(chrome)
        go(chrome)
        waits(chrome, lambda d: "Response 1 leads" in text(d, "status"))


@pytest.mark.parametrize("width", [360, 1280], ids=["phone", "desktop"])
def test_it_fits_the_screen(
    chrome: Chrome, server: LiveServer, watched: Watched, width: int, tmp_path: Path
) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    watched.allowed = 4
    opened(chrome, server)
    fill(chrome, "What is 2+2? " + "unbreakable" * 30)
    go(chrome)
    waits(chrome, lambda d: d.find_element(By.ID, "save").is_enabled())
    for summary in chrome.find_elements(By.CSS_SELECTOR, "#votes summary"):
        summary.click()
    wide = chrome.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    assert chrome.save_screenshot(str(tmp_path / f"{width}.png"))
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
