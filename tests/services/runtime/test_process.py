"""Logging in lines, and stopping on signals."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from services.embedded.child_process import free_port
from services.notices.channels import post_webhook
from services.runtime.process import start_logging
from services.runtime.settings import Settings
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[3]


def test_each_line_of_the_log_is_one_object_with_its_extra_values(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        start_logging(Settings(log_level="INFO"))
        log = logging.getLogger("vigia.test")
        log.debug("not kept")
        log.info("kept a batch\nof two lines", extra={"action": "keep", "messages": 500})
        try:
            raise ValueError("ñandú")
        except ValueError:
            log.exception("a bug")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    first, second = map(json.loads, output.getvalue().splitlines())
    assert (first["message"], first["action"], first["messages"]) == ("kept a batch\nof two lines", "keep", 500)
    assert datetime.fromisoformat(first["at"]).tzinfo is not None
    assert second["level"] == "ERROR"
    assert "ValueError: ñandú" in second["exception"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_ends_by_itself_on_a_signal(number: signal.Signals) -> None:
    program = (
        "from services.runtime.process import stop_on_signals\n"
        "stop = stop_on_signals()\n"
        "print('ready', flush=True)\n"
        "print('ended' if stop.wait(20) else 'waited in vain')\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("VIGIA_")}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "ended\n"
        assert process.wait(LIMIT_S) == 0


def test_the_address_of_a_webhook_is_never_logged(capsys: pytest.CaptureFixture[str]) -> None:
    root, level, handlers = logging.getLogger(), logging.getLogger().level, logging.getLogger().handlers[:]
    try:
        start_logging(Settings(log_level="DEBUG"))
        post_webhook(f"http://127.0.0.1:{free_port(0)}/hooks/hunter2", "key", {})
        logging.getLogger("services").info("and yet it logs")
    finally:
        root.handlers, root.level = handlers, level
    said = capsys.readouterr().err
    assert "and yet it logs" in said
    assert "hunter2" not in said
