from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.training.fakes_training import SHOWN, grm_text, json_text, noisy_judge, noisy_scores

from deemster.backends import FakeBackend, Request
from deemster.backends.fake import Reply
from deemster.dialects import open_dialect
from deemster.errors import BackendError, BackendTimeout, InputError, RefusedError
from deemster.judges import Cascade, Case, Debate, Judge, Panel
from deemster.judges.verifier import ExactMatch, Verifier
from deemster.schemas import Sample, Verdict
from deemster.training.outcome import is_correct
from deemster.training.prompts import training_messages
from deemster.training.rejection import reject
from deemster.training.rollouts import RolloutFile
from deemster.training.sampling import sample_rollouts

ROOT = Path(__file__).parents[2]


def pair(number: int, *, labelled: bool = True) -> Sample:
    return Sample.model_validate(
        {
            "id": f"s{number}",
            "query": f"Question number {number}?",
            "responses": [f"wrong {number}", f"right {number}"],
            "ground_truth": (0, 1) if labelled else None,
        }
    )


def asked(backend: FakeBackend) -> Counter[str]:
    """How often each question was put, in draws."""
    found: Counter[str] = Counter()
    for request in backend.requests:
        text = request.messages[-1].text
        found[text[text.index("Question number") :].split("?")[0]] += request.n
    return found


@pytest.fixture
def out(tmp_path: Path) -> RolloutFile:
    return RolloutFile(tmp_path / "rollouts.jsonl")


async def test_trajectories_of_a_judge(out: RolloutFile) -> None:
    samples = [pair(i) for i in range(10)]
    backend = noisy_judge()
    judge = Judge(backend, k=2, seed=5, name="base judge")
    done = await sample_rollouts(judge, samples, n=3, out=out)
    assert (done.items, done.resumed) == (10, 0)
    assert done.counts == {"trajectories": 30, "unparseable": 0, "without text": 0}
    assert set(asked(backend).values()) == {3}
    rollouts = out.read()
    by_id = {sample.id: sample for sample in samples}
    sent = {request.messages for request in backend.requests}
    for rollout in rollouts:
        sample = by_id[rollout.sample_id]
        assert rollout.scores is not None
        assert rollout.correct is is_correct(rollout.scores, (0, 1))
        assert rollout.messages in sent  # to the letter
        assert rollout.messages == training_messages(
            sample, judge.dialect, order=rollout.order, seed=5
        )
        assert (rollout.stage, rollout.hinted) == ("base judge", False)
    assert len({(r.sample_id, r.seed) for r in rollouts}) == 30
    assert {r.correct for r in rollouts} == {True, False}
    orders = Counter(r.order for r in rollouts)
    assert abs(orders[0, 1] - orders[1, 0]) <= 10  # balanced, up to one draw a sample


async def test_a_panel_gives_those_of_every_member(out: RolloutFile) -> None:
    inner = Panel([Judge(noisy_judge("b"), k=2), Judge(noisy_judge("c"), k=4)])
    panel = Panel([Judge(noisy_judge("a"), k=2), inner])
    done = await sample_rollouts(panel, [pair(1), pair(2)], n=2, out=out)
    assert done.counts["trajectories"] == 12
    assert Counter(r.stage for r in out.read()) == {"a": 4, "b": 4, "c": 4}


async def test_finished_samples_are_not_drawn_again(out: RolloutFile) -> None:
    samples = [pair(i) for i in range(8)]
    await sample_rollouts(Judge(noisy_judge(), k=2), samples[:5], n=2, out=out)
    backend = noisy_judge()
    done = await sample_rollouts(Judge(backend, k=2), samples, n=2, out=out)
    assert (done.items, done.resumed) == (3, 5)
    assert set(asked(backend)) == {f"Question number {i}" for i in (5, 6, 7)}
    again = await sample_rollouts(Judge(FakeBackend([]), k=2), samples, n=2, out=out)
    assert (again.items, again.resumed) == (0, 8)


async def test_unanswered_draws_leave_the_sample_for_the_next_call(out: RolloutFile) -> None:
    down = True

    def script(request: Request, draw: int) -> Reply:
        late = down and draw == 1 and "number 2?" in request.messages[-1].text
        return BackendTimeout("late") if late else grm_text(noisy_scores(request, draw))

    judge = Judge(FakeBackend(script), k=2, orders="fixed")
    samples = [pair(i) for i in range(4)]
    done = await sample_rollouts(judge, samples, n=2, out=out)
    assert (done.items, done.counts["failed"], done.first_failure) == (3, 1, "late")
    assert out.done_ids() == {"s0", "s1", "s3"}
    down = False
    done = await sample_rollouts(judge, samples, n=2, out=out)
    assert (done.items, done.resumed) == (1, 3)


async def test_refusals_and_bad_text(out: RolloutFile) -> None:
    replies: list[Reply] = [grm_text([1, 9]), RefusedError("no"), "no scores here"]
    judge = Judge(FakeBackend(replies), k=3, orders="fixed")
    done = await sample_rollouts(judge, [pair(1)], n=3, out=out)
    assert done.counts == {"trajectories": 2, "unparseable": 1, "without text": 1}
    good, bad = out.read()
    assert (good.scores, good.correct) == ((1, 9), True)
    assert (bad.completion, bad.scores, bad.correct) == ("no scores here", None, False)


async def test_nothing_drawn_is_an_error(out: RolloutFile) -> None:
    judge = Judge(FakeBackend(lambda _request, _draw: BackendError("no route")), k=2)
    with pytest.raises(BackendError, match="no trajectory could be drawn: no route"):
        await sample_rollouts(judge, [pair(1), pair(2)], n=2, out=out)


async def test_a_judge_that_raises_leaves_the_sample(out: RolloutFile) -> None:
    class Flaky(Verifier):
        async def _judge(self, case: Case) -> Verdict:
            if "number 1?" in case.query[-1].text:
                raise BackendTimeout("late")
            return await super()._judge(case)

    samples = [pair(i).model_copy(update={"reference": "right"}) for i in range(3)]
    done = await sample_rollouts(Flaky([ExactMatch()]), samples, n=1, out=out)
    assert (done.items, done.counts["failed"], done.first_failure) == (2, 1, "late")


async def test_without_labels_nothing_is_called_correct(out: RolloutFile) -> None:
    await sample_rollouts(Judge(noisy_judge(), k=2), [pair(1, labelled=False)], n=2, out=out)
    assert [r.correct for r in out.read()] == [None, None]


async def test_hinted_prompts_name_the_best_and_are_not_trained_on(out: RolloutFile) -> None:
    backend = noisy_judge()
    judge = Judge(backend, k=2)
    samples = [pair(i) for i in range(4)]
    await sample_rollouts(judge, samples, n=2, out=out, hinted=True, stage="teacher")
    for request in backend.requests:
        text = request.messages[-1].text
        shown = SHOWN.findall(text)
        place = next(i for i, response in enumerate(shown, 1) if "right" in response)
        assert text.count(f"Response {place} is the best one") == 1
    for rollout in out.read():
        assert rollout.hinted
        assert rollout.stage == "teacher"
        assert "is the best one" not in rollout.messages[-1].text


async def test_a_judge_that_answers_in_json_teaches_one_that_writes(out: RolloutFile) -> None:
    backend = FakeBackend(lambda request, draw: json_text(noisy_scores(request, draw)))
    teacher = Judge(backend, k=2, dialect="json")
    student = open_dialect("grm")
    done = await sample_rollouts(teacher, [pair(1), pair(2)], n=2, out=out, dialect=student)
    assert done.counts == {"trajectories": 4, "unparseable": 0, "without text": 0}
    for rollout in out.read():
        assert rollout.scores is not None
        shown = ", ".join(f"{rollout.scores[i]:g}" for i in rollout.order)
        assert f"- Response 1: it is worth {rollout.scores[rollout.order[0]]:g}, no more" in (
            rollout.completion
        )
        assert rollout.completion.startswith("Specific Criteria:\n1. Correctness (weight: 100%)")
        assert rollout.completion.endswith(f"Scores: \\boxed{{{shown}}}")


async def test_other_composites_give_the_votes_that_have_text(out: RolloutFile) -> None:
    cascade = Cascade(
        [Judge(noisy_judge("cheap"), k=2), Judge(noisy_judge("dear"), k=2)], thresholds=[1.0]
    )
    done = await sample_rollouts(cascade, [pair(1)], n=9, out=out, stage="teacher")
    assert done.counts["trajectories"] in (2, 4)
    # A debate does not keep the orders its texts speak of; a verifier writes no text.
    debate = Debate([Judge(noisy_judge("a")), Judge(noisy_judge("b"))])
    for silent in (debate, Verifier([ExactMatch()])):
        sample = pair(7).model_copy(update={"id": str(silent), "reference": "right 7"})
        done = await sample_rollouts(silent, [sample], n=1, out=out)
        assert done.counts["trajectories"] == 0
        assert done.counts["without text"] > 0


@pytest.mark.parametrize(
    ("judge", "sample", "options", "told"),
    [
        pytest.param(
            Judge(noisy_judge()), pair(1), {"n": 3}, "'fake' has temperature 0: its 3", id="greedy"
        ),
        pytest.param(Judge(noisy_judge()), pair(1), {"n": 0}, "n and in_flight must be", id="n"),
        pytest.param(
            Verifier([ExactMatch()]),
            pair(1),
            {"n": 1, "hinted": True},
            "hinted sampling needs judges of one model",
            id="hinted",
        ),
        pytest.param(
            Judge(noisy_judge()),
            pair(1, labelled=False),
            {"n": 1, "hinted": True},
            "sample 's1' has no ground_truth",
            id="no-label",
        ),
        pytest.param(
            Judge(noisy_judge()),
            Sample.model_validate(
                {"id": "x", "query": "q", "responses": ["right"], "ground_truth": (1,)}
            ),
            {"n": 1},
            "dialect 'grm' scores a single response from 1 to 10, .*'grm:binary'",
            id="scale",
        ),
    ],
)
async def test_bad_input(
    out: RolloutFile, judge: Judge, sample: Sample, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told) as caught:
        await sample_rollouts(judge, [sample], out=out, **options)
    assert "\n" not in str(caught.value)


async def test_ids_must_differ(out: RolloutFile) -> None:
    with pytest.raises(InputError, match="sample id 's1' occurs twice"):
        await sample_rollouts(Judge(noisy_judge()), [pair(1), pair(1)], n=1, out=out)


async def test_from_sampling_to_rejection(tmp_path: Path) -> None:
    samples = [pair(i) for i in range(30)]
    judge = Judge(noisy_judge(), k=2)
    plain, hinted = RolloutFile(tmp_path / "plain.jsonl"), RolloutFile(tmp_path / "hinted.jsonl")
    await sample_rollouts(judge, samples, n=3, out=plain, stage="base")
    await sample_rollouts(judge, samples, n=1, out=hinted, stage="base", hinted=True)
    found = reject([*plain.read(), *hinted.read()], samples)
    assert found.counts["trajectories"] == 120
    assert 0 < found.counts["kept_hinted"] <= 30
    assert all(rollout.correct for rollout in found.kept)


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.training.test_sample_rollouts import noisy_judge, pair
from deemster.judges import Judge, Panel
from deemster.training.rollouts import RolloutFile
from deemster.training.sampling import sample_rollouts

panel = Panel([Judge(noisy_judge(name, wait=0.01), k=2) for name in "ab"])
out = RolloutFile(Path(sys.argv[1]))
samples = [pair(i) for i in range(int(sys.argv[2]))]
asyncio.run(sample_rollouts(panel, samples, n=2, out=out, in_flight=2))
"""
COUNT = 60


def kill_half_way(out: RolloutFile) -> None:
    """Sample with a panel in another process until a quarter is done, then SIGKILL it."""
    command = [sys.executable, "-c", KILLED, str(out.path), str(COUNT)]
    process = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 150
    while len(out.done_ids()) < COUNT // 4:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


async def test_a_panel_killed_half_way_goes_on(out: RolloutFile, tmp_path: Path) -> None:
    kill_half_way(out)
    before, kept = out.done_ids(), out.read()
    assert COUNT // 4 <= len(before) < COUNT

    backends = [noisy_judge(name) for name in "ab"]
    panel = Panel([Judge(backend, k=2) for backend in backends])
    samples = [pair(i) for i in range(COUNT)]
    done = await sample_rollouts(panel, samples, n=2, out=out)
    assert (done.items, done.resumed) == (COUNT - len(before), len(before))
    for backend in backends:
        drawn = {f"s{question.split()[-1]}" for question in asked(backend)}
        assert not drawn & before
        assert drawn | before == {sample.id for sample in samples}
    assert [rollout for rollout in out.read() if rollout.sample_id in before] == kept

    whole = RolloutFile(tmp_path / "whole.jsonl")
    await sample_rollouts(panel, samples[::-1], n=2, out=whole, in_flight=1)
    assert out.read() == whole.read()  # as if nothing had happened
