"""The data that the small judge `smol` learns from: everyday requests with certain truth."""

from lab.smol.generator import KINDS, Judged, generate

__all__ = ["KINDS", "Judged", "generate"]
