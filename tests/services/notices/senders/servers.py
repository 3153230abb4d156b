"""A server on the loopback interface that answers each request with the next status."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Request = tuple[dict[str, str], bytes]


@contextmanager
def answering(statuses: Sequence[int], held: threading.Event | None = None) -> Iterator[tuple[str, list[Request]]]:
    """Yields the address and the requests: headers by lower-case name, and body. `held`: waited for first."""
    left, requests = list(statuses), list[Request]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if held is not None:
                held.wait(60)
            self.send_response(left.pop(0) if left else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        if held is not None:
            held.set()
        server.shutdown()
        server.server_close()
        serving.join()
