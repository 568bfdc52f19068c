"""The HTML report in a real headless Chromium: Debian's chromium and chromium-driver."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from tests.reports.planted import DEFECTS, INFO, World
from tests.reports.synthetic import judged, samples, write_run

from deemster.aggregators import Sum
from deemster.judges.decide import decide
from deemster.reports import Report, load_report, write_report
from deemster.schemas import Critique, Failure, JudgeInfo, Judgment, Principle, Sample, Vote
from deemster.testing import script_payloads

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver import Chrome, ChromeOptions  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed"
)
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1280,900",
)  # fmt: skip


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test may leave a line in the console (policy violations are) or load anything else."""
    driver: Chrome = request.getfixturevalue("chrome")
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get_log("performance")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    yield
    assert driver.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    own = ("file:///", "data:text/css", "about:", "chrome:")  # the last of the browser's first page
    assert all(url.startswith(own) for url in asked), asked
    assert sum(url.startswith("file:///") for url in asked) <= 3


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    rows = samples(230, characters=240)
    made = [
        judged(rows, name=name, k=3, seed=seed, characters=80, skill=0.6)
        for seed, name in enumerate(("judge-a", "judge-b"))
    ]
    write_report([write_run(directory / "run", made)], directory / "r.html", title="Two judges")
    return directory / "r.html"


def opened(chrome: Chrome, page: Path, fragment: str = "") -> None:
    chrome.get("about:blank")
    chrome.get(f"{page.as_uri()}{fragment}")
    WebDriverWait(chrome, 20).until(
        lambda d: d.execute_script("return document.documentElement.dataset.ready === '1'")
    )


def status(chrome: Chrome) -> str:
    return str(chrome.find_element(By.ID, "status").text)


def waits(chrome: Chrome, condition: Callable[[Chrome], Any]) -> Any:
    return WebDriverWait(chrome, 20, poll_frequency=0.05).until(condition)


def put(chrome: Chrome, name: str, value: str | bool) -> None:
    """Set a filter as a user would."""
    chrome.execute_script(
        "const f = document.getElementById(arguments[0]);"
        "if (typeof arguments[1] === 'boolean') f.checked = arguments[1];"
        "else f.value = arguments[1];"
        "f.dispatchEvent(new Event('input', {bubbles: true}));",
        f"f-{name}",
        value,
    )


def expect(chrome: Chrome, count: int) -> None:
    waits(chrome, lambda d: status(d).split(" ")[0] == str(count))


def test_filters_count_what_the_report_counts(chrome: Chrome, report: Path) -> None:
    opened(chrome, report)
    items = load_report(report.with_suffix(".json")).items
    assert status(chrome) == "460 items"
    for outcome in ("right", "wrong", "tied"):
        put(chrome, "outcome", outcome)
        expect(chrome, sum(item.outcome == outcome for item in items))
        tags = chrome.find_elements(By.CSS_SELECTOR, "#list tbody .tag")
        assert {tag.text for tag in tags} == {outcome}
    put(chrome, "outcome", "")
    put(chrome, "failed", True)
    expect(chrome, sum(item.n_failed > 0 for item in items))
    put(chrome, "failed", False)
    put(chrome, "below", "0.8")
    put(chrome, "low", True)
    low = [i for i in items if i.confidence is not None and round(i.confidence, 3) < 0.8]
    expect(chrome, len(low))
    put(chrome, "subset", "2")
    expect(chrome, sum(item.subset == "maths" for item in low))
    put(chrome, "judge", "1")
    expect(chrome, sum(item.subset == "maths" and item.judge == 1 for item in low))
    chrome.find_element(By.CSS_SELECTOR, "#filters button[type=reset]").click()
    waits(chrome, lambda d: status(d) == "460 items")


def test_pages_and_sorting(chrome: Chrome, report: Path) -> None:
    opened(chrome, report)
    first = chrome.find_element(By.CSS_SELECTOR, "#list tbody button").text
    chrome.find_element(By.ID, "next").click()
    assert chrome.find_element(By.ID, "page").text == "page 2 of 10"
    assert chrome.find_element(By.CSS_SELECTOR, "#list tbody button").text != first
    put(chrome, "sort", "confidence")
    waits(chrome, lambda d: d.find_element(By.ID, "page").text == "page 1 of 10")
    cells = chrome.find_elements(By.CSS_SELECTOR, "#list tbody td:nth-child(3)")
    shown = [float(cell.text) for cell in cells]
    assert shown == sorted(shown)


def test_search_in_ids_and_in_all_texts(chrome: Chrome, report: Path) -> None:
    opened(chrome, report)
    put(chrome, "search", "WRITING/4")
    known = load_report(report.with_suffix(".json")).items
    expect(chrome, sum("writing/4" in item.id for item in known))
    put(chrome, "search", "timeout happened")
    expect(chrome, 0)
    put(chrome, "scope", "all")
    waits(chrome, lambda d: not status(d).startswith(("0", "Searching")))
    found = int(status(chrome).split()[0])
    assert 0 < found <= sum(item.n_failed > 0 for item in known)


def test_an_item_opens_to_every_vote(chrome: Chrome, report: Path) -> None:
    opened(chrome, report)
    chrome.find_element(By.CSS_SELECTOR, "#list tbody button").send_keys(Keys.ENTER)
    body = waits(chrome, lambda d: d.find_element(By.ID, "item-body"))
    waits(chrome, lambda d: body.text)
    sample = samples(230, characters=240)[0]
    _, rows = judged(samples(230, characters=240), name="judge-a", k=3, characters=80, skill=0.6,
                     seed=0)  # fmt: skip
    assert sample.query[0].text in body.text
    assert all(response.text in body.text for response in sample.responses)
    votes = chrome.find_elements(By.CSS_SELECTOR, "#item-body .vote")
    assert len(votes) == 3
    for shown, vote in zip(votes, rows[0][1].votes, strict=True):
        if isinstance(vote, Failure):
            assert vote.message in shown.text
            continue
        for principle in vote.principles:
            assert principle.name in shown.text
        for critique in vote.critiques:
            assert critique.text in shown.text
    assert chrome.current_url.endswith("#item=0:coding%2F0")


def test_keys_move_between_items_and_focus_comes_back(chrome: Chrome, report: Path) -> None:
    opened(chrome, report, "#item=1:knowledge%2F1")
    title = chrome.find_element(By.ID, "item-title")
    waits(chrome, lambda d: title.text.startswith("knowledge/1"))
    chrome.switch_to.active_element.send_keys("j")
    waits(chrome, lambda d: title.text.startswith("maths/2"))
    chrome.switch_to.active_element.send_keys("k")
    waits(chrome, lambda d: title.text.startswith("knowledge/1"))
    chrome.switch_to.active_element.send_keys(Keys.ESCAPE)
    waits(chrome, lambda d: not d.execute_script("return document.getElementById('item').open"))
    chrome.find_element(By.TAG_NAME, "body").send_keys("/")
    assert chrome.switch_to.active_element.get_attribute("id") == "f-search"


def test_a_link_to_an_item_that_is_not_listed_says_so(chrome: Chrome, report: Path) -> None:
    opened(chrome, report, "#item=0:%3Cb%3Egone%2F7")
    assert status(chrome) == "Item <b>gone/7 is not listed in this report."
    assert not chrome.execute_script("return document.getElementById('item').open")


def test_a_quote_leads_to_its_item(chrome: Chrome, tmp_path: Path) -> None:
    rates = {"alpha": {"rude": 0.4}, "beta": dict.fromkeys(DEFECTS, 0.02)}
    run = write_run(tmp_path / "run", [(INFO, World(rates, True, n_items=120).rows(1))])
    made = write_report([run], tmp_path / "r.html", policy="alpha", versus="beta")
    quote = made.judges[0].weaknesses[0].weaknesses[0].quotes[0]
    opened(chrome, tmp_path / "r.html")
    chrome.find_element(By.CSS_SELECTOR, "blockquote a").click()
    waits(chrome, lambda d: d.find_element(By.ID, "item-title").text.startswith(quote.item))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_readable_at_any_width_in_light_and_dark(
    chrome: Chrome, report: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    scheme = "dark" if dark else "light"
    chrome.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    opened(chrome, report)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    assert contrast(chrome, "--ink", "--paper") > 10
    for colour in ("--muted", "--accent"):
        assert contrast(chrome, colour, "--panel") > 4.5
    for name in ("good", "bad", "warn"):
        assert contrast(chrome, f"--{name}", f"--{name}-soft") > 4.5
    background = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(20, 23, 26)") is dark
    colour = chrome.execute_script(
        "return getComputedStyle(document.querySelector('svg text')).fill"
    )
    assert colour not in {"rgb(0, 0, 0)", background}
    image = tmp_path / "page.png"
    image.write_bytes(base64.b64decode(chrome.get_screenshot_as_base64()))
    assert image.stat().st_size > 10_000


def contrast(chrome: Chrome, first: str, second: str) -> float:
    """WCAG contrast ratio of two of the page's colours."""
    light = []
    for name in (first, second):
        value = chrome.execute_script(
            "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])", name
        ).strip()
        parts = np.array([int(value[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(light) + 0.05) / (min(light) + 0.05)


def test_print_shows_the_figures_without_the_browser(chrome: Chrome, report: Path) -> None:
    opened(chrome, report)
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return getComputedStyle(document.querySelector(arguments[0])).display"
    assert chrome.execute_script(shown, "#items") == "none"
    assert chrome.execute_script(shown, "figure svg") == "block"


PAYLOADS = (
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<!--<script>",
    "]]></script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "\"><img src=https://example.invalid/x onerror='window.hit=1'>",
    "' autofocus onfocus=window.hit=1 x='",
    "<iframe src=javascript:parent.hit=1></iframe>",
    "<a href=javascript:window.hit=1>a</a>",
    "javascript:window.hit=1",
    "<base href=https://example.invalid/>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<link rel=stylesheet href=https://example.invalid/x.css>",
    "<style>@import 'https://example.invalid/x.css';</style>",
    "{{ 7*7 }}{% raw %}",
    "{{ self.__init__.__globals__ }}",
    "${window.hit=1}`${window.hit=1}`",
    "\u2028window.hit=1\u2029",
    "<math><mtext></mtext><style><img src=x onerror=window.hit=1></style></math>",
    "<details open ontoggle=window.hit=1>",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
    "\\u003cscript\\u003ewindow.hit=1",
    "\x00<script>window.hit=1</script>",
    "<noscript><p title='</noscript><img src=x onerror=window.hit=1>'>",
    "%3Cscript%3Ewindow.hit=1%3C/script%3E",
    "#item=0:<img src=x onerror=window.hit=1>",
    "<template><script>window.hit=1</script></template>",
    "<object data=https://example.invalid/></object><embed src=https://example.invalid/>",
    "x" * 300 + "<script>window.hit=1</script>",
)  # fmt: skip


def hostile_rows(
    rng: np.random.Generator, payloads: tuple[str, ...]
) -> tuple[JudgeInfo, list[tuple[Sample, Any]]]:
    """Every payload in every text field of samples and votes."""
    info = JudgeInfo(name=payloads[0], model=payloads[4], dialect=payloads[5], k=2)
    rows = []
    for i, payload in enumerate(payloads * 2):
        other = payloads[(i * 7 + 3) % len(payloads)]
        name = other[:200].strip() or "x"
        sample = Sample.model_validate(
            {
                "id": f"{payload} {i}",
                "query": [
                    {"role": "system", "content": other},
                    {"role": "user", "content": [
                        {"type": "text", "text": payload},
                        {"type": "image_url", "image_url": {"url": "https://example.invalid/i"}},
                    ]},
                ],
                "responses": [payload, other],
                "reference": payload,
                "ground_truth": (1.0, 0.0),
                "policies": ("</script><b>A", "<img src=x onerror=window.hit=1>"),
                "subset": payloads[i % 12],
            }
        )  # fmt: skip
        scores = (2.0, 8.0) if rng.random() < 0.7 else (8.0, 2.0)
        votes: list[Vote] = [
            Judgment(
                scores=scores, judge=payload, order=(0, 1), draw=0,
                principles=(Principle(name=name, description=payload, weight=1.0),),
                critiques=(Critique(response=0, text=payload), Critique(response=1, text=other)),
            ),
            Judgment(scores=scores, draw=1, order=(1, 0), analysis=payload, raw=other),
            Judgment(scores=scores, draw=2, raw=payload),
            Failure(status="parse_error", draw=3, message=payload, raw=other),
        ]  # fmt: skip
        rows.append((sample, decide(votes, n=2, k=4, reducer=Sum(), info=info)))
    return info, rows


@pytest.mark.parametrize(
    "payloads",
    [
        pytest.param(PAYLOADS, id="few"),
        pytest.param(
            (*PAYLOADS, *Random(17).sample([*script_payloads()], 300 - len(PAYLOADS))),
            id="300",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_no_text_ever_becomes_code_or_loads_anything(
    chrome: Chrome, tmp_path: Path, payloads: tuple[str, ...]
) -> None:
    run = write_run(tmp_path / "run", [hostile_rows(np.random.default_rng(0), payloads)])
    made = write_report([run], tmp_path / "r.html", title=PAYLOADS[1])
    opened(chrome, tmp_path / "r.html")
    seen = {nodes(chrome)}
    for item in range(len(made.items)):
        if item and item % 50 == 0:
            chrome.execute_script("document.getElementById('item').close()")
            chrome.execute_script("document.getElementById('next').click()")
        chrome.execute_script(
            "document.querySelector(`tr[data-row='${arguments[0]}']`).click()", item
        )
        text = made.items[item].id.replace("\x00", "\ufffd")
        waits(chrome, lambda d, n=item: d.execute_script(  # type: ignore[misc]
            "return document.getElementById('item').open &&"
            " document.getElementById('item-title').textContent.includes(arguments[0])",
            f" {n}",
        ))  # fmt: skip
        seen.add(nodes(chrome))
        shown = chrome.execute_script("return document.getElementById('item-body').textContent")
        assert text.rpartition(" ")[0].strip("\ufffd") in shown.replace("\x00", "\ufffd")
    assert seen == {""}
    assert chrome.execute_script("return window.hit === undefined && document.title") == PAYLOADS[1]
    assert chrome.execute_script("return location.protocol") == "file:"


def nodes(chrome: Chrome) -> str:
    """What in the document could run or load: empty if there is nothing."""
    found: str = chrome.execute_script(
        """
        const bad = [];
        for (const e of document.querySelectorAll("*")) {
          const tag = e.tagName.toLowerCase();
          if (["iframe", "img", "object", "embed", "link", "base", "image", "template", "video",
               "audio", "math"].includes(tag)) bad.push(tag);
          if (tag === "script" && !e.type && !e.textContent.startsWith("// The item browser"))
            bad.push("script");
          if (tag === "meta" && e.httpEquiv && e.httpEquiv !== "Content-Security-Policy")
            bad.push("meta");
          for (const a of e.attributes) {
            if (a.name.startsWith("on") || a.name === "style") bad.push(tag + " " + a.name);
            if (["href", "src", "xlink:href", "action"].includes(a.name) &&
                !a.value.startsWith("#")) bad.push(`${tag} ${a.name}=${a.value}`);
          }
        }
        if (document.querySelectorAll("style").length !== 1) bad.push("style");
        return bad.join("; ");
        """
    )
    return found


@pytest.mark.slow
def test_five_thousand_items_open_fast(chrome: Chrome, tmp_path: Path) -> None:
    rows = samples(250, characters=1500)
    info, judged_rows = judged(rows, k=2, characters=600)
    many = [
        (sample.model_copy(update={"id": f"{sample.id}-{copy}"}), verdict)
        for copy in range(20)
        for sample, verdict in judged_rows
    ]
    made = write_report([write_run(tmp_path / "run", [(info, many)])], tmp_path / "r.html")
    assert isinstance(made, Report)
    assert len(made.items) == 5000
    start = time.monotonic()
    opened(chrome, tmp_path / "r.html")
    assert time.monotonic() - start < 8  # 0.6 to 0.9 s when measured; the limit is gross
    assert status(chrome) == "5000 items"
    start = time.monotonic()
    chrome.execute_script("document.querySelector('#list tbody tr').click()")
    waits(chrome, lambda d: d.execute_script("return document.getElementById('item').open"))
    assert time.monotonic() - start < 3
