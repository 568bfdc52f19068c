"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.support.openai_server import OpenAIServer

ServerFactory = Callable[..., OpenAIServer]


@pytest.fixture
def openai_server() -> Iterator[ServerFactory]:
    """Starts OpenAI-compatible servers: `server = openai_server(latency=0.1, n="ignore")`.

    The arguments are those of `OpenAIServer`; the servers stop at the end of the test.
    """
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(OpenAIServer(*args, **options))
