"""Probe: the health card of a judge, from a few hundred calls on items with certain truth."""

from deemster.probe.card import Figure, HealthCard, State, load_card
from deemster.probe.html import write_card
from deemster.probe.items import ProbeSet, load_probe_set
from deemster.probe.plan import ProbePlan, plan_probe
from deemster.probe.run import probe

__all__ = [
    "Figure",
    "HealthCard",
    "ProbePlan",
    "ProbeSet",
    "State",
    "load_card",
    "load_probe_set",
    "plan_probe",
    "probe",
    "write_card",
]
