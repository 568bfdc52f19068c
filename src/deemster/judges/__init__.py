"""Everything that scores: the GRM judge, meta reward models, and judges made of judges."""

from deemster.judges.base import BaseJudge
from deemster.judges.batch import score_all, score_many
from deemster.judges.best_of_n import BestOf, best_of_n
from deemster.judges.calibrator import Calibrator
from deemster.judges.cascade import Cascade
from deemster.judges.cascade_rule import CascadeRule
from deemster.judges.case import Case
from deemster.judges.cloud import CLoud
from deemster.judges.debate import Debate
from deemster.judges.decide import decide
from deemster.judges.decision import DecisionJudge
from deemster.judges.judge import Judge
from deemster.judges.meta_rm import MetaRM, PromptedMetaRM, open_meta_rm
from deemster.judges.pair_rm import PairRM
from deemster.judges.panel import Panel, agreement
from deemster.judges.panel_weights import PanelWeights, fit_weights
from deemster.judges.scalar_rm import ScalarRM
from deemster.judges.scaling import PanelScaling
from deemster.judges.scorer import Scorer
from deemster.judges.spec import JudgeSpec
from deemster.judges.steps import StepRewards, score_steps
from deemster.judges.tournament import Ranking, rerank

__all__ = [
    "BaseJudge",
    "BestOf",
    "CLoud",
    "Calibrator",
    "Cascade",
    "CascadeRule",
    "Case",
    "Debate",
    "DecisionJudge",
    "Judge",
    "JudgeSpec",
    "MetaRM",
    "PairRM",
    "Panel",
    "PanelScaling",
    "PanelWeights",
    "PromptedMetaRM",
    "Ranking",
    "ScalarRM",
    "Scorer",
    "StepRewards",
    "agreement",
    "best_of_n",
    "decide",
    "fit_weights",
    "open_meta_rm",
    "rerank",
    "score_all",
    "score_many",
    "score_steps",
]
