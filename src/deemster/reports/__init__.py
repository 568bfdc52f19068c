"""Reports: where a policy is weak by the judges' principles, and a run as one HTML file."""

from deemster.reports.grouping import Embeddings, Grouper, Tfidf
from deemster.reports.html import load_report, render, write_report
from deemster.reports.losses import PrincipleText
from deemster.reports.records import ItemRow, JudgeSection, Latency, Paired, PolicyRate, Report
from deemster.reports.weakness import Namer, find_weaknesses
from deemster.reports.weakness_change import compare_weaknesses
from deemster.reports.weakness_records import (
    Change,
    Member,
    Quote,
    SubsetShare,
    Weakness,
    WeaknessReport,
)

__all__ = [
    "Change",
    "Embeddings",
    "Grouper",
    "ItemRow",
    "JudgeSection",
    "Latency",
    "Member",
    "Namer",
    "Paired",
    "PolicyRate",
    "PrincipleText",
    "Quote",
    "Report",
    "SubsetShare",
    "Tfidf",
    "Weakness",
    "WeaknessReport",
    "compare_weaknesses",
    "find_weaknesses",
    "load_report",
    "render",
    "write_report",
]
