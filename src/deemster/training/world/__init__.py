"""A synthetic world of judging tasks with certain truth, and a noisy teacher that judges them."""

from deemster.training.world.drills import drills
from deemster.training.world.generator import DOMAINS, IMPROPER, World
from deemster.training.world.item import Check, Criterion, Item
from deemster.training.world.split import SPLITS, SplitName
from deemster.training.world.teacher import NOISELESS, TeacherNoise, teacher_text

__all__ = [
    "DOMAINS",
    "IMPROPER",
    "NOISELESS",
    "SPLITS",
    "Check",
    "Criterion",
    "Item",
    "SplitName",
    "TeacherNoise",
    "World",
    "drills",
    "teacher_text",
]
