"""The reader of data files, where adapters look for it."""

from deemster.data.files import data_files, read_rows, read_text_lines
from deemster.data.row import Row

__all__ = ["Row", "data_files", "read_rows", "read_text_lines"]
