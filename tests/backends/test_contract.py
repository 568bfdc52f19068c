"""What judges rely on, held against every backend.

A backend joins by one entry in `MAKERS`: a context manager that gives a `Subject`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.decision_server import DecisionServer
from tests.support.scoring_server import ScoringServer
from tests.support.stub_vllm import stub_vllm

from deemster.backends import (
    Backend,
    FakeBackend,
    Outcome,
    RecordBackend,
    ReplayBackend,
    Request,
    generate_all,
    open_backend,
)
from deemster.backends.api import APIBackend
from deemster.backends.decision_file import DecisionFile
from deemster.backends.nano import NanoBackend
from deemster.backends.transformers import TransformersBackend
from deemster.backends.vllm import VLLMBackend
from deemster.errors import BackendError
from deemster.schemas import Completion, Message, Question, Sampling
from deemster.testing import Call, OpenAIServer

SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "integer", "enum": [1, 2]}},
    "required": ["score"],
    "additionalProperties": False,
}


def ask(
    text: str = "Judge the first answer.",
    *,
    n: int = 1,
    seeds: tuple[int, ...] = (),
    schema: bool = False,
) -> Request:
    return Request(
        messages=(
            Message(role="system", content="You judge."),
            Message(role="user", content=text),
        ),
        sampling=Sampling(temperature=1.0, max_tokens=24),
        n=n,
        seeds=seeds,
        json_schema=SCHEMA if schema else None,
    )


ASKED = [
    ask(),
    ask(n=3),
    ask(n=4, seeds=(11, 12, 13, 14)),
    *(ask(f"Judge answer {i}.", n=2, seeds=(i, 50 + i)) for i in range(6)),
    ask(n=2, seeds=(1, 2), schema=True),
]
"""Every request made below; a cassette has to hold them beforehand."""


@dataclass(frozen=True)
class Subject:
    """A backend under test and what may be asked of it."""

    backend: Backend
    failing: Backend
    """Made the same way, but none of its draws can succeed."""
    deterministic: bool = True
    """Whether a draw depends on its request and seed alone."""
    questions: bool = False
    """Whether it answers questions, the same for every seed, and writes no text."""
    hanging: Callable[[], Backend] | None = None
    """Makes one whose `generate` does not end by itself; None where that cannot be brought about:
    a replay never waits, and local generation ends (its own tests cancel a long one)."""
    closers: list[Backend] = field(default_factory=list)


def _script(request: Request, draw: int) -> str:
    seed = request.seeds[draw] if request.seeds else draw
    if request.json_schema is not None:
        return json.dumps({"score": 1 + seed % 2})
    return f"{request.messages[-1].text} drawn with {seed}"


def _broken(_request: Request, _draw: int) -> BackendError:
    return BackendError("the model is on fire")


def _hanging() -> FakeBackend:
    async def script(_request: Request, _draw: int) -> str:
        await asyncio.Event().wait()
        return "never"

    return FakeBackend(script)


@contextlib.contextmanager
def fake(_request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Subject]:
    yield Subject(FakeBackend(_script), FakeBackend(_broken), hanging=_hanging)


@contextlib.contextmanager
def record(_request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    yield Subject(
        RecordBackend(FakeBackend(_script), tmp_path / "a.cassette"),
        RecordBackend(FakeBackend(_broken), tmp_path / "b.cassette"),
        hanging=lambda: RecordBackend(_hanging(), tmp_path / "c.cassette"),
    )


@contextlib.contextmanager
def replay(_request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    async def fill(path: Path, requests: list[Request]) -> None:
        recorder = RecordBackend(FakeBackend(_script), path)
        for request in requests:
            await recorder.generate(request)
        await recorder.aclose()

    asyncio.run(fill(tmp_path / "full.cassette", ASKED))
    asyncio.run(fill(tmp_path / "other.cassette", [ask("Something else.")]))
    yield Subject(
        ReplayBackend(tmp_path / "full.cassette"), ReplayBackend(tmp_path / "other.cassette")
    )


@contextlib.contextmanager
def api(_request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Subject]:
    def answer(call: Call, choice: int) -> str:
        structured = "response_format" in call.body or "tools" in call.body
        return json.dumps({"score": 2}) if structured else f"choice {choice} for {call.query}"

    with (
        OpenAIServer(answer) as server,
        OpenAIServer(faults=lambda _call: "400") as broken,
        OpenAIServer(faults=lambda _call: "hang") as silent,
    ):

        def connect(to: OpenAIServer) -> APIBackend:
            return APIBackend("openai/contract-model", api_base=to.url, api_key="none")

        yield Subject(
            connect(server),
            connect(broken),
            deterministic=False,
            hanging=lambda: connect(silent),
        )


@contextlib.contextmanager
def transformers(request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Subject]:
    path = str(request.getfixturevalue("tiny_model"))
    yield Subject(
        TransformersBackend(path, device="cpu", threads=1),
        TransformersBackend(path, device="cpu", threads=1, max_context=8),  # nothing fits
    )


@contextlib.contextmanager
def vllm(request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Subject]:
    path = str(request.getfixturevalue("tiny_model"))
    with stub_vllm() as engine:

        def hanging() -> Backend:
            engine.hangs = True
            return VLLMBackend(path)

        yield Subject(VLLMBackend(path), VLLMBackend(path, max_context=8), hanging=hanging)


@contextlib.contextmanager
def vllm_itself(request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Subject]:
    """The real engine, where it is installed; the stub holds the same contract elsewhere."""
    pytest.importorskip("vllm")
    path = str(request.getfixturevalue("tiny_model"))
    small = {"enforce_eager": True, "kv_cache_memory_bytes": 2**28, "max_num_seqs": 16}
    yield Subject(
        VLLMBackend(path, dtype="float32", max_context=1024, engine_args=small),
        VLLMBackend(path, dtype="float32", max_context=8, engine_args=small),  # nothing fits
    )


@contextlib.contextmanager
def nano(request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Subject]:
    request.getfixturevalue("tiny_nano")
    yield Subject(NanoBackend(threads=1), NanoBackend(threads=1, max_context=8))  # nothing fits


class Questioned:
    """A backend of decisions, which asks about the text of whatever it is given."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.name = inner.name

    async def generate(self, request: Request) -> list[Outcome]:
        question = Question(name="good", kind="predicate", instructions="Is it good?")
        return await self.inner.generate(request.model_copy(update={"questions": (question,)}))

    async def aclose(self) -> None:
        await self.inner.aclose()


@contextlib.contextmanager
def _decisions(wire: str) -> Iterator[Subject]:
    def answer(text: str, _question: dict[str, Any]) -> list[float]:
        share = sum(text.encode()) % 97 / 97
        return [share, 1 - share]

    with (
        DecisionServer(answer) as server,
        DecisionServer(faults=lambda _call: "400") as broken,
        DecisionServer(faults=lambda _call: "hang") as silent,
    ):

        def connect(to: DecisionServer) -> Backend:
            model = f"{wire}:openai/contract-model"
            return Questioned(open_backend(model, api_base=to.url, api_key="none"))

        yield Subject(
            connect(server),
            connect(broken),
            hanging=lambda: connect(silent),
            questions=True,
        )


def decisions(_request: pytest.FixtureRequest, _tmp_path: Path) -> AbstractContextManager[Subject]:
    return _decisions("decisions")


def systemone(_request: pytest.FixtureRequest, _tmp_path: Path) -> AbstractContextManager[Subject]:
    return _decisions("systemone")


@contextlib.contextmanager
def served_labels(_request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Subject]:
    def chances(prompt: str) -> dict[str, float]:
        share = sum(prompt.encode()) % 97 / 97
        return {"Yes": share, "No": 1 - share}

    with (
        ScoringServer(chances) as server,
        ScoringServer(chances, served="another") as broken,
        ScoringServer(chances, faults=lambda _call: "hang") as silent,
    ):

        def connect(to: ScoringServer) -> Backend:
            return Questioned(open_backend("labels:hosted_vllm/judge-1", api_base=to.url))

        yield Subject(
            connect(server),
            connect(broken),
            hanging=lambda: connect(silent),
            questions=True,
        )


@contextlib.contextmanager
def labels(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    path = str(shutil.copytree(request.getfixturevalue("tiny_model"), tmp_path / "model"))
    DecisionFile(labels={"noul": ("a", "b")}).write(path)
    yield Subject(
        Questioned(TransformersBackend(path, device="cpu", threads=1)),
        Questioned(TransformersBackend(path, device="cpu", threads=1, max_context=8)),
        questions=True,
    )


Maker = Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Subject]]
MAKERS: dict[str, Maker] = {
    "fake": fake,
    "record": record,
    "replay": replay,
    "api": api,
    "transformers": transformers,
    "vllm": vllm,
    "vllm-itself": vllm_itself,
    "nano": nano,
    "decisions": decisions,
    "systemone": systemone,
    "labels": labels,
    "served-labels": served_labels,
}


MARKS = {"vllm-itself": [pytest.mark.gpu, pytest.mark.slow]}


@pytest.fixture(
    params=[
        pytest.param(maker, id=name, marks=MARKS.get(name, [])) for name, maker in MAKERS.items()
    ]
)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    maker: Maker = request.param
    with maker(request, tmp_path) as made:
        yield made
        for backend in (made.backend, made.failing, *made.closers):
            asyncio.run(backend.aclose())


def texts(backend: Backend, request: Request) -> list[str]:
    outcomes = asyncio.run(backend.generate(request))
    assert all(isinstance(outcome, Completion) for outcome in outcomes), outcomes
    return [outcome.text for outcome in outcomes if isinstance(outcome, Completion)]


def test_satisfies_the_protocol(subject: Subject) -> None:
    assert isinstance(subject.backend, Backend)
    assert subject.backend.name


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(ask(), id="one"),
        pytest.param(ask(n=3), id="three-unseeded"),
        pytest.param(ask(n=4, seeds=(11, 12, 13, 14)), id="four-seeded"),
    ],
)
def test_gives_exactly_n_completions(subject: Subject, request_: Request) -> None:
    outcomes = asyncio.run(subject.backend.generate(request_))
    assert len(outcomes) == request_.n
    for outcome in outcomes:
        assert isinstance(outcome, Completion)
        assert outcome.finish in {"stop", "length"}
        assert Completion.model_validate_json(outcome.model_dump_json()) == outcome


def test_accounts_for_what_it_used(subject: Subject) -> None:
    [outcome] = asyncio.run(subject.backend.generate(ask()))
    assert isinstance(outcome, Completion)
    assert outcome.usage.calls >= 0
    assert outcome.usage.tokens_in > 0


def test_failures_are_data(subject: Subject) -> None:
    outcomes = asyncio.run(generate_all(subject.failing, ask(n=3)))
    assert len(outcomes) == 3
    for outcome in outcomes:
        assert isinstance(outcome, BackendError)
        assert str(outcome).strip()


def test_name_is_stable(subject: Subject) -> None:
    name = subject.backend.name
    texts(subject.backend, ask())
    asyncio.run(subject.backend.aclose())
    assert subject.backend.name == name


def test_close_is_idempotent_and_not_the_end(subject: Subject) -> None:
    async def use() -> None:
        await subject.backend.aclose()
        await subject.backend.aclose()
        [outcome] = await subject.backend.generate(ask())
        assert isinstance(outcome, Completion)
        await subject.backend.aclose()

    asyncio.run(use())


def test_serves_one_event_loop_after_another(subject: Subject) -> None:
    for _ in range(3):  # not closed in between
        assert len(texts(subject.backend, ask(n=3))) == 3


def test_concurrent_requests_get_their_own_answers(subject: Subject) -> None:
    requests = [ask(f"Judge answer {i}.", n=2, seeds=(i, 50 + i)) for i in range(6)]

    async def together() -> list[list[object]]:
        calls = (subject.backend.generate(request) for request in requests)
        return [list(outcomes) for outcomes in await asyncio.gather(*calls)]

    gathered = asyncio.run(together())
    for request, outcomes in zip(requests, gathered, strict=True):
        assert all(isinstance(outcome, Completion) for outcome in outcomes)
        assert len(outcomes) == request.n
        if subject.deterministic:
            alone = texts(subject.backend, request)
            assert [o.text for o in outcomes if isinstance(o, Completion)] == alone


def test_cancellation_passes_and_leaves_it_usable(subject: Subject) -> None:
    if subject.hanging is None:
        pytest.skip("cannot be made to hang; see Subject.hanging")
    hanging = subject.hanging()
    subject.closers.append(hanging)

    async def cancel() -> None:
        task = asyncio.create_task(generate_all(hanging, ask(n=2)))
        await asyncio.sleep(0.1)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Nothing of the call goes on behind the caller's back.
        left = [other for other in asyncio.all_tasks() if other is not asyncio.current_task()]
        assert not left

    async def deadline() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await generate_all(hanging, ask())

    asyncio.run(cancel())
    asyncio.run(deadline())


def test_same_request_gives_the_same_texts(subject: Subject) -> None:
    if not subject.deterministic:
        pytest.skip("the provider does not promise equal draws for equal seeds")
    request = ask(n=4, seeds=(11, 12, 13, 14))
    assert texts(subject.backend, request) == texts(subject.backend, request)


def test_a_draw_depends_on_its_seed_alone(subject: Subject) -> None:
    if not subject.deterministic:
        pytest.skip("the provider does not promise equal draws for equal seeds")
    together = texts(subject.backend, ask(n=4, seeds=(11, 12, 13, 14)))
    assert len(set(together)) == 1 if subject.questions else len(set(together)) > 1
    backwards = texts(subject.backend, ask(n=4, seeds=(14, 13, 12, 11)))
    assert backwards == together[::-1]
    alone = [texts(subject.backend, ask(seeds=(seed,)))[0] for seed in (11, 12, 13, 14)]
    assert alone == together


def test_takes_a_json_schema(subject: Subject) -> None:
    if subject.questions:
        pytest.skip("decisions are no text that could match a schema")
    for text in texts(subject.backend, ask(n=2, seeds=(1, 2), schema=True)):
        assert json.loads(text)["score"] in {1, 2}
