"""Released judges and reward models: which dialect each speaks, and what is known of it."""

from deemster.zoo.table import ZooEntry, find_model, find_name, zoo_entries

__all__ = ["ZooEntry", "find_model", "find_name", "zoo_entries"]
