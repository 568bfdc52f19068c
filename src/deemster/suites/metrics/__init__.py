"""Metrics: pure functions over judged items, each figure with its interval.

`Item.from_verdict` makes the input, `summarise` computes all that applies; every other function
is one figure. Statistics libraries are imported when first needed.
"""

from deemster.suites.metrics.accuracy import (
    Accuracy,
    BestOfN,
    accuracy,
    agreement_with_ties,
    best_of_n_pairs,
    is_binary,
    pairwise_accuracy,
    single_accuracy,
    win_rate,
    win_value,
)
from deemster.suites.metrics.agreement import (
    Agreement,
    cohen_kappa,
    judge_agreement,
    krippendorff_alpha,
)
from deemster.suites.metrics.calibration import Bin, Calibration, calibrate, calibration
from deemster.suites.metrics.compare import Comparison, compare, compare_by_subset
from deemster.suites.metrics.cost import ItemCost, item_cost
from deemster.suites.metrics.curves import CurvePoint, Draws, curve, default_ks, meta_curve
from deemster.suites.metrics.estimate import Bootstrap, Estimate
from deemster.suites.metrics.failures import FailureReason, FailureReasons
from deemster.suites.metrics.headline import (
    Headline,
    StyleMatrix,
    by_subset,
    macro_accuracy,
    stratified_mean,
    style_matrix,
)
from deemster.suites.metrics.items import Item
from deemster.suites.metrics.position import PositionConsistency, position_consistency
from deemster.suites.metrics.ppi import Corrected, ppi, ppi_mean
from deemster.suites.metrics.ranking import (
    auc,
    correlation,
    correlation_over_items,
    kendall,
    kendall_without_ties,
    roc_auc,
    spearman,
)
from deemster.suites.metrics.stability import stable_errors
from deemster.suites.metrics.standings import RANKED_BY, Standing, standings
from deemster.suites.metrics.summary import Summary, summarise

__all__ = [
    "RANKED_BY",
    "Accuracy",
    "Agreement",
    "BestOfN",
    "Bin",
    "Bootstrap",
    "Calibration",
    "Comparison",
    "Corrected",
    "CurvePoint",
    "Draws",
    "Estimate",
    "FailureReason",
    "FailureReasons",
    "Headline",
    "Item",
    "ItemCost",
    "PositionConsistency",
    "Standing",
    "StyleMatrix",
    "Summary",
    "accuracy",
    "agreement_with_ties",
    "auc",
    "best_of_n_pairs",
    "by_subset",
    "calibrate",
    "calibration",
    "cohen_kappa",
    "compare",
    "compare_by_subset",
    "correlation",
    "correlation_over_items",
    "curve",
    "default_ks",
    "is_binary",
    "item_cost",
    "judge_agreement",
    "kendall",
    "kendall_without_ties",
    "krippendorff_alpha",
    "macro_accuracy",
    "meta_curve",
    "pairwise_accuracy",
    "position_consistency",
    "ppi",
    "ppi_mean",
    "roc_auc",
    "single_accuracy",
    "spearman",
    "stable_errors",
    "standings",
    "stratified_mean",
    "style_matrix",
    "summarise",
    "win_rate",
    "win_value",
]
