"""The shapes in which providers answer: what comes, and what must come out.

Each row is a test (tests/backends/test_provider_shapes.py) and a row of docs/providers.md, which
`python -m tests.support.provider_shapes` writes. The shapes are those of public bug reports and
of the providers' documentation, written anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deemster.errors import (
    BackendError,
    ContextLengthError,
    RateLimitError,
    RefusedError,
)
from deemster.testing import Raw

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


@dataclass(frozen=True)
class Shape:
    """Answers of a server, in order (the last one for ever), and what a judge gets."""

    name: str
    where: str
    """Providers and servers that answer so."""
    comes: str
    """In words, for the page."""
    does: str
    """In words, for the page."""
    replies: Sequence[Raw]
    text: str | None = None
    """Of the completion; None: an error comes out."""
    reasoning: str = ""
    finish: str = "stop"
    warns: str = ""
    """Part of a warning; empty: there is none."""
    tokens: tuple[int, int] | None = (7, 5)
    """Tokens in and out, of all attempts; None where no attempt reported any."""
    error: type[BackendError] | None = None
    says: str = ""
    """Part of the error."""
    hits: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    schema: bool = False
    sent: dict[str, Any] = field(default_factory=dict)
    """What stands in the last request, None for a parameter that does not."""


def answer(message: Any, *, usage: Any = USAGE, finish: Any = "stop", **more: Any) -> Raw:
    choice = {"index": 0, "message": message, "finish_reason": finish, **more}
    body = {"id": "x", "object": "chat.completion", "model": "judge", "choices": [choice]}
    return Raw(body if usage is None else {**body, "usage": usage})


def says(text: Any, **more: Any) -> Raw:
    return answer({"role": "assistant", "content": text}, **more)


def error(status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> Raw:
    return Raw({"error": {"message": message, **more}}, status, headers or {})


FINE = says("fine")
TOOL = {
    "type": "function",
    "function": {"name": "Scores", "arguments": '{"scores": [8, 3]}'},
}
OTHER_TOOL = {
    "type": "function",
    "function": {"name": "Scores", "arguments": '{"scores": [3, 8]}'},
}
THOUGHTS = [{"type": "text", "text": "let me see"}]

ANSWERS = [
    Shape(
        "plain", "all", "`content` is text", "the completion", [FINE], "fine",
    ),
    Shape(
        "parts", "Mistral, gateways", "`content` is a list of text parts", "joined",
        [says([{"type": "text", "text": "fi"}, {"type": "output_text", "text": "ne"}])], "fine",
    ),
    Shape(
        "thinking-parts", "Mistral (Magistral), Anthropic gateways",
        "a `thinking` part among the parts", "kept as reasoning, not in the text",
        [says([{"type": "thinking", "thinking": THOUGHTS}, {"type": "text", "text": "fine"}])],
        "fine", reasoning="let me see",
    ),
    Shape(
        "reasoning-content", "DeepSeek, vLLM, SGLang, xAI", "`reasoning_content` beside the text",
        "kept as reasoning",
        [answer({"role": "assistant", "content": "fine", "reasoning_content": "let me see"})],
        "fine", reasoning="let me see",
    ),
    Shape(
        "reasoning", "OpenRouter, Groq, vLLM from 0.12", "`reasoning` beside the text",
        "kept as reasoning",
        [answer({"role": "assistant", "content": "fine", "reasoning": "let me see"})],
        "fine", reasoning="let me see",
    ),
    Shape(
        "thinking", "Ollama", "`thinking` beside the text", "kept as reasoning",
        [answer({"role": "assistant", "content": "fine", "thinking": "let me see"})],
        "fine", reasoning="let me see",
    ),
    Shape(
        "reasoning-details", "OpenRouter", "`reasoning_details`, a list", "kept as reasoning",
        [answer({"content": "fine", "reasoning_details": [
            {"type": "reasoning.text", "text": "let me see"}]})],
        "fine", reasoning="let me see",
    ),
    Shape(
        "all-reasoned", "reasoning models", "`content` null, cut at `max_tokens` while reasoning",
        "no text, the reasoning is kept; says to raise `max_tokens`",
        [answer({"content": None, "reasoning_content": "hm"}, finish="length")],
        "", reasoning="hm", finish="length", warns="all 5 tokens went into reasoning; raise",
    ),
    Shape(
        "all-in-reasoning", "vLLM with a reasoning parser", "`content` empty, the answer in the "
        "reasoning", "no text; says how to read the reasoning",
        [answer({"content": "", "reasoning_content": "8 and 3"})],
        "", reasoning="8 and 3", warns="reasoning_as_answer=True",
    ),
    Shape(
        "reasoning-asked-for", "vLLM with a reasoning parser", "the same, `reasoning_as_answer`",
        "the reasoning is the answer",
        [answer({"content": "", "reasoning_content": "8 and 3"})],
        "8 and 3", reasoning="8 and 3", options={"reasoning_as_answer": True},
    ),
    Shape(
        "no-role", "llama.cpp forks", "a message without role", "read",
        [answer({"content": "fine"})], "fine",
    ),
    Shape(
        "text-choice", "old servers", "`text` in place of a message", "read",
        [Raw({"choices": [{"text": "fine", "index": 0}], "usage": USAGE})], "fine",
    ),
    Shape(
        "no-index", "gateways", "choices without index, `finish_reason` null", "read in order",
        [Raw({"choices": [{"message": {"content": "fine"}, "finish_reason": None}],
              "usage": USAGE})],
        "fine",
    ),
    Shape(
        "odd-finish", "Together (`eos`), Cohere (`COMPLETE`)", "another `finish_reason`", "read",
        [says("fine", finish="eos")], "fine",
    ),
    Shape(
        "surrogate", "all", "half of an emoji", "U+FFFD in its place",
        [Raw(b'{"choices": [{"message": {"content": "fine \\ud83d"}}], "usage": '
             b'{"prompt_tokens": 7, "completion_tokens": 5}}')],
        "fine \ufffd",
    ),
    Shape(
        "empty", "Gemini, vLLM, OpenRouter", "an empty completion", "asked for again",
        [says(""), FINE], "fine", hits=2, tokens=(14, 10),
    ),
    Shape(
        "null", "Gemini", "`content` null and nothing else", "asked for again",
        [says(None), FINE], "fine", hits=2, tokens=(14, 10),
    ),
    Shape(
        "always-empty", "Gemini", "nothing but empty completions", "an error, all tokens counted",
        [says("  ")], error=BackendError, says="no text", hits=3, tokens=(21, 15),
        options={"retries": 3},
    ),
    Shape(
        "choice-error", "OpenRouter", "`choices[0].error`", "asked for again",
        [answer({"content": ""}, finish="error", error={"code": 502, "message": "upstream gone"}),
         FINE],
        "fine", hits=2, tokens=(14, 10),
    ),
    Shape(
        "finish-error", "OpenRouter", "`finish_reason: error`, half a text", "asked for again",
        [says("fi", finish="error"), FINE], "fine", hits=2, tokens=(14, 10),
    ),
    *(
        Shape(
            f"broken-{where.lower()}", where, f"`finish_reason: {shown}`, half a text",
            "asked for again", [says("fi", finish=finish), FINE], "fine", hits=2, tokens=(14, 10),
        )
        for where, finish, shown in [
            ("DeepSeek", "insufficient_system_resource", "insufficient_system_resource"),
            ("vLLM", "abort", "abort"),
            ("SGLang", {"type": "abort", "message": "gone"}, '{"type": "abort", …}'),
        ]
    ),
    *(
        Shape(
            f"cut-{where.lower()}", where, f"`finish_reason: {shown}`",
            "read as cut at `max_tokens`", [says("Scores", finish=finish)], "Scores",
            finish="length",
        )
        for where, finish, shown in [
            ("Mistral", "model_length", "model_length"),
            ("Gemini", "MAX_TOKENS", "MAX_TOKENS"),
            ("vLLM", "repetition", "repetition"),
            ("SGLang", {"type": "length", "length": 20}, '{"type": "length", …}'),
        ]
    ),
    Shape(
        "error-200", "OpenRouter", "status 200, `error` in place of choices", "by its code",
        [Raw({"error": {"message": "slow", "code": 429}}), FINE], "fine", hits=2,
    ),
    Shape(
        "error-200-final", "OpenRouter", "status 200, `error` with code 400", "an error, not sent "
        "again", [Raw({"error": {"message": "wrong", "code": 400}})],
        error=BackendError, says="HTTP 400: wrong", tokens=None,
    ),
    Shape(
        "no-choices", "gateways", "usage, but no choices", "counted as spent, asked for again",
        [Raw({"choices": [], "usage": USAGE}), FINE], "fine", hits=2, tokens=(14, 10),
    ),
    Shape(
        "null-choices", "gateways", "`choices` null", "asked for again",
        [Raw({"choices": None}), FINE], "fine", hits=2,
    ),
    Shape(
        "html", "proxies", "200 and a page of HTML", "asked for again",
        [Raw(b"<html>Welcome</html>"), FINE], "fine", hits=2,
    ),
    Shape(
        "refusal", "OpenAI", "`refusal`", "refused",
        [answer({"content": None, "refusal": "I cannot judge this"})],
        error=RefusedError, says="I cannot judge this",
    ),
    Shape(
        "filter", "OpenAI, Azure, Gemini", "`finish_reason: content_filter`", "refused",
        [says("", finish="content_filter")], error=RefusedError, says="content filter",
    ),
    *(
        Shape(
            f"filter-{name}", "Gemini", f"`finish_reason: {finish}`", "refused",
            [says("Sco", finish=finish)], error=RefusedError, says="content filter",
        )
        for name, finish in [
            ("safety", "SAFETY"), ("recitation", "content_filter: RECITATION"),
            ("prohibited", "PROHIBITED_CONTENT"),
        ]
    ),
    Shape(
        "tool", "all", "a tool call", "its arguments",
        [answer({"content": None, "tool_calls": [TOOL]}, finish="tool_calls")],
        '{"scores": [8, 3]}', schema=True, options={"structured": "tools"},
    ),
    Shape(
        "tool-object", "Ollama, vLLM forks", "a tool call, arguments as an object", "its arguments",
        [answer({"content": "", "tool_calls": [
            {"function": {"name": "Scores", "arguments": {"scores": [8, 3]}}}]})],
        '{"scores": [8, 3]}', schema=True, options={"structured": "tools"},
    ),
    Shape(
        "same-tool-twice", "vLLM", "the same tool call twice", "one",
        [answer({"content": None, "tool_calls": [TOOL, TOOL]})],
        '{"scores": [8, 3]}', schema=True, options={"structured": "tools"},
    ),
    Shape(
        "two-tools", "all", "two tool calls that differ", "both, so that the vote is ambiguous",
        [answer({"content": None, "tool_calls": [TOOL, OTHER_TOOL]})],
        '{"scores": [8, 3]}\n{"scores": [3, 8]}', schema=True, options={"structured": "tools"},
    ),
    Shape(
        "bad-schema", "models without constrained decoding", "JSON that does not match the schema",
        "asked again once, with the error shown; both are paid for",
        [says('{"scores": ["eight", 3]}'), says('{"scores": [8, 3]}')],
        '{"scores": [8, 3]}', warns="did not match the schema", schema=True, hits=2,
        tokens=(14, 10),
    ),
    Shape(
        "cut-schema", "all", "JSON that was cut at `max_tokens`", "not asked again",
        [says('{"scores": [8', finish="length")], '{"scores": [8', finish="length", schema=True,
    ),
    Shape(
        "no-usage", "proxies", "no usage", "the answer is kept, its tokens are unknown",
        [says("fine", usage=None)], "fine", tokens=None,
    ),
    *(
        Shape(
            f"usage-{name}", "gateways", f"{words} in the usage",
            "the answer is kept, its tokens are unknown",
            [says("fine", usage={"prompt_tokens": value, "completion_tokens": 5})],
            "fine", tokens=None,
        )
        for name, words, value in [
            ("null", "null", None), ("negative", "a negative count", -1),
            ("fraction", "a fraction", 6.5), ("text", "text", "7"), ("bool", "true", True),
        ]
    ),
    Shape(
        "usage-float", "Java gateways", "`7.0` in the usage", "7",
        [says("fine", usage={"prompt_tokens": 7.0, "completion_tokens": 5.0})], "fine",
    ),
    Shape(
        "prompt-cut", "Ollama, llama.cpp, LM Studio", "far fewer prompt tokens than the prompt has",
        "the vote carries a warning: the server cut the prompt",
        [says("fine", usage={"prompt_tokens": 2, "completion_tokens": 5})],
        "fine", tokens=(2, 5), warns="probably cut the prompt",
    ),
]  # fmt: skip

REFUSED_PARAMETERS = [
    Shape(
        "temperature", "OpenAI o1, o3, gpt-5", "400 naming `temperature`",
        "dropped; the vote warns and records what was sent",
        [error(400, "Unsupported value: 'temperature' does not support 0.5 with this model. Only "
                    "the default (1) value is supported.", param="temperature",
               code="unsupported_value"), FINE],
        "fine", hits=2, warns="does not take temperature=0.5", sent={"temperature": None},
    ),
    Shape(
        "max-tokens", "OpenAI o1, o3, gpt-5", "400: use `max_completion_tokens`", "renamed",
        [error(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                    "'max_completion_tokens' instead.", param="max_tokens"), FINE],
        "fine", hits=2, sent={"max_tokens": None, "max_completion_tokens": 2048},
    ),
    Shape(
        "no-limit", "old gateways", "400 for either name of `max_tokens`", "neither is sent; the "
        "vote warns",
        [error(400, "max_tokens is not supported, use max_completion_tokens"),
         error(400, "max_completion_tokens is not supported, use max_tokens"), FINE],
        "fine", hits=3, warns="does not take max_completion_tokens=2048",
        sent={"max_tokens": None, "max_completion_tokens": None},
    ),
    Shape(
        "max-tokens-too-large", "OpenAI, Groq, Together", "400: `max_tokens` above the model's",
        "lowered to it; the vote warns",
        [error(400, "max_tokens is too large: 2048. This model supports at most 1024 completion "
                    "tokens", param="max_tokens"), FINE],
        "fine", hits=2, warns="takes max_tokens up to 1024", sent={"max_tokens": 1024},
    ),
    Shape(
        "seed", "Mistral, Cohere", "422 naming `seed` as an extra field", "dropped; the vote warns",
        [Raw({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"],
                          "msg": "Extra inputs are not permitted"}]}, 422), FINE],
        "fine", hits=2, warns="does not take seed=", sent={"seed": None},
    ),
    Shape(
        "top-p", "Anthropic gateways", "400: `temperature` and `top_p` not both",
        "the first named is dropped",
        [error(400, "`top_p` cannot be specified together with `temperature` for this model"),
         FINE],
        "fine", hits=2, warns="does not take top_p=0.9", sent={"top_p": None, "temperature": 0.5},
        sampling={"top_p": 0.9},
    ),
    Shape(
        "stop", "xAI, OpenAI o3", "400 naming `stop`", "dropped; the vote warns",
        [error(400, "Unsupported parameter: 'stop' is not supported with this model.",
               param="stop"), FINE],
        "fine", hits=2, warns="does not take stop=['END']", sent={"stop": None},
        sampling={"stop": ("END",)},
    ),
    Shape(
        "response-format", "DeepSeek, old vLLM", "400 naming `response_format`",
        "the schema is asked for by a tool call instead",
        [error(400, "This response_format type is unavailable now"),
         answer({"content": None, "tool_calls": [TOOL]})],
        '{"scores": [8, 3]}', hits=2, schema=True, sent={"response_format": None},
    ),
    Shape(
        "system", "Gemma, o1-mini", "400: no system role", "its text goes before the first user "
        "turn's; the vote warns",
        [error(400, "System role not supported"), FINE],
        "fine", hits=2, warns="no system message",
    ),
    Shape(
        "openrouter-parameters", "OpenRouter", "404: no endpoint supports a parameter", "dropped",
        [error(404, "No endpoints found that support the provided 'seed' value", code=404), FINE],
        "fine", hits=2, warns="does not take seed=", sent={"seed": None},
    ),
    Shape(
        "unnamed", "all", "400 that names no parameter", "an error, not sent again",
        [error(400, "your request is unknown to us")], error=BackendError, says="HTTP 400",
        tokens=None,
    ),
    Shape(
        "prompt-too-long", "vLLM", "400: `max_tokens` and prompt above the context",
        "an error, nothing is dropped",
        [error(400, "'max_tokens' is too large: 2048. This model's maximum context length is 4096 "
                    "tokens and your request has 3000 input tokens")],
        error=ContextLengthError, says="maximum context length", tokens=None,
    ),
]  # fmt: skip

GEMINI_429 = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.2s"},
        ],
    }
}

LIMITS = [
    Shape(
        "gemini", "Gemini", '429, "exceeded your current quota … billing", `RetryInfo`',
        "waits as long as it says", [Raw([GEMINI_429], 429), FINE], "fine", hits=2,
    ),
    Shape(
        "openai-tpm", "OpenAI", '429, tokens a minute, "try again in 120ms"', "waits so long",
        [error(429, "Rate limit reached for gpt-5 on tokens per min (TPM): Limit 9. Please try "
                    "again in 120ms. Visit the billing page to raise it.",
               code="rate_limit_exceeded"),
         FINE],
        "fine", hits=2,
    ),
    Shape(
        "groq", "Groq", '429, "try again in 0.2s", a word about upgrading', "waits so long",
        [error(429, "Rate limit reached for model `x` on requests per minute (RPM). Please try"
                    " again in 0.2s. Need more? Upgrade at console.groq.com/billing"), FINE],
        "fine", hits=2,
    ),
    Shape(
        "retry-after", "all", "429, `Retry-After`", "all callers of the key wait so long",
        [error(429, "slow", {"Retry-After": "0.2"}), FINE], "fine", hits=2,
    ),
    Shape(
        "retry-after-ms", "Azure, OpenAI", "429, `retry-after-ms`", "the same",
        [error(429, "slow", {"retry-after-ms": "200"}), FINE], "fine", hits=2,
    ),
    Shape(
        "reset-header", "OpenAI, Groq", "429, `x-ratelimit-reset-requests` at 0 remaining",
        "the same",
        [error(429, "slow", {"x-ratelimit-remaining-requests": "0",
                             "x-ratelimit-reset-requests": "200ms"}), FINE],
        "fine", hits=2,
    ),
    Shape(
        "openrouter-raw", "OpenRouter", "429, the provider's reason in `metadata.raw`",
        "retried; the reason is in the error",
        [error(429, "Provider returned error", code=429,
               metadata={"raw": "m is temporarily rate-limited upstream", "provider_name": "P"}),
         FINE],
        "fine", hits=2,
    ),
    Shape(
        "wait-too-long", "all", "429, `Retry-After` past the deadline", "an error at once",
        [error(429, "slow", {"Retry-After": "3600"})], error=BackendError,
        says="past the deadline", tokens=None,
    ),
    Shape(
        "insufficient-quota", "OpenAI", "429, `insufficient_quota`", "final: nothing is sent again",
        [error(429, "You exceeded your current quota, please check your plan and billing details.",
               code="insufficient_quota", type="insufficient_quota")],
        error=BackendError, says="exceeded your current quota", tokens=None,
    ),
    Shape(
        "credit", "Anthropic", "400, credit balance too low", "final",
        [error(400, "Your credit balance is too low to access the API.")],
        error=BackendError, says="credit balance", tokens=None,
    ),
    Shape(
        "402", "DeepSeek, OpenRouter", "402", "final",
        [error(402, "Insufficient Balance")], error=BackendError, says="HTTP 402", tokens=None,
    ),
    Shape(
        "overloaded", "Anthropic, DeepSeek", "529 or 503", "retried",
        [error(529, "Overloaded"), error(503, "busy"), FINE], "fine", hits=3,
    ),
    Shape(
        "moderation", "OpenRouter", "403, flagged by moderation", "refused",
        [error(403, "Your input was flagged by moderation")], error=RefusedError,
        says="flagged", tokens=None,
    ),
    Shape(
        "always-429", "all", "429 until the deadline", "a time-out that says so",
        [error(429, "slow")], error=BackendError, says="no answer within 2 s; the attempt before "
        "failed", tokens=None, hits=0, options={"timeout": 2.0},
    ),
]  # fmt: skip

TABLES = [
    ("Answers", ANSWERS),
    ("Refused parameters", REFUSED_PARAMETERS),
    ("Limits and refusals", LIMITS),
]


def page() -> str:
    """docs/providers.md, but for its introduction."""
    parts = []
    for title, shapes in TABLES:
        rows = [
            f"| `{shape.name}` | {shape.where} | {shape.comes} | {shape.does} |" for shape in shapes
        ]
        head = "| test | seen at | what comes | what we do |\n|---|---|---|---|"
        parts.append(f"## {title}\n\n{head}\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Write the tables into docs/providers.md, behind its introduction."""
    old = PAGE.read_text("utf-8")
    intro = old.partition(f"## {TABLES[0][0]}\n")[0]
    PAGE.write_text(intro + page(), encoding="utf-8")


__all__ = ["ANSWERS", "LIMITS", "PAGE", "REFUSED_PARAMETERS", "RateLimitError", "Shape", "page"]

if __name__ == "__main__":
    main()
