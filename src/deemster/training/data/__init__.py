"""Data to train on: preferences, instructions, decontamination, pairs by answer matching."""

from deemster.training.data.answers import Matching, answer_pairs
from deemster.training.data.decontamination import Decontaminated, Overlap, decontaminate
from deemster.training.data.instructions import (
    Instruction,
    draw_instructions,
    load_instructions,
)
from deemster.training.data.preferences import check_preferences, load_preferences
from deemster.training.data.source import DataSource

__all__ = [
    "DataSource",
    "Decontaminated",
    "Instruction",
    "Matching",
    "Overlap",
    "answer_pairs",
    "check_preferences",
    "decontaminate",
    "draw_instructions",
    "load_instructions",
    "load_preferences",
]
