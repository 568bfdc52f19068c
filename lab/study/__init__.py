"""The scaling study: from sampled scores to figures with intervals, claims, plots and a page.

Sampling is a separate step; nothing here calls a model. `python -m lab.study
FOLDER` analyses a folder of sampled scores.
"""

from lab.study.analysis import analyse, write_study
from lab.study.page import write_page
from lab.study.records import Study

__all__ = ["Study", "analyse", "write_page", "write_study"]
