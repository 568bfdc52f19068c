"""What is known of a model, whether a row of the zoo says it or a file beside the weights."""

from __future__ import annotations

from deemster.records import Record


class ModelFacts(Record):
    """The language of a judge, and where it comes from."""

    name: str
    """What it is called here."""
    dialect: str = ""
    """Name of the dialect it was trained on; empty if it writes no verdicts, or that is unknown."""
    meta_template: str = ""
    """How a meta RM is asked to rate judgments; empty: as `deemster train` teaches it."""
    licence: str = "not checked"
    """As far as it was read; read the model's card before you rely on it."""
    paper: str = ""
    """arXiv id."""
