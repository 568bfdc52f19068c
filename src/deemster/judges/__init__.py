"""Everything that scores: the GRM judge, meta reward models, and judges made of judges."""

from deemster.judges.base import BaseJudge, Scorer
from deemster.judges.batch import score_all, score_many
from deemster.judges.cascade import Cascade, CascadeRule
from deemster.judges.decide import decide
from deemster.judges.judge import Judge
from deemster.judges.meta_rm import MetaRM, PromptedMetaRM, open_meta_rm
from deemster.judges.panel import Panel

__all__ = [
    "BaseJudge",
    "Cascade",
    "CascadeRule",
    "Judge",
    "MetaRM",
    "Panel",
    "PromptedMetaRM",
    "Scorer",
    "decide",
    "open_meta_rm",
    "score_all",
    "score_many",
]
