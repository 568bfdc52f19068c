"""Prompts and their parsers: our own dialects and those of other judge tools."""

from deemster.dialects.base import Dialect, Parsed, to_caller_order
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.registry import DIALECTS, open_dialect

__all__ = ["DIALECTS", "Dialect", "Parsed", "open_dialect", "strip_reasoning", "to_caller_order"]
