"""The data that the small judge `smol` learns from: everyday requests with certain truth."""

from lab.smol.generator import Judged, generate
from lab.smol.kinds import KINDS

__all__ = ["KINDS", "Judged", "generate"]
