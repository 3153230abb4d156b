"""The measuring town: its buses are found on their journeys, and the asker counts what a server answers."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import Engine, text

from services.bench.requests import CONNECTIONS, send_requests
from services.bench.transit import BenchCity, _measure_following


def test_the_buses_of_the_bench_city_are_matched_to_their_lines(database: Engine) -> None:
    town = BenchCity(database, 100)
    carried = _measure_following(town, warm=4, rounds=1)
    assert carried.positions == 100
    assert carried.per_s > 0
    with database.connect() as connection:
        on_their_way = connection.execute(
            text("SELECT count(*) FROM vehicle_outlooks WHERE outlook::json -> 'place' ->> 'phase' = 'in_progress'")
        ).scalar_one()
        off = connection.execute(text("SELECT max(observed_at) FROM vehicle_outlooks")).scalar_one()
    assert on_their_way >= 80
    assert abs((off - town.now).total_seconds()) < 60


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(404 if "gone" in self.path else 200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = CONNECTIONS

    def handle_error(self, *_: object) -> None:
        """Who asks leaves without a word, and that is no error."""


def test_answers_are_counted_and_an_error_status_is_raised() -> None:
    server = _Server(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        answered = send_requests(url, ["/one", "/two"], 1.0)
        assert len(answered.waits_ms) >= CONNECTIONS
        assert answered.bytes == 5
        assert answered.p99_ms > 0
        with pytest.raises(ConnectionError, match="404"):
            send_requests(url, ["/gone"], 0.3)
    finally:
        server.shutdown()
        server.server_close()
