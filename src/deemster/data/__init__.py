"""Data files and data sets as rows, and rows as samples: the one reader."""

from deemster.data.columns import Columns, GivenColumns
from deemster.data.files import data_files, read_rows
from deemster.data.row import Row
from deemster.data.samples import read_samples, sample_of
from deemster.data.text import read_text_lines

__all__ = [
    "Columns",
    "GivenColumns",
    "Row",
    "data_files",
    "read_rows",
    "read_samples",
    "read_text_lines",
    "sample_of",
]
