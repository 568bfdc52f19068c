"""Secrets planted everywhere, and everything that is written or printed searched for them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.support.canaries import PROVIDER_KEYS, canary, forms, leaks
from tests.support.command_line import Done, deemster
from tests.support.toy_training import toy_recipe, trainer, write_toy

from deemster import redaction
from deemster.testing import Call, OpenAIServer, Raw

ServerFactory = Callable[..., OpenAIServer]
VERDICT = (
    "Specific Criteria:\n1. Truth (weight: 100%): x\n\nAnalysis:\n- Response 1: y\n"
    "- Response 2: z\n\nScores: \\boxed{7, 3}"
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(redaction, "_written", {})
    monkeypatch.setattr(redaction, "_hidden", {})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in (*PROVIDER_KEYS, "PLAIN_NAME", "PART"):
        monkeypatch.setenv(name, canary(name))


def echo(call: Call) -> str:
    """Everything that the server was sent."""
    return f"you sent {call.url} with {dict(call.headers)} and {json.dumps(call.body)}"


def error(status: int) -> Callable[[Call], Raw]:
    return lambda call: Raw({"error": {"message": echo(call), "code": "x"}}, status)


def answer(text: Callable[[Call], str], **more: str) -> Callable[[Call], Raw]:
    def raw(call: Call) -> Raw:
        filled = {key: value.format(echo=echo(call)) for key, value in more.items()}
        message = {"role": "assistant", "content": text(call), **filled}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        return Raw({"choices": [choice], "usage": usage, "model": filled.get("name", "m")})

    return raw


def logprobs(call: Call) -> Raw:
    """A verdict whose tokens are said to be what the server was sent."""
    said = answer(lambda _: VERDICT)(call)
    assert isinstance(said.body, dict)
    token = {"token": echo(call), "logprob": -1.0}
    said.body["choices"][0]["logprobs"] = {"content": [token | {"top_logprobs": [token]}]}
    return said


SERVERS: dict[str, Callable[[Call], Raw] | None] = {
    "scores": answer(lambda _: VERDICT),
    "400": error(400),
    "401": error(401),
    "500": error(500),
    "text": answer(echo),
    "text-and-scores": answer(lambda call: VERDICT.replace("z\n", f"{echo(call)}\n")),
    "reasoning": answer(lambda _: VERDICT, reasoning_content="{echo}"),
    "refusal": answer(lambda _: "", refusal="{echo}"),
    "logprobs-of-scores": logprobs,
    "model-name": answer(lambda _: VERDICT, name="{echo}"),
    "not-a-completion": lambda call: Raw({"detail": echo(call)}),
    "not-json": lambda call: Raw(echo(call).encode()),
    "page": lambda call: Raw(f"<p>{echo(call)}".encode(), 502),
    "redirect": lambda call: Raw({}, 307, {"Location": f"http://user:{call.url}@127.0.0.1:1/"}),
    "no-server": None,
}


def gone() -> OpenAIServer:
    """A server that has just ended."""
    with OpenAIServer() as server:
        return server


PLACES = {
    "environment": "{api_base: 'URL'}",
    "api_key": "{api_base: 'URL', api_key: '${PART}'}",
    "api_key-in-clear-text": "{api_base: 'URL', api_key: 'CLEAR'}",
    "password": "{api_base: 'http://user:${PART}@HOST'}",
    "password-in-clear-text": "{api_base: 'http://user:CLEAR@HOST'}",
    "query": "{api_base: 'URL?token=${PART}'}",
    "query-in-clear-text": "{api_base: 'URL?token=CLEAR'}",
    "path": "{api_base: 'URL/${PART}'}",
    "header": "{api_base: 'URL', extra: {extra_headers: {X-Custom: '${PART}'}}}",
    "header-in-clear-text": "{api_base: 'URL', extra: {extra_headers: {X-Custom: CLEAR}}}",
    "bearer": "{api_base: 'URL', extra: {extra_headers: {Authorization: 'Bearer ${PART}'}}}",
    "body": "{api_base: 'URL', extra: {user: '${PART}', extra_body: {a: [{b: 'x${PART}'}]}}}",
}


def run_all(folder: Path, suite: Path, judges: Sequence[str]) -> list[Done]:
    """What is done with a run from its plan to its report."""
    run, trust = str(folder / "run"), "--trust-suite"
    pair = ["-q", "q", "-r", "a", "-r", "b"]
    done = [
        deemster("run", str(suite), "--dry-run", trust),
        deemster("run", str(suite), "--out", run, trust),
        deemster("run", str(suite), "--out", run, trust, "--resume", "--json"),
        deemster("report", run),
        deemster("export", run, "--out", str(folder / "votes.jsonl")),
        deemster("export", run, "--out", str(folder / "verdicts.jsonl"), "--table", "verdicts"),
        deemster("doctor", "--json"),
    ]
    for name in judges:
        judge, of = ["--judge", f"{suite}#{name}", trust], [run, "--judge", name]
        out = folder / name
        out.mkdir()
        done += [
            deemster("score", *pair, *judge),
            deemster("score", *pair, *judge, "--json", "--record", str(out / "cassette")),
            deemster("rescore", *of, "--aggregator", "mean", "--out", str(out / "again")),
        ]
    for name in sorted(judges, key=lambda name: "scores" not in name)[:2]:
        # What works; and the way to the server is the same for all.
        again, out = str(folder / name / "again"), folder / name
        judge = ["--judge", f"{suite}#{name}", trust]
        done += [
            deemster("report", again, "--json"),
            deemster("compare", again, again, "--out", str(out / "compared.json")),
            deemster("probe", *judge, "--calls", "34", "--out", str(out / "probe")),
        ]
    return done


CLEAR = canary("CLEAR")
ALL = [CLEAR, *(canary(name) for name in (*PROVIDER_KEYS, "PART"))]
EXTRA = "{api_base: 'URL', extra: {extra_headers: {X-Custom: '${PART}', X-Other: CLEAR}}}"
AZURE = (
    "{api_base: 'URL', api_key: '${AZURE_API_KEY}', "
    "extra: {api_version: v1, azure_ad_token: CLEAR, extra_headers: {X-Custom: '${PART}'}}}"
)
ELSEWHERE = "{api_base: 'URL?token=${PART}', extra: {extra_headers: {X-Custom: CLEAR}}}"
LITELLM = {"azure": AZURE, **dict.fromkeys(("deepinfra", "anthropic", "ollama_chat"), EXTRA)}


@dataclass(frozen=True)
class Asked:
    """A judge of the suite: what it is called, its model, its options and its server."""

    name: str
    model: str
    options: str
    server: OpenAIServer

    @property
    def line(self) -> str:
        url = self.server.url
        filled = self.options.replace("URL", url).replace("HOST", url.removeprefix("http://"))
        more = filled.replace("CLEAR", CLEAR)[1:]
        return f"  - {{name: '{self.name}', model: {self.model}, options: {{retries: 1, {more}}}\n"


def check(tmp_path: Path, log: io.StringIO, asked: Sequence[Asked]) -> None:
    """Run all of the judges, in one run: a leak says in whose lines it is."""
    suite = tmp_path / "suite.yaml"
    data = "{samples: [{query: q, responses: [a, b], ground_truth: [1, 0]}]}"
    lines = "".join(one.line for one in asked)
    suite.write_text(f"name: canaries\ndata: {data}\njudges:\n{lines}", "utf-8")
    folder = tmp_path / "out"
    folder.mkdir()
    done = run_all(folder, suite, [one.name for one in asked])
    assert not any("Traceback" in one.stderr for one in done)
    odd = [one.stderr[-300:] for one in done if one.returncode not in (0, 3)]
    assert not odd
    assert not leaks(folder, done, log.getvalue(), ALL)


def test_secrets_of_a_suite(openai_server: ServerFactory, tmp_path: Path, log: io.StringIO) -> None:
    asked = [
        Asked(f"{place}-{behaviour}", "openai/j", options, openai_server(raw=SERVERS[behaviour]))
        for place, options in PLACES.items()
        for behaviour in ("text-and-scores", "400")
    ]
    check(tmp_path, log, asked)
    for one in asked:
        calls = one.server.ledger.calls
        seen = "".join(json.dumps([c.url, dict(c.headers), c.body]) for c in calls)
        assert any(form in seen for secret in ALL for form in forms(secret)), one.name  # was sent


def test_servers_that_say_it_again(
    openai_server: ServerFactory, tmp_path: Path, log: io.StringIO
) -> None:
    asked = [
        Asked(name, "openai/j", ELSEWHERE, openai_server(raw=raw) if raw else gone())
        for name, raw in SERVERS.items()
    ]
    check(tmp_path, log, asked)


def test_litellm(openai_server: ServerFactory, tmp_path: Path, log: io.StringIO) -> None:
    asked = [
        Asked(f"{provider}-{name}", f"{provider}/j", options, openai_server(raw=SERVERS[name]))
        for provider, options in LITELLM.items()
        for name in ("text-and-scores", "401", "not-json")
    ]
    check(tmp_path, log, asked)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("name: 'x ${PART}'", id="name"),
        pytest.param("description: '${PART}'", id="description"),
        pytest.param("seed: '${PART}'", id="seed"),
        pytest.param("in_flight: ['${PART}']", id="list"),
        pytest.param("budget: {usd: '${PART}'}", id="budget"),
        pytest.param("thresholds: {accuracy: '${PART}'}", id="threshold"),
        pytest.param("metrics: ['${PART}']", id="metric"),
        pytest.param("judges: {model: 'fake:x', k: '${PART}'}", id="k"),
        pytest.param("judges: {model: 'fake:x', name: '${PART}'}", id="judge"),
        pytest.param("judges: {model: 'openai/${OPENAI_API_KEY}'}", id="model"),
        pytest.param("judges: {model: 'fake:x', aggregator: '${PART}'}", id="aggregator"),
        pytest.param("judges: {model: 'fake:x', stop: '${PART}'}", id="stop"),
        pytest.param("judges: {type: '${PART}', model: 'fake:x'}", id="type"),
        pytest.param("judges: {type: panel, members: ['${PART}', '${PART}']}", id="member"),
        pytest.param("judges: {model: 'fake:x', temperature: '${PART}'}", id="temperature"),
        pytest.param("judges: {model: openai/x, options: {timeout: '${PART}'}}", id="timeout"),
        pytest.param("judges: {model: openai/x, options: {rate: '${PART}'}}", id="rate"),
        pytest.param("judges: {model: openai/x, options: {n_mode: '${PART}'}}", id="n_mode"),
        pytest.param("judges: {model: openai/x, options: {api_base: '${PART}'}}", id="api_base"),
        pytest.param("judges: {model: openai/x, options: {prices: '${PART}'}}", id="prices"),
        pytest.param("judges: {model: openai/x, options: {prices: {a: '${PART}'}}}", id="price"),
        pytest.param("judges: {model: openai/x, options: '${PART}'}", id="options"),
        pytest.param("judges: {model: 'hf:x', options: {device: '${PART}'}}", id="device"),
        pytest.param("matrix: {k: ['${PART}']}", id="matrix"),
        pytest.param("data: {dataset: 'x/${HF_TOKEN}'}", id="dataset"),
        pytest.param("data: {benchmark: '${PART}'}", id="benchmark"),
        pytest.param("data: {path: '${HF_TOKEN}'}", id="path"),
    ],
)
@pytest.mark.parametrize("kind", ["run", "train"])
def test_refused_values_are_not_shown(
    tmp_path: Path, log: io.StringIO, line: str, kind: str
) -> None:
    data = {"samples": [{"query": "q", "responses": ["a", "b"]}]}
    whole = {"name": "s", "data": data, "judges": {"model": "fake:x"}}
    changed = yaml.safe_load(line)
    if kind == "train":
        teacher = changed.pop("judges", {"model": "fake:x"})
        changed.pop("data", None)
        whole = toy_recipe(distil={"judges": teacher})
    path = tmp_path / "file.yaml"
    path.write_text(yaml.safe_dump({**whole, **changed}), "utf-8")
    folder = tmp_path / "out"
    folder.mkdir()
    done = [deemster(kind, str(path), "--out", str(folder / "run"), *more) for more in
            (["--dry-run"], ["--dry-run", "--trust-suite"])]  # fmt: skip
    if kind == "run":
        done += [deemster("run", str(path), "--out", str(folder / "run"))]
        done += [deemster("score", "-q", "q", "-r", "a", "-r", "b", "--judge", f"{path}")]
    assert kind == "train" or any(one.returncode == 2 for one in done)
    assert not any("Traceback" in one.stderr for one in done)
    assert not leaks(folder, done, log.getvalue(), ALL)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--api-base", "http://user:CLEAR@HOST"], id="password"),
        pytest.param(["--api-base", "URL?token=CLEAR"], id="query"),
        pytest.param(
            ["--api-base", "URL", "--extra", 'extra_headers={"X-A": "CLEAR"}'], id="header"
        ),
        pytest.param(["--api-base", "user:CLEAR@HOST"], id="no-scheme"),
        pytest.param(["--judge", "{model: openai/j, options: {api_base: 'URL', api_key: CLEAR}}"],
                     id="inline"),
        pytest.param(["--judge", "{model: openai/j, options: {api_key: CLEAR}, k: 1, x"], id="bad"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "behaviour",
    ["text-and-scores", "401", pytest.param("no-server", marks=pytest.mark.slow)],  # tries again
)
def test_secrets_of_the_command_line(
    openai_server: ServerFactory, tmp_path: Path, log: io.StringIO, options: list[str],
    behaviour: str,
) -> None:  # fmt: skip
    raw = SERVERS[behaviour]
    server = openai_server(raw=raw)
    if raw is None:
        server = gone()
    host = server.url.removeprefix("http://")
    filled = [
        one.replace("URL", server.url).replace("HOST", host).replace("CLEAR", CLEAR)
        for one in options
    ]
    model = [] if "--judge" in options else ["--model", "openai/j", "--timeout", "5"]
    pair = ["-q", "q", "-r", "a", "-r", "b"]
    record = ["--record", str(tmp_path / "cassette")]
    done = [
        deemster("score", *pair, *model, *filled),
        deemster("score", *pair, *model, *filled, "--json", *record),
        deemster("probe", *model, *filled, "--calls", "34", "--out", str(tmp_path / "probe")),
    ]
    assert not any("Traceback" in one.stderr for one in done)
    assert not leaks(tmp_path, done, log.getvalue(), ALL)


def test_an_import_takes_nothing_from_the_environment(tmp_path: Path, log: io.StringIO) -> None:
    """A log may name variables; they stay names. Secrets of its own texts are the log's."""
    said = "Scores: \\boxed{7} ${PART} $OPENAI_API_KEY"
    row = {"id": "${PART}", "question": "${HF_TOKEN}", "answer": "$PART", "judge_output": said}
    (tmp_path / "log.jsonl").write_text(f"{json.dumps(row)}\n", "utf-8")
    (tmp_path / "broken.jsonl").write_text('{"id": "${PART}", "question": 1}\n', "utf-8")
    folder = tmp_path / "out"
    folder.mkdir()
    columns = ["import", "--format", "columns", "--dialect", "grm", "--traces"]
    done = [
        deemster(*columns, str(tmp_path / name), "--out", str(folder / name), "--report")
        for name in ("log.jsonl", "broken.jsonl", "${PART}.jsonl")
    ]
    assert [one.returncode for one in done] == [0, 2, 2], [one.stderr for one in done]
    assert not leaks(folder, done, log.getvalue(), ALL)


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["text-and-scores", "400"])
def test_training_with_a_teacher_behind_an_api(
    openai_server: ServerFactory, tmp_path: Path, log: io.StringIO, behaviour: str
) -> None:
    """From the teacher's first answer to the evaluation: no secret in a manifest, log or model."""
    url = openai_server(raw=SERVERS[behaviour]).url
    headers = {"X-Custom": CLEAR, "X-Other": "${PART}"}
    options = {
        "api_base": f"{url}?token=${{PART}}",
        "retries": 1,
        "extra": {"extra_headers": headers},
    }
    teacher = {"model": "openai/j", "dialect": "grm", "temperature": 1.0, "options": options}
    distil = {"judges": teacher, "n": 2, "train": trainer(2)}
    recipe = write_toy(tmp_path, distil=distil)
    folder = tmp_path / "out"
    folder.mkdir()
    done = [
        deemster("train", str(recipe), "--out", str(folder / "run"), "--trust-suite", *more)
        for more in (["--dry-run"], ["--stage", "distil"], ["--stage", "distil", "--resume"])
    ]
    assert not any("Traceback" in one.stderr for one in done)
    assert behaviour == "400" or done[1].returncode == 0, done[1].stderr
    assert not leaks(folder, done, log.getvalue(), ALL)
