"""The server's own routes over real HTTP: verdicts, errors of one line, keys, limits."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from tests.support.live_server import LiveServer, fake_judge, serving, slow_judge, until

from deemster import Judge
from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.judges import BaseJudge, Case
from deemster.schemas import JudgeInfo, Verdict
from deemster.serve import ApiKey, ServerSettings

QUERY, RESPONSES = "What is 2+2?", ["4", "5"]
SAMPLE = {"query": QUERY, "responses": RESPONSES}
UNREADABLE = "I would rather not say."
KEYS = (
    ApiKey(name="trainer", key="trainer-key-0123456789"),
    ApiKey(name="rare", key="rare-key-0123456789ab", per_minute=1),
)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    judges = {"good": fake_judge(k=2), "dumb": fake_judge(UNREADABLE, name="dumb", k=2)}
    with serving(judges) as live:
        yield live


def test_the_embedded_judge_scores_over_http() -> None:
    with serving(Judge(k=2)) as live:
        reply = live.post("/v1/score", SAMPLE)
    verdict = Verdict.model_validate_json(reply.body)
    assert reply.status == 200
    assert verdict.is_scored
    assert verdict.judge.model.startswith("nano")
    assert verdict.judgments[0].critiques


def test_a_verdict_over_http_is_the_verdict_in_python(server: LiveServer) -> None:
    over_http = Verdict.model_validate_json(server.post("/v1/score", SAMPLE).body)
    assert over_http == fake_judge(k=2).score_sync(QUERY, RESPONSES)


def test_a_judge_without_a_verdict_gives_null_and_says_why(server: LiveServer) -> None:
    reply = server.post("/v1/score", {**SAMPLE, "judge": "dumb"})
    assert reply.status == 200
    assert reply.json["rewards"] is None
    assert {vote["status"] for vote in reply.json["votes"]} == {"parse_error"}


def test_a_batch_keeps_its_order_and_one_bad_sample_does_not_harm_it(server: LiveServer) -> None:
    samples = [SAMPLE, {**SAMPLE, "query": "   "}, {**SAMPLE, "judge": "dumb"}, SAMPLE]
    reply = server.post("/v1/score/batch", {"samples": samples})
    verdicts = [Verdict.model_validate(one) for one in reply.json["verdicts"]]
    assert [verdict.is_scored for verdict in verdicts] == [True, False, False, True]
    assert "query is empty" in verdicts[1].failures[0].message
    assert verdicts[2].judge.name == "dumb"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"{", "not JSON", id="broken"),
        pytest.param(b"\xff\xfe", "", id="no-utf8"),
        pytest.param(b"[" * 100_000, "", id="deep"),
        pytest.param(b"[]", "", id="no-object"),
        pytest.param(b'{"query": "q"}', "responses: Field required", id="missing"),
        pytest.param(b'{"query": "q", "responses": []}', "responses", id="no-responses"),
        pytest.param(b'{"query": " ", "responses": ["a"]}', "query is empty", id="blank"),
        pytest.param(b'{"query": "q", "responses": ["a"], "x": 1}', "x: Extra", id="unknown"),
        pytest.param(
            b'{"query": "q", "responses": ["a"], "judge": "x"}',
            "unknown judge 'x'; known: 'good', 'dumb'",
            id="judge",
        ),
        pytest.param(
            b'{"query": "q", "responses": ["a"], "k": 3}', "draws 2 votes; leave k out", id="k"
        ),
        pytest.param(
            b'{"query": "q", "responses": ["a"], "principles": "/etc/passwd"}',
            "no rubric that ships",
            id="file",
        ),
        pytest.param(
            b'{"query": "q", "responses": ["a"], "principles": "bank:x"}',
            "no rubric that ships",
            id="bank",
        ),
    ],
)
def test_what_cannot_be_judged_is_one_line(server: LiveServer, body: bytes, said: str) -> None:
    reply = server.send("POST", "/v1/score", body, {"Content-Type": "application/json"})
    assert reply.status == 400
    assert reply.error["type"] == "bad_request"
    assert said in reply.error["message"]


def test_other_refusals_have_the_same_shape(server: LiveServer) -> None:
    form = server.send("POST", "/v1/score", b"{}", {"Content-Type": "text/plain"})
    assert (form.status, "Content-Type: application/json" in form.error["message"]) == (400, True)
    assert server.get("/nowhere").error["type"] == "not_found"
    wrong = server.get("/v1/score")
    assert (wrong.status, wrong.error["type"]) == (405, "method_not_allowed")
    rebound = server.get("/readyz", Host="evil.example")
    assert (rebound.status, rebound.error["type"]) == (403, "forbidden")
    assert server.get("/readyz", Host=f"localhost:{server.port}").status == 200


def test_an_id_of_the_client_comes_back(server: LiveServer) -> None:
    assert server.get("/healthz", **{"X-Request-ID": "step-7"}).headers["x-request-id"] == "step-7"
    assert server.get("/healthz", **{"X-Request-ID": "a b"}).headers["x-request-id"] != "a b"


def test_metrics_count_what_was_judged(server: LiveServer) -> None:
    def counted() -> dict[str, float]:
        lines = server.get("/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    before = counted()
    server.post("/v1/score", {**SAMPLE, "judge": "dumb"})
    after = counted()
    failed = 'deemster_votes_total{judge="dumb",outcome="parse_error"}'
    assert after[failed] - before.get(failed, 0) == 2
    timed = 'deemster_request_seconds_bucket{route="/v1/score",le="+Inf"}'
    assert after[timed] == after['deemster_request_seconds_count{route="/v1/score"}']
    assert after["deemster_samples"] == 0


def test_keys_are_asked_for_before_the_body_is_read() -> None:
    with serving(fake_judge(), keys=KEYS) as live:
        assert live.post("/v1/score", SAMPLE).status == 200
        live.key = ""
        for given in ("", "Bearer", "Bearer no", f"Basic {KEYS[0].key}", f"Bearer {KEYS[0].key}x"):
            refused = live.send("POST", "/v1/score", b"{", {"Authorization": given})
            assert (refused.status, refused.error["type"]) == (401, "unauthorized")
            assert refused.headers["www-authenticate"] == "Bearer"
        assert live.get("/metrics").status == 401
        assert live.get("/healthz").status == live.get("/readyz").status == 200
        proxied = live.get("/readyz", Host="judge.example")  # whoever has a key may call it so
        assert proxied.status == 200
        live.key = KEYS[1].key
        assert live.post("/v1/score", SAMPLE).status == 200
        limited = live.post("/v1/score", SAMPLE)
        assert limited.status == 429
        assert 1 <= int(limited.headers["retry-after"]) <= 60
        assert KEYS[1].key not in limited.body.decode()


@pytest.mark.parametrize("framing", ["length", "whole", "chunks"])
def test_a_body_that_is_too_large_is_refused(framing: str) -> None:
    with serving(fake_judge(), max_body=10_000) as live:
        connection = HTTPConnection("127.0.0.1", live.port, timeout=30)
        if framing == "length":  # refused by what it says, before it has come
            connection.putrequest("POST", "/v1/score")
            connection.putheader("Content-Length", "100000000")
            connection.endheaders()
        elif framing == "whole":  # of whom does not wait for a reply before all is sent
            connection.request("POST", "/v1/score", b" " * 35_000)
        else:
            part = b" " * 6_000
            chunk = f"{len(part):x}\r\n".encode() + part + b"\r\n"
            connection.putrequest("POST", "/v1/score")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            connection.send(chunk + chunk)
        response = connection.getresponse()
        assert response.status == 413
        assert "10,000 bytes" in json.loads(response.read())["error"]["message"]
        connection.close()
        many = b'{"query": "q", "responses": [' + b"[]," * 10 + b"[]]}"
        assert (
            live.send("POST", "/v1/score", many, {"Content-Type": "application/json"}).status == 400
        )


def test_a_body_that_does_not_come_holds_nothing() -> None:
    with serving(fake_judge(), body_timeout=0.2) as live:
        with socket.create_connection(("127.0.0.1", live.port), timeout=30) as slow:
            slow.sendall(
                b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
            )
            assert slow.recv(4096).startswith(b"HTTP/1.1 408")
        assert live.post("/v1/score", SAMPLE).status == 200


def test_a_full_queue_says_when_to_come_again() -> None:
    release = threading.Event()
    with serving(slow_judge(release), in_flight=1, queue=1) as live:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(live.post("/v1/score", SAMPLE).status))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        until(lambda: live.desk._here == 2)
        refused = live.post("/v1/score", SAMPLE)
        assert (refused.status, refused.error["type"]) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert live.get("/readyz").status == 503
        release.set()
        for thread in threads:
            thread.join()
        assert statuses == [200, 200]
        assert live.desk._here == 0


def test_a_deadline_cancels_and_is_no_reward() -> None:
    with serving(slow_judge(threading.Event()), group_wait=0.05, deadline=0.1) as live:
        reply = live.post("/v1/score", SAMPLE)
        assert (reply.status, reply.error["type"]) == (504, "deadline")
        assert live.desk._here == 0


class Broken(BaseJudge):
    """A judge that raises what it was given."""

    def __init__(self, error: Exception) -> None:
        self.name, self._error = "broken", error

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name=self.name, model="none")

    async def _judge(self, case: Case) -> Verdict:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        pytest.param(UnusableModelError("no key"), 503, "model_unusable", id="no-key"),
        pytest.param(BackendError("connection reset"), 502, "model_failed", id="backend"),
        pytest.param(InputError("too many"), 400, "bad_request", id="input"),
        pytest.param(RuntimeError("secret detail"), 500, "internal", id="bug"),
    ],
)
def test_whatever_a_judge_raises_is_one_line(
    error: Exception, status: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Broken(error)) as live:
        reply = live.post("/v1/score", SAMPLE)
        stream = live.post("/v1/score/stream", SAMPLE)
        assert (reply.status, reply.error["type"]) == (status, kind)
        assert "secret detail" not in (reply.body + stream.body).decode()
        assert live.desk._here == 0
    assert ("secret detail" in caplog.text) == (status == 500)
    assert stream.body.startswith(b"event: error\ndata: {")


@pytest.mark.parametrize("log_texts", [False, True], ids=["quiet", "texts"])
def test_the_log_has_texts_only_if_asked_for(
    log_texts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "deemster.serve")
    with serving(fake_judge(), log_texts=log_texts, keys=KEYS) as live:
        live.post("/v1/score", {**SAMPLE, "query": f"{QUERY}\x9b31m\u202e"})
    (text,) = [record.getMessage() for record in caplog.records]
    assert text.isascii()  # it is written to a terminal
    line = json.loads(text)
    assert (line["route"], line["status"], line["key"]) == ("/v1/score", 200, "trainer")
    assert (line["votes"], line["valid"], line["responses"]) == (1, 1, 2)
    assert ("query" in line) == log_texts
    assert (QUERY in str(line)) == log_texts
    assert KEYS[0].key not in str(line)


def test_a_key_may_have_so_many_requests_in_flight() -> None:
    release = threading.Event()
    key = ApiKey(name="one", key="0123456789abcdef", in_flight=1)
    with serving(slow_judge(release), keys=(key,)) as live:
        statuses: list[int] = []
        first = threading.Thread(
            target=lambda: statuses.append(live.post("/v1/score", SAMPLE).status)
        )
        first.start()
        until(lambda: live.desk._here == 1)
        assert live.post("/v1/score", SAMPLE).status == 429
        release.set()
        first.join()
        statuses.append(live.post("/v1/score", SAMPLE).status)
    assert statuses == [200, 200]


def test_a_stream_ends_with_the_verdict_that_score_gives(server: LiveServer) -> None:
    events = server.post("/v1/score/stream", {**SAMPLE, "principles": ["Right", "Brief"]}).body
    names = [line[7:] for line in events.decode().splitlines() if line.startswith("event: ")]
    assert names == ["vote", "vote", "verdict"]
    last = events.decode().rstrip().rpartition("data: ")[2]
    straight = fake_judge(k=2).score_sync(QUERY, RESPONSES, principles=["Right", "Brief"])
    assert Verdict.model_validate_json(last) == straight


def test_nobody_is_served_by_accident() -> None:
    with pytest.raises(InputError, match="no keys; give --keys FILE, or --public"):
        ServerSettings(host="0.0.0.0").check_reach()
    ServerSettings(host="0.0.0.0", public=True).check_reach()
    ServerSettings(host="0.0.0.0", keys=KEYS).check_reach()
