"""How often Python looks for garbage while a command makes records."""

from __future__ import annotations

import gc

from deemster.cli.garbage import search_rarely


def test_garbage_is_searched_for_less_often() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, *before[1:])  # commands of other tests ran in this process
    try:
        search_rarely()
        assert gc.get_threshold()[0] > 700
        assert gc.get_threshold()[1:] == before[1:]
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)
