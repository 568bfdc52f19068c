r"""The released DeepSeek-GRM models: the verdict of `grm`, asked in the layout of the paper.

One user turn, with the responses between numbered marks (paper, appendix on prompts).
"""

from __future__ import annotations

from dataclasses import dataclass

from deemster.dialects.grm import Grm


@dataclass(frozen=True)
class DeepSeekGrm(Grm):
    """1 to many responses, scored 1 to 10; rule `binary`: a single one is scored 0 or 1."""

    name = "deepseek-grm"
