"""The watchdog pages after silence, repeats, tells the end and when the record goes back; it needs only its file."""

import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.commands import watchdog
from services.commands.watchdog import Answer, Channel, Configuration, ConfigurationError, Watch

SECRET = "s" * 32
GOOD = Answer("ok", (), (7, "aa"))
SETTINGS = Configuration("http://vigia.example/api/v1/heartbeat", SECRET, (Channel(command=("true",)),))


def pages(*looks: tuple[float, Answer | str]) -> list[tuple[float, str]]:
    """When the watch pages, and the first words of each page."""
    watch = Watch(SETTINGS, 0.0)
    return [(now_s, page) for now_s, answer in looks for page in watch.observe(now_s, answer)]


def test_it_pages_after_ninety_seconds_of_silence_repeats_and_tells_the_end() -> None:
    silent = "ConnectionRefusedError"
    looks: list[tuple[float, Answer | str]] = [
        (0.0, GOOD),
        *((float(at), silent) for at in range(10, 500, 10)),
        (500.0, GOOD),
        (510.0, GOOD),
    ]
    assert [(at, page.split(". ")[0]) for at, page in pages(*looks)] == [
        (90.0, "Vigía: 90 s sin latido / without a heartbeat"),
        (390.0, "Vigía: 390 s sin latido / without a heartbeat"),
        (500.0, "Vigía: volvió / is back"),
    ]
    assert pages((0.0, GOOD), (80.0, silent), (85.0, GOOD), (170.0, silent), (174.0, GOOD)) == []


@pytest.mark.parametrize(
    "answer", [Answer("down", (), GOOD.record), Answer("degraded", ("disk/a", "canary/critical"), GOOD.record)]
)
def test_an_answer_that_says_that_no_reading_arrives_is_no_heartbeat(answer: Answer) -> None:
    assert [at for at, _ in pages((0.0, GOOD), (50.0, answer), (90.0, answer))] == [90.0]
    assert pages((0.0, GOOD), (90.0, Answer("degraded", ("disk/a",), (7, "aa")))) == []


@pytest.mark.parametrize("record", [(6, "99"), (7, "bb"), (0, "00")])
def test_a_record_that_goes_back_is_told_at_once_and_once(record: tuple[int, str]) -> None:
    back = Answer("ok", (), record)
    told = pages((0.0, GOOD), (10.0, GOOD), (20.0, back), (30.0, back), (40.0, Answer("ok", (), (8, "cc"))))
    assert [at for at, _ in told] == [20.0]
    assert "vigia log verify --head 7:aa" in told[0][1]


class Vigia(ThreadingHTTPServer):
    """Answers heartbeats with the body, the signature and the nonce that a test wants, and takes pages."""

    secret, nonce = SECRET, ""
    paged: list[str]


@pytest.fixture
def vigia() -> Iterator[Vigia]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonce = server.nonce or self.headers["Vigia-Nonce"]
            document: dict[str, object] = {"nonce": nonce, "state": "ok", "faults": [], "record": "9:ab"}
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Vigia-Signature", hmac.new(server.secret.encode(), body, hashlib.sha256).hexdigest())
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            server.paged.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = Vigia(("127.0.0.1", 0), Handler)
    server.paged = []
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    yield server
    server.shutdown()
    server.server_close()
    serving.join()


def configuration(folder: Path, port: int, more: str = "") -> Path:
    """A configuration that asks and pages this port."""
    (folder / "secret").write_text(SECRET)
    path = folder / "watchdog.toml"
    path.write_text(
        f'url = "http://127.0.0.1:{port}/api/v1/heartbeat"\nsecret_file = "{folder / "secret"}"\n'
        f'state_file = "{folder / "state"}"\n{more}\n[[page]]\nhttp = "http://127.0.0.1:{port}/sms"\n'
    )
    return path


def test_the_file_alone_runs_on_another_machine(vigia: Vigia, tmp_path: Path) -> None:
    file = tmp_path / "watchdog.py"
    shutil.copy(watchdog.__file__, file)
    words = [sys.executable, "-I", "-S", str(file), str(configuration(tmp_path, vigia.server_port)), "--test"]
    tried = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (tried.returncode, tried.stderr) == (0, "")
    assert vigia.paged == ["Vigía: PRUEBA del vigilante / TEST of the watchdog"]


@pytest.mark.parametrize(
    ("wrong", "told"), [({"secret": "x" * 32}, "not Vigía's"), ({"nonce": "0" * 32}, "an old answer")]
)
def test_a_foreign_or_an_old_answer_does_not_count(
    vigia: Vigia, tmp_path: Path, wrong: dict[str, str], told: str
) -> None:
    for name, value in wrong.items():
        setattr(vigia, name, value)
    answer = watchdog.ask(watchdog.read_configuration(configuration(tmp_path, vigia.server_port)))
    assert isinstance(answer, str)
    assert told in answer


@pytest.mark.parametrize(
    ("more", "told"),
    [("evry_s = 3", "evry_s"), ("every_s = 0", "times above 0"), ('name = "x"\nurl = "x"', "watchdog.toml")],
)
def test_a_wrong_configuration_is_refused_with_what_is_wrong(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        watchdog.read_configuration(configuration(tmp_path, 1, more))


def test_the_newest_link_is_kept_for_the_next_start(tmp_path: Path) -> None:
    watchdog.keep_record(tmp_path / "state", (7, "aa"))
    assert watchdog.read_record(tmp_path / "state") == (7, "aa")
    assert watchdog.read_record(tmp_path / "none") == (0, "")
