"""A synthetic world of judging tasks with certain truth, and a noisy teacher that judges them."""

from lab.world.drills import drills
from lab.world.generator import DOMAINS, IMPROPER, World
from lab.world.item import Check, Criterion, Item
from lab.world.split import SPLITS, SplitName
from lab.world.teacher import NOISELESS, TeacherNoise, teacher_text

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
