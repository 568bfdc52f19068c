"""`Verifier`: a judge made of checks that programs decide, and the checks.

- answers: `ExactMatch`, `NumericMatch`, `MathMatch`
- text: `Matches` (regular expressions), `IsJson`, `MatchesSchema`, `NotDegenerate`
- form: the constraints of IFEval, see `deemster.judges.verifier.constraints`; `ifeval_checks`
- code: `FunctionTests`, `ProgramTests`, within `Limits`; see `deemster.judges.verifier.sandbox`
"""

from deemster.judges.verifier.base import Check, Finding
from deemster.judges.verifier.code import FunctionTests, ProgramTests
from deemster.judges.verifier.constraints import ifeval_checks
from deemster.judges.verifier.degenerate import NotDegenerate, degenerate
from deemster.judges.verifier.json_format import IsJson, MatchesSchema
from deemster.judges.verifier.match import ExactMatch, NumericMatch
from deemster.judges.verifier.maths import MathMatch
from deemster.judges.verifier.patterns import Matches
from deemster.judges.verifier.sandbox import Limits
from deemster.judges.verifier.verifier import Findings, Verifier

__all__ = [
    "Check",
    "ExactMatch",
    "Finding",
    "Findings",
    "FunctionTests",
    "IsJson",
    "Limits",
    "Matches",
    "MatchesSchema",
    "MathMatch",
    "NotDegenerate",
    "NumericMatch",
    "ProgramTests",
    "Verifier",
    "degenerate",
    "ifeval_checks",
]
