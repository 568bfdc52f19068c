"""Released judges and reward models: which dialect each speaks, and what is known of it."""

from deemster.zoo.table import SystemTurn, ZooEntry, find_model, find_name, zoo_entries

__all__ = ["SystemTurn", "ZooEntry", "find_model", "find_name", "zoo_entries"]
