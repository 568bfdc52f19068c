"""What a dry run says is what a server is asked: through HTTP, by the server's own account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deemster.suites.loading import load_suite
from deemster.suites.planning import plan_suite
from deemster.suites.runner import run_suite
from deemster.suites.store import RunStore
from deemster.testing import Call, OpenAIServer

HEAD = """name: mine
data:
  - samples:
      - {query: q1, responses: ["yes", "no"], reference: "yes", ground_truth: [1, 0]}
      - {query: q2, responses: ["no", "yes"], reference: "yes", ground_truth: [0, 1]}
      - {query: q3, responses: [maybe, perhaps], reference: "yes", ground_truth: [1, 0]}
judges:
"""
A = "  - {name: a, model: openai/a, k: 4, options: *server}\n"
B = "  - {name: b, model: openai/b, k: 4, options: *server}\n"

SUITES = {
    # name: (judges, requests and shared requests by judge)
    "one": (A, {"a": (6, 0)}),
    "a-panel-of-two-judges": (
        A + B + "  - {name: p, members: [a, b]}\n",
        {"a": (6, 0), "b": (6, 0), "p": (0, 12)},
    ),
    "more-votes-of-the-same-model": (
        A + "  - {name: more, model: openai/a, k: 8, options: *server}\n",
        {"a": (6, 0), "more": (6, 0)},  # half of the draws of each request are bought already
    ),
    "principles-ahead": (
        "  - {name: ahead, model: openai/a, k: 2, principles: ahead, options: *server}\n",
        {"ahead": (9, 0)},
    ),
    "prompted-meta-rm": (
        A + "  - {name: meta, model: openai/a, k: 4, meta_rm: openai/a, options: *server}\n",
        {"a": (6, 0), "meta": (12, 6)},
    ),
    "cascade-of-a-verifier-and-a-panel": (
        A
        + """  - name: cheap first
    type: cascade
    thresholds: 0.9
    members:
      - {name: facts, type: verifier, checks: [exact-match]}
      - {type: panel, members: [a, {name: b, model: openai/b, k: 2, options: *server, tool: f}]}
  - {name: f, type: verifier, checks: [{check: matches, pattern: "^(yes|no)$"}]}
""",
        {"a": (6, 0), "cheap first": (6, 6), "f": (0, 0)},
    ),
    "debate-that-goes-on": (
        "  - {name: d, type: debate, rounds: 2, members: [a, b]}\n" + A + B,
        {"d": (24, 0), "a": (0, 6), "b": (0, 6)},
    ),
}


def answer(call: Call, _choice: int) -> str:
    """Judges of a and b never agree; principles and checks of the meta RM have their own form."""
    if "The judge's work" in call.query:
        return "Score: \\boxed{80}"
    if "response_format" in call.body or "tools" in call.body:
        made = [{"name": name, "description": "d", "weight": 10} for name in ("A", "B", "C")]
        return json.dumps({"principles": made})
    first = call.query.find("RESPONSE 1")
    shown = call.query[first : call.query.find("<<<END", first)]
    high_first = (call.body["model"] == "a") == (("yes" in shown) or ("maybe" in shown))
    return f"Scores: \\boxed{{{'9, 1' if high_first else '1, 9'}}}"


@pytest.mark.parametrize("name", SUITES)
async def test_the_plan_is_what_the_server_is_asked(
    name: str,
    openai_server: Callable[..., OpenAIServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judges, expected = SUITES[name]
    server = openai_server(answer)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    options = f"{{api_base: '{server.url}', api_key: none}}"
    path = tmp_path / "suite.yaml"
    text = HEAD + judges
    path.write_text(text.replace("*server", f"&server {options}", 1), encoding="utf-8")
    suite = load_suite(path)
    plans = plan_suite(suite)
    assert {plan.judge: (plan.requests, plan.shared) for plan in plans} == expected
    result = await run_suite(suite, tmp_path / "run")
    assert result.unscored == 0
    planned = sum(plan.requests for plan in plans)
    assert server.ledger.hits == planned
    assert sum(one.calls for one in result.spent.values()) == planned
    for plan in plans:
        assert result.spent[plan.judge].calls == plan.requests, plan.judge
        assert result.spent[plan.judge].tokens_out <= plan.tokens_out
    written = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert {key: one["calls"] for key, one in written["spent"].items()} == {
        key: one[0] for key, one in expected.items()
    }
    with RunStore(tmp_path / "run") as store:
        assert store.spent(0) == result.spent[plans[0].judge]
    again = await run_suite(suite, tmp_path / "run", resume=True)
    assert again.spent == result.spent
    assert server.ledger.hits == planned
