"""Cuts the connections of an engine whose database hangs: the server's own time limits need a server that works."""

import os
import socket
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, event


class OpenConnections:
    """The open connections of one engine."""

    def __init__(self, engine: Engine) -> None:
        """Follow the connections that are opened from now on."""
        self._open: set[psycopg.Connection[Any]] = set()
        event.listen(engine, "connect", lambda connection, _record: self._open.add(connection))
        event.listen(engine, "close", lambda connection, _record: self._open.discard(connection))
        event.listen(engine, "close_detached", self._open.discard)

    def cut(self) -> None:
        """End them all, so that whoever waits for an answer fails as where the database is lost."""
        for connection in list(self._open):
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)
