"""How models mark their reasoning: one table for reading completions and for defusing prompts.

Sources: the models' chat templates, and vLLM's and SGLang's reasoning parsers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReasoningTags:
    """A pair of tags as regular expressions; matched without regard to case.

    Args:
        name: what tells it from the others.
        opening: the tag that begins reasoning.
        closing: the tag that ends it.
        models: who writes it.
        unopened: whether a closing tag alone ends reasoning: chat templates often put the
            opening tag into the prompt.
    """

    name: str
    opening: str
    closing: str
    models: str
    unopened: bool = True


def _xml(name: str, models: str) -> ReasoningTags:
    return ReasoningTags(name, rf"<{name}(?:\s[^<>]{{0,80}})?>", rf"</{name}\s{{0,4}}>", models)


REASONING_TAGS: tuple[ReasoningTags, ...] = (
    _xml(
        "think",
        "DeepSeek-R1 and V3.1, Qwen3, QwQ, GLM-4.5, MiniMax-M2, Kimi-K2, Hunyuan, ERNIE 4.5, "
        "Granite 3.3, Nemotron, Phi-4-reasoning, OLMo 3, Step3, JudgeLRM",
    ),
    _xml("thinking", "models asked for it by their prompt"),
    _xml("thought", "EXAONE Deep, Gemini's OpenAI-compatible endpoint"),
    _xml("reasoning", "Reka Flash 3"),
    _xml("seed:think", "Seed-OSS"),
    _xml("mm:think", "MiniMax-M3"),
    _xml("longcat_think", "LongCat-Flash-Thinking"),
    ReasoningTags("[think]", r"\[THINK\]", r"\[/THINK\]", "Magistral, Ministral 3"),
    ReasoningTags("◁think▷", "◁think▷", "◁/think▷", "Kimi-VL-Thinking"),
    ReasoningTags(
        "cohere", r"<\|START_THINKING\|>", r"<\|END_THINKING\|>", "Command A Reasoning, A Plus"
    ),
    ReasoningTags("gemma", r"<\|channel>", r"<channel\|>", "Gemma 4"),
    ReasoningTags("medgemma", "<unused94>", "<unused95>", "MedGemma"),
    ReasoningTags("kimi-k3", r"<\|open\|>think<\|sep\|>", r"<\|close\|>think<\|sep\|>", "Kimi-K3"),
    ReasoningTags(
        "sky-t1", r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>", "Sky-T1, OpenThinker"
    ),
    ReasoningTags(
        "harmony",
        r"<\|channel\|>(?:analysis|commentary)\b",
        r"<\|channel\|>final\b(?:[^<>]{0,40}<\|constrain\|>)?[^<>]{0,40}<\|message\|>",
        "gpt-oss",
    ),
    ReasoningTags(
        "details",
        r"""<details\s[^<>]{0,200}?type=["']?reasoning\b[^<>]{0,200}>""",
        "</details>",
        "Open WebUI and other front ends",
        unopened=False,
    ),
)
TAG_NAMES = tuple(tags.name for tags in REASONING_TAGS if tags.opening.startswith(f"<{tags.name}("))
"""Names of the tags in angle brackets, as in `<think>`."""
