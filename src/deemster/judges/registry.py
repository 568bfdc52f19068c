"""The types of judges, by the name that a suite gives as `type`."""

from __future__ import annotations

from pydantic import BaseModel

from deemster.plugins import Registry

JUDGES: Registry[type[BaseModel]] = Registry(
    "judge type",
    group="deemster.judges",
    builtin={
        "cascade": "deemster.judges.cascade:CascadeSpec",
        "cloud": "deemster.judges.cloud:CloudSpec",
        "debate": "deemster.judges.debate:DebateSpec",
        "decision": "deemster.judges.decision:DecisionSpec",
        "grm": "deemster.judges.grm:GrmSpec",
        "pairwise": "deemster.judges.pair_rm:PairwiseSpec",
        "panel": "deemster.judges.panel:PanelSpec",
        "scalar": "deemster.judges.scalar_rm:ScalarSpec",
        "verifier": "deemster.judges.verifier.spec:VerifierSpec",
    },
)
"""Each is the `JudgeSpec` of a type; see `deemster.judges.spec`."""
