"""Nothing is fetched from an address that stands in data: not by us, not by what we call."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster

from deemster.backends import Request, generate_all
from deemster.backends.api import APIBackend, through_litellm
from deemster.errors import BackendError, InputError
from deemster.schemas import Completion, Sampling, as_query
from deemster.testing import OpenAIServer

ServerFactory = Callable[..., OpenAIServer]
SCHEMES = ("http://{}", "https://{}", "HTTP://{}", "http:{}", "//{}", "ftp://{}", "http://{}:PORT")
HOSTS = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "0", "0.0.0.0", "localhost", "LOCALHOST.", "a.localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[fe80::1%25lo]", "[fd00:ec2::254]", "169.254.169.254", "169.254.169.254.",
    "0xa9fea9fe", "2852039166", "metadata.google.internal", "10.0.0.1", "172.16.0.1", "192.168.0.1",
    "100.64.0.1", "224.0.0.1", "255.255.255.255", "public.example@127.0.0.1",
    "127.0.0.1#@public.example", "127.0.0.1%2f@public.example", "public.example\\@127.0.0.1",
    "127.0.0.1.nip.io", "rebind.127.0.0.1.192.168.0.1.example", "①②⑦.⓪.⓪.①", "127。0。0。1",
    "user:pw@[::1]", "127.0.0.1\t", "127.0.0.1\r\nHost: x",
)  # fmt: skip
URLS = sorted(
    {SCHEMES[i % len(SCHEMES)].format(host) + "/x" for i, host in enumerate(HOSTS * 2)}
    | {f"http://{host}/latest/meta-data" for host in HOSTS}
    | {"file:///etc/passwd", "gopher://127.0.0.1:70/_x", "dict://127.0.0.1:11211/", "jar:http://[::1]!/",
       "ldap://127.0.0.1/", "unix:///run/docker.sock", "hf://datasets/../x", "s3://127.0.0.1/x"}
)  # fmt: skip


class Watch:
    """Where this process connects to, and what names it looks up, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "socket.connect":
            self.seen.append(str(arguments[1]))
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self.seen.append(str(arguments[:2]))


_WATCH = Watch()  # a hook can never be taken away, so there is one


@pytest.fixture
def watch() -> Iterator[Watch]:
    _WATCH.seen, _WATCH.on = [], True
    yield _WATCH
    _WATCH.on = False


def others(watch: Watch, server: OpenAIServer) -> list[str]:
    """Everything but the model's server."""
    return [one for one in watch.seen if str(server.port) not in one]


def asking(url: str) -> Request:
    image = {"type": "image_url", "image_url": {"url": url}}
    content = [{"type": "text", "text": f"see {url} ![]({url})"}, image]
    return Request(messages=as_query([{"role": "user", "content": content}]), sampling=Sampling())


def test_there_are_enough() -> None:
    assert len(URLS) >= 100


async def test_the_direct_road_passes_images_on(openai_server: ServerFactory, watch: Watch) -> None:
    server = openai_server()
    backend = APIBackend("openai/j", api_base=server.url, trust=False)
    for url in URLS:
        (outcome,) = await generate_all(backend, asking(url))
        assert isinstance(outcome, Completion)
    await backend.aclose()
    assert server.ledger.hits == len(URLS)
    assert server.ledger.calls[0].body["messages"][0]["content"][1]["image_url"]["url"] == URLS[0]
    assert not others(watch, server)


@pytest.mark.parametrize("usage", [True, False], ids=["usage", "no-usage"])
@pytest.mark.parametrize(
    "model",
    [
        "anthropic/j", "ollama_chat/j", "ollama/j", "gemini/j", "bedrock/anthropic.claude-v2",
        "vertex_ai/gemini-pro", "cohere_chat/j", "huggingface/j", "deepinfra/j", "mistral/j",
        "azure/j", "fireworks_ai/j", "xai/j", "perplexity/j", "watsonx/j", "databricks/j",
    ],
)  # fmt: skip
async def test_litellm_fetches_no_image(
    openai_server: ServerFactory, watch: Watch, model: str, usage: bool
) -> None:
    """It would turn the URL into bytes itself for providers that take no URLs."""
    server = openai_server(usage=usage)
    extra = {"api_version": "v1"} if model == "azure/j" else {}
    backend = through_litellm(
        model, api_base=server.url, api_key="k", retries=1, timeout=10, extra=extra
    )
    plain = Request(messages=as_query("q"), sampling=Sampling())
    with contextlib.suppress(InputError):  # a provider that needs more settings
        await generate_all(backend, plain)
        before = set(others(watch, server))  # what LiteLLM asks whatever the data
        for url in (*URLS[:: len(URLS) // 8], "http://127.0.0.1:9/x", "https://localhost:9/x.png"):
            (outcome,) = await generate_all(backend, asking(url))
            assert isinstance(outcome, Completion | BackendError)
            assert not set(others(watch, server)) - before, url
    await backend.aclose()


@pytest.mark.parametrize("model", ["anthropic/j", "gemini/j", "ollama_chat/j"])
async def test_an_image_that_is_not_fetched_is_told(
    openai_server: ServerFactory, model: str
) -> None:
    server = openai_server()
    backend = through_litellm(model, api_base=server.url, api_key="k", retries=1)
    (outcome,) = await generate_all(backend, asking("http://127.0.0.1/x.png"))
    await backend.aclose()
    assert isinstance(outcome, BackendError)
    assert "'http://127.0.0.1/x.png' is not fetched" in str(outcome)
    assert server.ledger.hits == 0


async def test_no_provider_that_takes_urls_has_them_fetched(
    openai_server: ServerFactory, watch: Watch
) -> None:
    from deemster.backends._api.with_litellm import _TAKES_URLS

    server, asked = openai_server(), 0
    for provider in sorted(_TAKES_URLS):
        backend = through_litellm(
            f"{provider}/j", api_base=server.url, api_key="k", retries=1, timeout=10
        )
        watch.seen.clear()
        with contextlib.suppress(InputError):  # one that LiteLLM lists but does not know
            await generate_all(backend, asking("http://192.168.77.7:9/canary.png"))
        assert not any("192.168.77.7" in one for one in watch.seen), provider
        await backend.aclose()
        asked = sum("192.168.77.7" in json.dumps(call.body) for call in server.ledger.calls)
    assert asked > 20


@pytest.mark.parametrize(
    "place", ["path", "dataset", "benchmark", "template", "principles", "input", "columns", "hf"]
)
def test_names_of_files_are_no_addresses(
    tmp_path: Path, watch: Watch, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in URLS[:: 1 if place in ("path", "dataset") else 6]:  # the slow ones are sampled
        if place == "input":
            done = deemster("score", "--input", url)
        else:
            given: dict[str, Any] = {"samples": [{"query": "q", "responses": ["a", "b"]}]}
            judge: dict[str, Any] = {"model": "fake:x"}
            if place in ("path", "dataset"):
                given = {place: url}
            elif place == "benchmark":
                given = {"benchmark": "judgebench", "path": url}
            elif place == "columns":
                given |= {"columns": {"query": url}}
            elif place == "hf":
                judge = {"model": f"hf:{url}"}
            else:
                judge[place] = url
            Path("suite.yaml").write_text(
                json.dumps({"name": "s", "data": given, "judges": [judge]}), "utf-8"
            )
            done = deemster("run", "suite.yaml", "--out", f"run-{URLS.index(url)}")
        # What looks like the name of a model is found missing when it is asked.
        assert done.returncode in ((2, 3) if place == "hf" else (2,)), (url, done.stderr)
        assert "Traceback" not in done.stderr
    assert not watch.seen


def test_a_run_and_its_report(openai_server: ServerFactory, tmp_path: Path, watch: Watch) -> None:
    server = openai_server(lambda *_: f"Scores: \\boxed{{7, 3}} {' '.join(URLS[:20])}")
    lines = [
        json.dumps({
            "query": [{"role": "user", "content": [
                {"type": "text", "text": url}, {"type": "image_url", "image_url": {"url": url}},
            ]}],
            "responses": [url, f"[a]({url}) <img src='{url}'>"],
            "reference": url, "ground_truth": [1, 0], "policies": [url, "b"], "subset": url[:20],
        })
        for url in URLS
    ]  # fmt: skip
    (tmp_path / "data.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "suite.yaml").write_text(
        f"""
name: ssrf
data: {{path: data.jsonl}}
judges: {{name: J, model: openai/j, options: {{api_base: '{server.url}'}}}}
""",
        "utf-8",
    )
    run = str(tmp_path / "run")
    done = deemster("run", str(tmp_path / "suite.yaml"), "--out", run)
    assert done.returncode in (0, 3), done.stderr
    assert server.ledger.hits == len(URLS)
    for command in (
        ["report", run],
        ["export", run, "--out", str(tmp_path / "votes.jsonl")],
        ["compare", run, run],
    ):
        assert "Traceback" not in deemster(*command).stderr
    assert not others(watch, server)
