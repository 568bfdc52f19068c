"""The pytest plugin: a judge as a fixture, judged assertions, cassettes for runs without a model.

```python
def test_answer(assert_judged):
    assert_judged("How do I undo a commit?", answer(), at_least=7, principles=["it is safe"])
```

pytest loads it at every start, so nothing of deemster but this file is imported until a test asks
for one of its fixtures.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from deemster.backends import Backend
    from deemster.integrations.asserting import Outcome
    from deemster.judges.base import BaseJudge
    from deemster.principles import PrinciplesLike
    from deemster.schemas import QueryLike, ReferenceLike, ResponseLike, Verdict

Properties = list[tuple[str, object]]
"""A test's, as pytest's reports have them. Not by `record_property`: with the usual kind of JUnit
report that is a warning."""
_PREFIX = "deemster."
_CASSETTE = "judge.cassette"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, and the same in the configuration file."""
    group = parser.getgroup("deemster", "judging by deemster")
    group.addoption("--judge-model", metavar="MODEL", help="Model of the fixture `judge`.")
    group.addoption("--judge-k", type=int, metavar="K", help="Votes of the fixture `judge`.")
    group.addoption(
        "--judge-confidence",
        type=float,
        metavar="SHARE",
        help="Share of the resampled votes that must agree, where an assertion does not say.",
    )
    group.addoption(
        "--judge-record",
        action="store_true",
        help="Keep what the judge's models answer in the cassette; ask only what it lacks.",
    )
    group.addoption(
        "--judge-replay", action="store_true", help="Answer from the cassette; ask no model."
    )
    group.addoption(
        "--judge-cassette", metavar="FILE", help=f"The cassette; {_CASSETTE} if not given."
    )
    parser.addini("judge_model", "model of the fixture `judge`; the embedded one if not given")
    parser.addini("judge_k", "votes of the fixture `judge`", default="4")
    parser.addini("judge_confidence", "share of the resampled votes that must agree")
    parser.addini(
        "judge_cassette", "cassette of --judge-record and --judge-replay", default=_CASSETTE
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse two modes at once, and settings that are no numbers."""
    if config.getoption("judge_record") and config.getoption("judge_replay"):
        raise pytest.UsageError("--judge-record and --judge-replay exclude each other")
    numbers = (("judge_k", int, "a whole number"), ("judge_confidence", float, "a number"))
    for name, read, what in numbers:
        given = _setting(config, name)
        try:
            read(given or "1")
        except ValueError:
            raise pytest.UsageError(f"{name} must be {what}, got {given!r:.80}") from None


def _setting(config: pytest.Config, name: str) -> str:
    given = config.getoption(name)
    return str(config.getini(name) or "") if given is None else str(given)


@pytest.fixture(scope="session")
def judge(pytestconfig: pytest.Config) -> Iterator[BaseJudge]:
    """The judge of `--judge-model`, else of the setting `judge_model`, else the embedded one.

    Override it in conftest.py for any other judge: a panel, a verifier, a meta RM. Whatever a
    fixture of this name returns is recorded and replayed.
    """
    from deemster.judges import Judge  # noqa: PLC0415 - not at every start of pytest
    from deemster.runtime import run_sync  # noqa: PLC0415

    model = _setting(pytestconfig, "judge_model")
    k = int(_setting(pytestconfig, "judge_k"))
    made = Judge(model, k=k) if model else Judge(k=k)
    yield made
    run_sync(made.aclose())


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Put the cassette between the fixture `judge` and its models."""
    made = yield
    config = request.config
    recording = config.getoption("judge_record") or config.getoption("judge_replay")
    if fixturedef.argname == "judge" and recording and "deemster.judges.base" in sys.modules:
        from deemster.judges.base import BaseJudge  # noqa: PLC0415

        if isinstance(made, BaseJudge):
            fixturedef.addfinalizer(_on_cassette(made, config))
    return made


def _on_cassette(judge: BaseJudge, config: pytest.Config) -> Callable[[], None]:
    """Wrap the backends of a judge; what is returned unwraps and closes."""
    from deemster.backends import RecordBackend, ReplayBackend  # noqa: PLC0415
    from deemster.runtime import run_sync  # noqa: PLC0415

    path = Path(_setting(config, "judge_cassette"))
    path = path if path.is_absolute() else config.rootpath / path
    replay = config.getoption("judge_replay")
    inner: dict[int, Backend] = {}
    made: dict[int, Backend] = {}

    def wrap(backend: Backend) -> Backend:
        if id(backend) in inner:
            return backend  # of a judge that is a member twice
        if id(backend) not in made:
            wrapped: Backend = (
                ReplayBackend(path, model=backend.name) if replay else RecordBackend(backend, path)
            )
            made[id(backend)] = wrapped
            inner[id(wrapped)] = backend
        return made[id(backend)]

    def undo() -> None:
        judge.wrap_backends(lambda backend: inner.get(id(backend), backend))
        for wrapped in made.values():
            run_sync(wrapped.aclose())

    judge.wrap_backends(wrap)
    return undo


@dataclass(frozen=True)
class AssertJudged:
    """What the fixture `assert_judged` is.

    Attributes:
        judge: the fixture `judge`.
        confidence: where a call gives none.
        properties: of the test; the figures are added to them.
    """

    judge: BaseJudge
    confidence: float | None
    properties: Properties

    def __call__(
        self,
        query: QueryLike,
        response: ResponseLike,
        *,
        at_least: float,
        principles: PrinciplesLike | None = None,
        reference: ReferenceLike | None = None,
        confidence: float | None = None,
    ) -> Verdict:
        """Fail the test unless the response's mean score is at least `at_least`.

        Args:
            query: what was answered.
            response: the output under test.
            at_least: on the judge's own scale, 1 to 10 for most.
            principles: what to judge by, in place of the judge's own.
            reference: a gold answer.
            confidence: share of the resampled votes that must reach `at_least` too, 0 to 1.

        Raises:
            AssertionError: it is lower, or the votes leave it too open; the message has the votes.
            UnscoredError: no verdict: too few votes are valid. The response is not to blame.
            InputError: it cannot be judged so.
        """
        __tracebackhide__ = True
        from deemster.integrations.asserting import reaches  # noqa: PLC0415

        verdict = self.judge.score_sync(
            query, [response], reference=reference, principles=principles
        )
        _check_scored(verdict, self.properties)
        asked = self.confidence if confidence is None else confidence
        outcome = reaches(verdict, at_least, confidence=asked)
        return _done(verdict, outcome, self.properties, query, {"response": response})


@dataclass(frozen=True)
class AssertBetter:
    """What the fixture `assert_better` is. Its attributes are those of `AssertJudged`."""

    judge: BaseJudge
    confidence: float | None
    properties: Properties

    def __call__(
        self,
        query: QueryLike,
        response: ResponseLike,
        *,
        than: ResponseLike,
        principles: PrinciplesLike | None = None,
        reference: ReferenceLike | None = None,
        confidence: float | None = None,
        or_equal: bool = False,
    ) -> Verdict:
        """Fail the test unless the judge prefers the response to `than`.

        The judge sees the two in both orders, if it draws 2 votes or more.

        Args:
            query: what was answered.
            response: the output under test.
            than: the output it must beat.
            principles: what to judge by, in place of the judge's own.
            reference: a gold answer.
            confidence: the least confidence of the verdict, 0 to 1.
            or_equal: whether a tie will do.

        Raises:
            AssertionError: it is not better; the message has the votes.
            UnscoredError: no verdict.
            InputError: it cannot be judged so.
        """
        __tracebackhide__ = True
        from deemster.integrations.asserting import better  # noqa: PLC0415

        both = [response, than]
        verdict = self.judge.score_sync(query, both, reference=reference, principles=principles)
        _check_scored(verdict, self.properties)
        asked = self.confidence if confidence is None else confidence
        outcome = better(verdict, confidence=asked, or_equal=or_equal)
        return _done(verdict, outcome, self.properties, query, {"response": response, "than": than})


@pytest.fixture
def assert_judged(
    judge: BaseJudge, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> AssertJudged:
    """`assert_judged(query, response, at_least=7)`; see `AssertJudged`."""
    return AssertJudged(judge, _confidence(pytestconfig), request.node.user_properties)


@pytest.fixture
def assert_better(
    judge: BaseJudge, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> AssertBetter:
    """`assert_better(query, new, than=old)`; see `AssertBetter`."""
    return AssertBetter(judge, _confidence(pytestconfig), request.node.user_properties)


def _confidence(config: pytest.Config) -> float | None:
    given = _setting(config, "judge_confidence")
    return float(given) if given else None


def _check_scored(verdict: Verdict, properties: Properties) -> None:
    __tracebackhide__ = True
    if not verdict.is_scored:
        properties += [
            (f"{_PREFIX}unscored", 1),
            (f"{_PREFIX}votes", len(verdict.votes)),
            (f"{_PREFIX}valid_votes", verdict.n_valid),
            (f"{_PREFIX}calls", verdict.usage.calls),
        ]
    verdict.raise_if_unscored()


def _done(
    verdict: Verdict,
    outcome: Outcome,
    properties: Properties,
    query: QueryLike,
    responses: dict[str, ResponseLike],
) -> Verdict:
    """Note the figures; the verdict, or the failure with its votes."""
    __tracebackhide__ = True
    from deemster.integrations.asserting import explain  # noqa: PLC0415
    from deemster.schemas import as_query, as_response  # noqa: PLC0415

    properties += [(f"{_PREFIX}{name}", value) for name, value in outcome.figures.items()]
    if verdict.warnings:
        properties.append((f"{_PREFIX}warning", verdict.warnings[0]))
    if not outcome.problem:
        return verdict
    texts = {"query": as_query(query)[-1].text}
    texts.update((what, as_response(response).text) for what, response in responses.items())
    raise AssertionError(explain(outcome.problem, verdict, texts))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What judging took, over all tests; from the reports, which workers of xdist send too."""
    sums: dict[str, float] = defaultdict(float)
    warnings: Counter[str] = Counter()
    tests: dict[str, Properties] = {}
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        # A subtest's report, and one of an earlier try, has what the test had noted so far.
        if getattr(report, "when", "") == "call":
            known = tests.get(report.nodeid, [])
            tests[report.nodeid] = max(known, report.user_properties, key=len)
    for properties in tests.values():
        _add(properties, sums, warnings)
    judged = sums["judged"] + sums["unscored"]
    if not judged:
        return
    line = (
        f"{judged:g} judged by deemster, {sums['unscored']:g} without a verdict; "
        f"{sums['votes']:g} votes, {sums['votes'] - sums['valid_votes']:g} of them failed; "
        f"{sums['calls']:g} calls" + (f", ${sums['cost']:.4f}" if sums["cost"] else "")
    )
    terminalreporter.write_sep("-", "judge")
    terminalreporter.write_line(line)
    for warning, times in warnings.most_common(3):
        terminalreporter.write_line(f"warning ({times} times): {warning}")


def _add(
    properties: list[tuple[str, object]], sums: dict[str, float], warnings: Counter[str]
) -> None:
    for name, value in properties:
        what = name.removeprefix(_PREFIX)
        if name == f"{_PREFIX}warning":
            warnings[str(value)] += 1
        elif name.startswith(_PREFIX) and isinstance(value, int | float):
            sums[what] += value
            sums["judged"] += what in {"score", "margin"}
