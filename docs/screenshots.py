"""Screenshots of reports for the docs: `python docs/screenshots.py [REPORT.html ...]`.

Without arguments it runs the quickstart suite and takes its pictures, an opened item among them. Of
reports that are given only the figures are taken: benchmark texts are not ours to publish. Needs
chromium and chromedriver.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip


@contextmanager
def chrome(*, dark: bool = False) -> Iterator[Chrome]:
    with tempfile.TemporaryDirectory() as profile:
        options = ChromeOptions()
        options.binary_location = which("chromium") or "chromium"
        for switch in (*SWITCHES, f"--user-data-dir={profile}"):
            options.add_argument(switch)
        driver = Chrome(options=options, service=Service(which("chromedriver")))
        if dark:
            features = [{"name": "prefers-color-scheme", "value": "dark"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        try:
            yield driver
        finally:
            driver.quit()


def take(driver: Chrome, page: Path, name: str, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(page.as_uri())
    save(driver, name)


def save(driver: Chrome, name: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    driver.save_screenshot(str(IMAGES / f"{name}.png"))
    print(IMAGES / f"{name}.png")


def quickstart(folder: Path) -> Path:
    run, page = folder / "quickstart", folder / "report.html"
    base = [sys.executable, "-m", "deemster"]
    suite = str(ROOT / "suites" / "quickstart.yaml")
    subprocess.run([*base, "run", suite, "--out", str(run)], check=True)
    subprocess.run([*base, "report", str(run), "-o", str(page)], check=True)
    return page


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        given = [Path(one).resolve() for one in sys.argv[1:]]
        for page in given or [quickstart(Path(name))]:
            stem = page.stem
            with chrome() as driver:
                take(driver, page, f"{stem}-desktop", 1200, 1500)
                if given:
                    continue
                driver.find_element(By.ID, "items").location_once_scrolled_into_view  # noqa: B018
                driver.find_element(
                    By.CSS_SELECTOR, "#items tbody tr button, #items tbody tr"
                ).click()
                save(driver, f"{stem}-item")
            with chrome(dark=True) as driver:
                take(driver, page, f"{stem}-phone-dark", 400, 1000)


if __name__ == "__main__":
    main()
