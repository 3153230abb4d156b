"""Set-up of a process: logging as JSON lines, and stopping on signals."""

import json
import logging
import signal
import sys
import threading
from datetime import UTC, datetime

from services.runtime.settings import Settings


class _JsonLines(logging.Formatter):
    """Formats a log record as one JSON object a line, with all values of `extra`."""

    _standard_attributes = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in self._standard_attributes}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def start_logging(settings: Settings) -> None:
    """Log as JSON lines on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for library in ("httpx", "httpcore"):  # they log addresses, and the address of a webhook is a secret
        logging.getLogger(library).setLevel(logging.WARNING)


def stop_on_signals() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set, so that a loop ends between two batches and not inside one."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
