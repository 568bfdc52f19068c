"""Probe: the health card of a judge, from a few hundred calls on items with certain truth."""

from deemster.probe.attack_plan import AttackPlan, plan_attacks
from deemster.probe.attacks import AttackFigure, AttackReport, attack
from deemster.probe.card import Figure, HealthCard, State, load_card
from deemster.probe.html import write_card
from deemster.probe.items import ProbeSet, load_probe_set
from deemster.probe.plan import ProbePlan, plan_probe
from deemster.probe.run import probe

__all__ = [
    "AttackFigure",
    "AttackPlan",
    "AttackReport",
    "Figure",
    "HealthCard",
    "ProbePlan",
    "ProbeSet",
    "State",
    "attack",
    "load_card",
    "load_probe_set",
    "plan_attacks",
    "plan_probe",
    "probe",
    "write_card",
]
