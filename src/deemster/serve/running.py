"""Running the server until it is told to stop, and stopping without losing a request."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from deemster.errors import InputError
from deemster.serve.cohort import Cohorts
from deemster.serve.desk import Desk
from deemster.serve.settings import ServerSettings

LAST_CALL = 0.5
"""Seconds between the signal and the end of listening: whoever keeps a connection open is told to
close it in the reply to its next request, so that no request meets a closed door."""
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """uvicorn's server, which goes on listening for a moment after the first signal."""

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, has_started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._desk: Desk = app.state.desk
        self._cohorts: Cohorts = app.state.cohorts
        self._has_started = has_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._has_started()
            self._watching = asyncio.create_task(self._end_if_hopeless())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """The first signal begins the end; a second one does not wait for requests.

        Two SIGTERM within `LAST_CALL` are one: a group and its head are often sent one each.
        """
        if self._desk.draining:
            if sig == signal.SIGINT or self.should_exit:
                self.should_exit = self.force_exit = True
            return
        self._desk.draining = True
        asyncio.get_running_loop().call_later(LAST_CALL, self._stop_listening)

    async def _end_if_hopeless(self) -> None:
        await self._desk.loading.hopeless.wait()
        self.handle_exit(signal.SIGTERM, None)

    def _stop_listening(self) -> None:
        self.should_exit = True
        self._cohorts.close()


def bind(settings: ServerSettings) -> socket.socket:
    """A socket that listens where the settings say.

    Raises:
        InputError: the address cannot be had, or must not be (see `ServerSettings.check_reach`).
    """
    settings.check_reach()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        made.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot listen on {settings.host}:{settings.port}: {reason}; give another --host or "
            "--port"
        ) from error
    made.set_inheritable(True)
    return made


async def serve(
    app: FastAPI,
    settings: ServerSettings,
    listening: socket.socket,
    *,
    started: Callable[[], None] = lambda: None,
) -> bool:
    """Serve until SIGTERM or Ctrl-C; every request that was accepted is answered first.

    A second signal ends it at once. A server that has no judge whose model can be loaded ends by
    itself, in the same way as after one.

    Args:
        app: from `create_app`.
        settings: the same as the application's.
        listening: from `bind`; closed at the end.
        started: called when requests are taken.

    Returns:
        Whether everything that was accepted is answered.

    Raises:
        InputError: no judge's model can be loaded.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        backlog=_BACKLOG,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(settings.deadline + settings.body_timeout) + 1,
    )
    server = _Server(config, app, started)
    # uvicorn raises the signal again once it has stopped: for whoever would have got it.
    before = {sig: signal.signal(sig, signal.SIG_IGN) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        await server.serve(sockets=[listening])
        if server.force_exit:  # uvicorn then leaves the application as it is, a task that hangs
            await server.lifespan.shutdown()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
    loading = app.state.desk.loading
    if not loading.usable:
        raise InputError("; ".join(dict.fromkeys(loading.failed.values())))
    return not server.force_exit
