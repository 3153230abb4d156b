"""A TCP proxy before a PostgreSQL server, whose connections can be lost in the three ways that a network loses them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import addressof, create_string_buffer
from struct import pack

from sqlalchemy.engine import make_url

SO_ATTACH_FILTER = 26
_FILTER = create_string_buffer(pack("HBBI", 0x06, 0, 0, 0))
"""A packet filter of one instruction, "keep 0 bytes": the kernel neither reads nor acknowledges what arrives."""


class DatabaseProxy:
    """Forwards connections to a server on the loopback. Each way to lose them spares the connections made later."""

    def __init__(self, url: str) -> None:
        """Listen on a free port. `url`: of the server itself."""
        target = make_url(url)
        self._target = (target.host or "127.0.0.1", target.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lost: list[tuple[socket.socket, socket.socket]] = []
        self.url = target.set(host="127.0.0.1", port=self._listener.getsockname()[1]).render_as_string(
            hide_password=False
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close both ends: client and server are told."""
        for pair in self._taken():
            for end in pair:
                _shut(end)

    def abandon_server(self) -> None:
        """Close the client's end and keep the server's open and answering, as a proxy does that forgot its client."""
        for client, _ in self._taken():
            _shut(client)

    def go_silent(self) -> None:
        """Neither end hears anything more from the other, nor is told: a cable was pulled."""
        for pair in self._taken():
            for end in pair:
                end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pack("HL", 1, addressof(_FILTER)))

    def close(self) -> None:
        """Close everything, what was lost too."""
        self._listener.close()
        self.cut()
        for pair in self._lost:
            for end in pair:
                _shut(end)

    def _taken(self) -> list[tuple[socket.socket, socket.socket]]:
        taken, self._pairs = self._pairs, []
        self._lost += taken
        return taken

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._pairs.append((client, server))
                threading.Thread(target=_forward, args=(client, server), daemon=True).start()
                threading.Thread(target=_forward_and_close, args=(server, client), daemon=True).start()


@contextmanager
def database_proxy(url: str) -> Iterator[DatabaseProxy]:
    """A proxy before the server of `url`, for the duration of the block."""
    proxy = DatabaseProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    """Forward until the source ends. The sink is not told."""
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)


def _forward_and_close(server: socket.socket, client: socket.socket) -> None:
    """Forward the server's answers. When the server ends the session its client is told."""
    _forward(server, client)
    _shut(client)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
