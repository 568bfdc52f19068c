"""The clients that are measured beside each other, and what each of them does for a vote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLIENTS = Path(__file__).parent / "clients"
_PHRASE = "the answer names the rule and shows on an example how it is applied in practice "
_CRITIQUE = f"Response 1: {_PHRASE * 4}. Response 2: {_PHRASE * 4}."
GRM = (
    "Specific Criteria:\n1. Accuracy (Weight: 60%): whether what it says is so.\n"
    "2. Clarity (Weight: 40%): whether a reader can follow.\n\nAnalysis:\n"
    f"**Response 1:** {_PHRASE * 4}\n\n**Response 2:** {_PHRASE * 4}\n\n"
    "Scores: \\boxed{8, 5}"
)
"""The text that every client gets that can read it; the others get it in a format of theirs."""


@dataclass(frozen=True)
class Peer:
    """A client."""

    name: str
    client: str
    """Its file in `clients/`, without `.py`."""

    requirements: tuple[str, ...]
    """What is installed for it, pinned; none: it runs in the environment of deemster."""

    reply: str
    """The text that the server answers with."""

    does: str
    """For the page: what it judges, and what is in a vote beside the request."""

    folder: Path = CLIENTS
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def script(self) -> Path:
        """Its file."""
        return self.folder / f"{self.client}.py"


_LITELLM = "litellm==1.106.2"
_OURS_JSON = json.dumps(
    {
        "principles": [
            {"name": "Accuracy", "description": "whether what it says is so", "weight": 60},
            {"name": "Clarity", "description": "whether a reader can follow", "weight": 40},
        ],
        "critiques": [
            {"text": _PHRASE * 4, "scores": [8, 8]},
            {"text": _PHRASE * 4, "scores": [5, 6]},
        ],
        "scores": [8, 5],
    }
)
_PLAIN = "a pair; the prompt is one f-string, the text is looked into, nothing is parsed"

PEERS = (
    Peer("bare aiohttp", "bare_aiohttp", ("aiohttp==3.14.5",), GRM, f"{_PLAIN}; no retries"),
    Peer(
        "openai", "openai_sdk", ("openai==3.57.0",), GRM, f"{_PLAIN}; the reply becomes an object, "
        "retries",
    ),
    Peer(
        "openai over aiohttp", "openai_aiohttp", ("openai[aiohttp]==3.57.0",), GRM,
        "the same with the transport that its documentation advises for many requests at a time",
    ),
    Peer("litellm", "litellm_alone", (_LITELLM,), GRM, f"{_PLAIN}; the reply becomes an object, "
         "cost and callbacks"),
    Peer(
        "litellm + instructor", "litellm_instructor", (_LITELLM, "instructor==1.17.0"),
        json.dumps({"critique": _CRITIQUE, "scores": [8, 5]}),
        "a pair; the prompt is one f-string; the reply is JSON by a schema, read into a pydantic "
        "model; asked again if it does not fit",
    ),
    Peer(
        "py-openjudge", "open_judge", ("py-openjudge==0.2.4",),
        json.dumps({"reason": _CRITIQUE, "rank": [1, 2]}),
        "a pair; its templates, its grading runner; JSON by a schema, read into a pydantic model; "
        "retries",
    ),
    Peer(
        "autorubric", "auto_rubric", ("autorubric==1.6.1", _LITELLM),
        json.dumps({"explanation": _CRITIQUE, "criterion_status": "MET"}),
        "one response by a rubric of one criterion, so one request; its prompt; JSON by a schema, "
        "read into a pydantic model; cost, retries",
    ),
    Peer(
        "verdict", "verdict_pairs", ("verdict==0.2.7", "litellm==1.74.9"),
        json.dumps({"explanation": _CRITIQUE, "choice": "A"}),
        "a pair; its templates, its graph and threads; a tool call by instructor, read into a "
        "pydantic model; one log file a run; its limiter is off",
    ),
    Peer(
        "inspect-ai", "inspect_graded", ("inspect-ai==0.3.285", "openai==3.57.0"),
        f"{_CRITIQUE}\n\nGRADE: C",
        "one response against a reference; its prompt, its scorer with a regular expression; "
        "retries, and **every prompt and reply in a log** that can be read later",
    ),
    Peer(
        "deemster, `grm`", "deemster_judge", (), GRM,
        "a pair, one vote in one order; its prompt with fences around untrusted text; principles, "
        "critiques and scores parsed from text; retries, cost, confidence",
        environ={"DEEMSTER_BENCH_DIALECT": "grm"},
    ),
    Peer(
        "deemster, `json`", "deemster_judge", (), _OURS_JSON,
        "the same with JSON by a schema",
        environ={"DEEMSTER_BENCH_DIALECT": "json"},
    ),
)  # fmt: skip
