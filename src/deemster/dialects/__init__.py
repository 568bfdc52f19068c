"""Prompts and their parsers: our own dialects and those of other judge tools."""

from deemster.dialects.base import Dialect, Parsed, strip_reasoning, to_caller_order
from deemster.dialects.registry import DIALECTS, open_dialect

__all__ = ["DIALECTS", "Dialect", "Parsed", "open_dialect", "strip_reasoning", "to_caller_order"]
