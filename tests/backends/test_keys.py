"""Where keys go: a file that somebody else wrote never gets the reader's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.command_line import deemster
from tests.support.toy_training import toy_recipe

from deemster import redaction
from deemster.backends import Request, generate_all
from deemster.backends._api import keys
from deemster.backends._api.keys import Grant, grant, read_keys_file
from deemster.backends._api.lean import proxy_for
from deemster.backends.api import APIBackend, through_litellm
from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.schemas import Completion, Sampling, as_query
from deemster.testing import Call, OpenAIServer, Raw

ServerFactory = Callable[..., OpenAIServer]
OPENAI = "https://api.openai.com/v1"
CANARY = "sk-canary-5f0c1d2e3b"
PROVIDERS = (
    "OPENAI", "HOSTED_VLLM", "LM_STUDIO", "OPENROUTER", "TOGETHERAI", "DEEPSEEK", "GROQ",
    "ANTHROPIC", "MISTRAL", "XAI", "OLLAMA", "DEEPINFRA", "AZURE", "GEMINI", "COHERE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(redaction, "_written", {})
    monkeypatch.setattr(redaction, "_hidden", {})
    keys._tell_once.cache_clear()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in PROVIDERS:
        monkeypatch.setenv(f"{name}_API_KEY", CANARY)
        for base in ("API_BASE", "BASE_URL"):
            monkeypatch.delenv(f"{name}_{base}", raising=False)


def write_keys(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config" / "deemster" / "keys.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def ask() -> Request:
    return Request(messages=as_query("q"), sampling=Sampling())


def sent(server: OpenAIServer) -> str:
    return "\n".join(json.dumps([call.body, dict(call.headers)]) for call in server.ledger.calls)


@pytest.mark.parametrize(
    ("base", "free"),
    [
        pytest.param(None, True, id="none"),
        pytest.param("https://api.openai.com/v1", True, id="own"),
        pytest.param("https://api.openai.com/v2/", True, id="own-other-path"),
        pytest.param("HTTPS://API.OpenAI.com:443/v1", True, id="own-case-and-port"),
        pytest.param("https://mine.example/v1", True, id="of-the-environment"),
        pytest.param("http://api.openai.com/v1", False, id="not-encrypted"),
        pytest.param("https://api.openai.com:8443/v1", False, id="other-port"),
        pytest.param("https://api.openai.com.evil.example/v1", False, id="longer-host"),
        pytest.param("https://evil.example/api.openai.com", False, id="in-the-path"),
        pytest.param("https://api.openai.com@evil.example/v1", False, id="as-login"),
        pytest.param("https://api.openai.com:x@evil.example/v1", False, id="as-login-2"),
        pytest.param("https://evil.example\\@api.openai.com/v1", False, id="backslash"),
        pytest.param("https://evil.example#@api.openai.com/v1", False, id="fragment"),
        pytest.param("https://evil.example?@api.openai.com/v1", False, id="query"),
        pytest.param("https://evil.example\t@api.openai.com/v1", False, id="tab"),
        pytest.param("https://api.openai.com./v1", False, id="dot"),
        pytest.param("https://api.openai.com%2eevil.example/v1", False, id="per-cent"),
        pytest.param("https://api。openai。com/v1", False, id="unicode-dots"),
        pytest.param("https://аpi.openai.com/v1", False, id="look-alike"),
        pytest.param("http://127.0.0.1:8000/v1", False, id="loopback"),
        pytest.param("http://localhost/v1", False, id="localhost"),
        pytest.param("http://[::1]:8000/v1", False, id="loopback-6"),
        pytest.param("https://api.openai.com:99999/v1", False, id="no-port"),
        pytest.param("https://", False, id="no-host"),
    ],
)
def test_what_a_file_may_name(base: str | None, free: bool) -> None:
    own = (OPENAI, "https://mine.example/v1", None)
    assert grant(base, own, False).everything is free
    assert grant(base, own, True).everything
    if base is not None:
        assert grant(base, own, frozenset({base})).everything


@pytest.mark.parametrize(
    ("text", "base", "variable"),
    [
        pytest.param('"judge.example" = "A_KEY"', "https://judge.example/v1", "A_KEY", id="host"),
        pytest.param('"judge.example" = "A_KEY"', "http://judge.example/v1", None, id="clear-text"),
        pytest.param(
            '"http://judge.example" = "A_KEY"', "http://judge.example/v1", "A_KEY", id="said-so"
        ),
        pytest.param('"127.0.0.1:80" = "A_KEY"', "http://127.0.0.1/v1", "A_KEY", id="loopback"),
        pytest.param('"127.0.0.1:80" = "A_KEY"', "http://127.0.0.1:81/v1", None, id="other-port"),
        pytest.param('"[::1]:81" = "A_KEY"', "http://[::1]:81/v1", "A_KEY", id="loopback-6"),
        pytest.param('"example" = "A_KEY"', "https://judge.example/v1", None, id="a-part"),
    ],
)
def test_the_keys_file(tmp_path: Path, text: str, base: str, variable: str | None) -> None:
    write_keys(tmp_path, text)
    assert grant(base, (OPENAI,), False) == Grant(everything=False, variable=variable)


@pytest.mark.parametrize(
    "text",
    ['"judge.example" = 1', '"judge.example" = "sk-not-a-name"', '"a b" = "K"', "[t]\na = 1", "x"],
)
def test_a_keys_file_that_says_something_else(tmp_path: Path, text: str) -> None:
    write_keys(tmp_path, text)
    with pytest.raises(InputError, match=r"keys\.toml") as told:
        read_keys_file()
    assert "sk-not" not in str(told.value)


@pytest.mark.parametrize(
    "model", ["openai/j", "hosted_vllm/j", "lm_studio/j", "openrouter/a/b", "together_ai/a",
              "deepseek/j", "groq/j", "myorg/j"],
)  # fmt: skip
async def test_no_key_of_the_environment_goes_to_a_file_s_server(
    openai_server: ServerFactory, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = openai_server()
    backend = APIBackend(model, api_base=server.url, trust=False)
    (outcome,) = await backend.generate(ask())
    await backend.aclose()
    assert isinstance(outcome, Completion)
    assert CANARY not in sent(server)
    told = capsys.readouterr().err
    if model != "myorg/j":
        assert told.count("\n") == 1
        assert "_API_KEY is not sent to http://127.0.0.1:" in told
        assert f'write "{server.url[7:-3]}" = "' in told
        assert "--trust-suite" in told
    trusting = APIBackend(model, api_base=server.url)
    await trusting.generate(ask())
    await trusting.aclose()
    assert (CANARY in sent(server)) == (model != "myorg/j")


@pytest.mark.parametrize("login", ["", "user:proxy-password@"], ids=["bare", "login"])
async def test_logins_of_netrc_go_nowhere(
    openai_server: ServerFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, login: str
) -> None:
    """With a proxy, HTTP clients look into that file for the hosts that a suite names."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine judge.example login me password {CANARY}\n"
                     f"machine 127.0.0.1 login me password {CANARY}\n")  # fmt: skip
    netrc.chmod(0o600)
    server = openai_server()
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1").replace("//", f"//{login}"))
    backend = APIBackend("openai/j", api_base="http://judge.example/v1", trust=False)
    (outcome,) = await backend.generate(ask())
    await backend.aclose()
    assert isinstance(outcome, Completion)  # through the proxy
    names = {name.lower(): value for name, value in server.ledger.calls[0].headers.items()}
    assert "authorization" not in names
    assert ("proxy-authorization" in names) == bool(login)
    if login:
        assert "proxy-password" not in redaction.redact(f"a{login}b")
        assert redaction.redact(names["proxy-authorization"]) == "Basic ***"
    own = APIBackend("openai/j", api_base="http://judge.example/v1", api_key="my-own-key")
    assert isinstance((await own.generate(ask()))[0], Completion)
    await own.aclose()
    assert "Bearer my-own-key" in sent(server)
    assert CANARY not in sent(server)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "http://a/v1", None),
        ({"http_proxy": "http://p:1"}, "http://a/v1", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "https://a/v1", None),
        ({"https_proxy": "p:1"}, "https://a/v1", "http://p:1"),
        ({"http_proxy": "http://p:1", "no_proxy": "a"}, "http://a:8000/v1", None),
    ],
)
def test_proxies_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


async def test_a_key_of_the_keys_file_goes(openai_server: ServerFactory, tmp_path: Path) -> None:
    server = openai_server()
    write_keys(tmp_path, f'"{server.url[7:-3]}" = "MY_SERVER"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MY_SERVER", "mine-0123456789")
        backend = APIBackend("openai/j", api_base=server.url, trust=False)
        await backend.generate(ask())
        await backend.aclose()
    assert "Bearer mine-0123456789" in sent(server)
    assert CANARY not in sent(server)


@pytest.mark.parametrize("road", [APIBackend, through_litellm], ids=["directly", "litellm"])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"api_key": CANARY}, id="api_key"),
        pytest.param({"extra": {"extra_headers": {"X": CANARY}}}, id="header"),
        pytest.param({"extra": {"user": CANARY}}, id="body"),
        pytest.param({"extra": {"logit_bias": [{"a": [CANARY]}]}}, id="deep-in-the-body"),
    ],
)
async def test_a_variable_is_not_sent_to_a_file_s_server(
    openai_server: ServerFactory, options: dict[str, Any], road: Callable[..., APIBackend]
) -> None:
    server = openai_server()
    redaction.note_filled(CANARY, "${OPENAI_API_KEY}", {"OPENAI_API_KEY": CANARY}, hide=True)
    backend = road("openai/j", api_base=server.url, trust=False, **options)
    with pytest.raises(UnusableModelError, match=r"would send \$\{OPENAI_API_KEY\} to http://127"):
        backend.check()
    with pytest.raises(UnusableModelError):
        await backend.generate(ask())
    assert server.ledger.hits == 0


@pytest.mark.parametrize(
    ("model", "options"),
    [
        pytest.param("anthropic/j", {"extra": {"api_base": "{url}"}}, id="api_base"),
        pytest.param("anthropic/j", {"extra": {"base_url": "{url}"}}, id="base_url"),
        pytest.param("mistral/j", {"extra": {"fallbacks": [{"model": "x"}]}}, id="fallbacks"),
        pytest.param("mistral/j", {"extra": {"langfuse_host": "{url}"}}, id="logs"),
        pytest.param("mistral/j", {"extra": {"custom_llm_provider": "openai"}}, id="provider"),
        pytest.param("vertex_ai/j", {"extra": {"vertex_location": "x.evil/"}}, id="region"),
        pytest.param("huggingface/{url}", {}, id="url-as-model"),
        pytest.param("oobabooga/{url}", {}, id="url-as-model-2"),
        pytest.param("anthropic/j", {"api_base": "{url}"}, id="anthropic"),
        pytest.param("mistral/j", {"api_base": "{url}"}, id="mistral"),
        pytest.param("bedrock/j", {"api_base": "{url}"}, id="bedrock"),
        pytest.param("vertex_ai/j", {"api_base": "{url}"}, id="vertex"),
    ],
)
async def test_litellm_is_not_led_elsewhere(
    openai_server: ServerFactory, model: str, options: dict[str, Any]
) -> None:
    server = openai_server()
    filled = json.loads(json.dumps(options).replace("{url}", server.url))
    backend = through_litellm(model.replace("{url}", server.url), trust=False, **filled)
    with pytest.raises(UnusableModelError, match="--trust-suite"):
        backend.check()
    with pytest.raises(UnusableModelError, match="--trust-suite"):
        await backend.generate(ask())
    assert server.ledger.hits == 0


async def test_litellm_finds_no_key_by_itself(
    openai_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its providers, with and without a key of the file's own."""
    import litellm

    server = openai_server()
    every = sorted({str(getattr(one, "value", one)) for one in litellm.provider_list})
    for name in every:
        monkeypatch.setenv(f"{name.upper().replace('-', '_')}_API_KEY", CANARY)
    asked = 0
    for provider in every:
        for key in (None, "of-the-file"):
            backend = through_litellm(
                f"{provider}/j", api_base=server.url, api_key=key, trust=False, retries=1,
                timeout=20,
            )  # fmt: skip
            before = server.ledger.hits
            try:
                await generate_all(backend, ask())
            except InputError:
                assert server.ledger.hits == before
            asked += server.ledger.hits > before
            await backend.aclose()
    assert CANARY not in sent(server)
    assert asked >= 2  # some are asked, or the test shows nothing


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "model", ["openai/j", "azure/j", "anthropic/j", "mistral/j", "deepinfra/j", "ollama_chat/j"]
)
async def test_redirects_are_not_followed(
    openai_server: ServerFactory, model: str, status: int
) -> None:
    thief = openai_server()
    away = thief.url.replace("127.0.0.1", "localhost") + "/chat/completions"

    def raw(_: Call) -> Raw:
        return Raw({}, status, {"Location": away})

    first = openai_server(raw=raw)
    extra: dict[str, Any] = {"api_version": "v1"} if model == "azure/j" else {}
    extra |= {"extra_headers": {"X-Key": CANARY}}
    backend = APIBackend(model, api_base=first.url, api_key=CANARY, retries=1, extra=extra)
    (outcome,) = await generate_all(backend, ask())
    await backend.aclose()
    assert isinstance(outcome, BackendError)
    assert thief.ledger.hits == 0
    if model == "openai/j":
        assert first.ledger.hits == 1
        assert "redirects to http://localhost:" in str(outcome)


SUITE = """
name: shared
data: {{samples: [{{query: q, responses: [a, b]}}]}}
judges:
{judges}
"""
PLACES = {
    "judge": "  - {name: J, OPTIONS}",
    "member": "  - {name: J, type: panel, members: [{name: m, OPTIONS}, {model: 'fake:x'}]}",
    "named-member": "  - {name: J, type: panel, members: [m, n]}\n"
    "  - {name: m, OPTIONS}\n  - {name: n, model: 'fake:x'}",
    "debate": "  - {name: J, type: debate, rounds: 2, members: [{name: m, OPTIONS}, "
    "{model: 'fake:x', name: n}]}",
    "cascade": "  - {name: J, type: cascade, thresholds: 0.9, members: [{name: m, OPTIONS}, "
    "{model: 'fake:x', name: n}]}",
}


def suite(tmp_path: Path, place: str, options: str) -> str:
    path = tmp_path / "suite.yaml"
    judge = PLACES[place].replace("OPTIONS", f"model: openai/j, options: {options}")
    path.write_text(SUITE.format(judges=judge), "utf-8")
    return str(path)


@pytest.mark.parametrize("place", PLACES)
def test_everywhere_in_a_suite(
    openai_server: ServerFactory, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = openai_server()
    path = suite(tmp_path, place, f"{{api_base: '{server.url}', retries: 1}}")
    done = deemster("run", path, "--out", str(tmp_path / "run"))
    assert server.ledger.hits
    assert CANARY not in sent(server)
    assert "OPENAI_API_KEY is not sent to" in done.stderr
    trusted = deemster("run", path, "--out", str(tmp_path / "run2"), "--trust-suite")
    assert CANARY in sent(server)
    assert "not sent" not in trusted.stderr
    asking = suite(tmp_path, place, f"{{api_base: '{server.url}', api_key: '${{OPENAI_API_KEY}}'}}")
    hits = server.ledger.hits
    for more in ([], ["--dry-run"]):
        refused = deemster("run", asking, "--out", str(tmp_path / "run3"), *more)
        assert refused.returncode == 2
        assert "would send ${OPENAI_API_KEY} to http://127.0.0.1" in refused.stderr
    assert not (tmp_path / "run3").exists()
    assert server.ledger.hits == hits


def test_a_suite_does_not_trust_itself(openai_server: ServerFactory, tmp_path: Path) -> None:
    server = openai_server()
    path = suite(tmp_path, "judge", f"{{api_base: '{server.url}', retries: 1, trust: true}}")
    deemster("run", path, "--out", str(tmp_path / "run"))
    assert server.ledger.hits
    assert CANARY not in sent(server)
    for field in ("model", "meta_rm"):
        judge = {"model": "fake:x", "k": 2, field: f"litellm:oobabooga/{server.url}"}
        whole = {"name": "s", "data": {"samples": []}, "judges": judge}
        Path(path).write_text(yaml.safe_dump(whole), "utf-8")
        done = deemster("run", path, "--out", str(tmp_path / "run2"))
        assert done.returncode == 2
        assert "of a file names a server" in done.stderr


@pytest.mark.parametrize("way", ["base", "base-and-key", "set", "set-options", "inline", "judge",
                                 "judge-trusted", "command", "environment"])  # fmt: skip
def test_ways_to_a_key(
    openai_server: ServerFactory, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = openai_server(lambda *_: r"Scores: \boxed{7, 3}")
    out = ["--out", str(tmp_path / "run")]
    pair = ["score", "--query", "q", "-r", "a", "-r", "b"]
    monkeypatch.setenv("MY_URL", server.url)
    plain = suite(tmp_path, "judge", f"{{api_base: '{server.url}'}}")
    if way == "base":
        command = ["run", suite(tmp_path, "judge", "{api_base: '${MY_URL}'}"), *out]
    elif way == "base-and-key":
        options = "{api_base: '${MY_URL}', api_key: '${OPENAI_API_KEY}'}"
        command = ["run", suite(tmp_path, "judge", options), *out]
    elif way == "set":
        command = ["run", suite(tmp_path, "judge", "{api_base: 'http://127.0.0.1:1/v1'}"), *out]
        command += ["--set", f"judge.options.api_base={server.url}"]
    elif way == "set-options":
        command = ["run", plain, *out, "--set", f"judge.options={{api_base: '{server.url}'}}"]
    elif way == "inline":
        command = [*pair, "--judge", f"{{model: openai/j, options: {{api_base: '{server.url}'}}}}"]
    elif way in ("judge", "judge-trusted"):
        command = [*pair, "--judge", f"{plain}#J"]
        command += ["--trust-suite"] if way == "judge-trusted" else []
    elif way == "environment":
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        command = ["run", plain, *out]
    else:
        command = [*pair, "--model", "openai/j", "--api-base", server.url]
    done = deemster(*command)
    assert server.ledger.hits, done.stderr
    assert (CANARY in sent(server)) == (way != "judge"), done.stderr
    assert ("is not sent to" in done.stderr) == (way == "judge")


def test_the_teachers_of_a_recipe(openai_server: ServerFactory, tmp_path: Path) -> None:
    from deemster.training.loading import load_recipe
    from deemster.training.stage_sampling import teacher_of

    path = tmp_path / "recipe.yaml"
    base = openai_server().url
    teacher = {"model": "hosted_vllm/j", "options": {"api_base": base}}
    path.write_text(yaml.safe_dump(toy_recipe(distil={"judges": teacher})), "utf-8")
    for trust in (False, True):
        recipe: Any = load_recipe(path, trust=trust)
        judge, _ = teacher_of(recipe.distil, folder=tmp_path, seed=0, trust=recipe.trust)
        backend: Any = judge
        while not isinstance(backend, APIBackend):
            backend = getattr(backend, "backend", None)
        assert backend._wanted.given.trust is trust
