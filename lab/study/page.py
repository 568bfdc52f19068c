"""The page about the study, `docs/scaling.md`: every figure on it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from lab.study import tables
from lab.study.claims import MARGIN
from lab.study.files import SPLITS
from lab.study.plots import write_plots
from lab.study.records import MEAN, SPLIT_NAMES, Study
from lab.study.reported import training_table
from lab.study.stopping import CLAIMED_STOP

_TEMPLATE = "scaling.md.j2"


def write_page(study: Study, path: Path) -> None:
    """Write the page, and its plots to `images/` beside it, in a folder of the page's name."""
    images = path.parent / "images" / path.stem
    plots = write_plots(study, images)
    links = {name: f"images/{path.stem}/{file}" for name, file in plots.items()}
    path.write_text(render(study, links), encoding="utf-8")


def render(study: Study, plots: Mapping[str, str]) -> str:
    """The page as Markdown.

    Args:
        study: all figures.
        plots: links to the plots there are, by name.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only for the page

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, of our own figures
    )
    measured = [split for split in SPLITS if split in study.setting.items]
    whole = all(split in measured for split in SPLITS[1:])
    template = environment.from_string((files(__package__) / _TEMPLATE).read_text(encoding="utf-8"))
    decided = [claim for claim in study.claims if claim.verdict != "not measured"]
    return template.render(
        study=study,
        setting=study.setting,
        t=tables,
        training=training_table(study.training),
        plots=plots,
        splits=measured,
        main=MEAN if whole else measured[0],
        names=SPLIT_NAMES,
        decided=decided,
        others=[claim for claim in decided if claim.verdict != "shown"],
        seeds=sorted({seed for seeds in study.setting.seeds.values() for seed in seeds}),
        margin=100 * MARGIN,
        stop=CLAIMED_STOP,
    )
