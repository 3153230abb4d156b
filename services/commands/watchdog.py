"""`vigia watchdog`: ask Vigía from another machine whether it works, and page somebody when it does not.

This file needs nothing but Python 3.11 and its configuration: copy it to another machine, with power and network of
its own, and run `python3 watchdog.py watchdog.toml`. It asks for a signed heartbeat, whose answer holds the number that
was sent with it, so that neither an old nor a foreign answer counts.
"""

import argparse
import hashlib
import hmac
import json
import secrets
import signal
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "watchdog"
HELP = "Watch over Vigía from another machine: page by a channel of its own when it falls silent."
MAX_ANSWER_BYTES = 262_144
CHANNEL_TIMEOUT_S = 15.0
MAX_UNSENT = 10
"""Pages that no channel took, which are tried again at each look; the newest count."""
SETTINGS = frozenset(
    {"url", "secret_file", "state_file", "every_s", "silence_s", "repeat_s", "timeout_s", "page", "name"}
)
NO_RECORD = (0, "")
DEFAULT_BODY = '{"text": "{text}"}'


class ConfigurationError(Exception):
    """The configuration is wrong; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to page somebody: an HTTP POST, or a command that reads the text. `body`: JSON with {text}."""

    http: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = DEFAULT_BODY
    command: tuple[str, ...] = ()

    def send(self, words: str) -> str | None:
        """Page once. Returns what went wrong; None where the channel took it."""
        try:
            if self.http is None:
                done = subprocess.run(
                    self.command, input=words, text=True, timeout=CHANNEL_TIMEOUT_S, capture_output=True, check=False
                )
                return None if done.returncode == 0 else f"exit status {done.returncode}"
            data = self.body.replace("{text}", json.dumps(words)[1:-1]).encode()
            headers = {"Content-Type": "application/json", **self.headers}
            asked = urllib.request.Request(self.http, data, headers)  # noqa: S310 - checked to be HTTP
            with urllib.request.urlopen(asked, timeout=CHANNEL_TIMEOUT_S):  # noqa: S310
                return None
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return f"{type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is watched, how often, and who is paged. Times in seconds."""

    url: str
    secret: str
    channels: tuple[Channel, ...]
    name: str = "Vigía"
    state_file: Path | None = None
    every_s: float = 10.0
    silence_s: float = 90.0
    repeat_s: float = 300.0
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A heartbeat whose signature is right. `record`: the newest link of the record."""

    state: str
    faults: tuple[str, ...] = ()
    record: tuple[int, str] = NO_RECORD

    @property
    def trouble(self) -> str | None:
        """Why nobody may rely on Vigía now, although it answers; None where it works."""
        canaries = [name for name in self.faults if name.startswith("canary/")]
        if canaries:
            return f"las lecturas de prueba no llegan / test readings do not arrive: {', '.join(canaries)}"
        return "no recibe lecturas / receives no readings" if self.state == "down" else None


class Watch:
    """Decides when to page and what to say. Times are seconds of a clock that never steps."""

    def __init__(self, settings: Configuration, now_s: float, record: tuple[int, str] = NO_RECORD) -> None:
        self._settings, self.record = settings, record
        self._good_s, self._paged_s = now_s, float("-inf")
        self._alarmed = False

    def observe(self, now_s: float, answer: Answer | str) -> list[str]:
        """The pages that are due now. answer: a heartbeat, or what went wrong."""
        pages = [] if isinstance(answer, str) else self._look_at_record(answer.record)
        trouble = answer if isinstance(answer, str) else answer.trouble
        name = self._settings.name
        if trouble is None:
            if self._alarmed:
                pages.append(f"{name}: volvió / is back")
            self._good_s, self._alarmed = now_s, False
            return pages
        silent_s = now_s - self._good_s
        if silent_s >= self._settings.silence_s and now_s - self._paged_s >= self._settings.repeat_s * self._alarmed:
            self._alarmed, self._paged_s = True, now_s
            pages.append(f"{name}: {silent_s:.0f} s sin latido / without a heartbeat. {trouble}")
        return pages

    def _look_at_record(self, seen: tuple[int, str]) -> list[str]:
        """The chain of the record only grows. One that went back was cut, restored or written anew."""
        before, self.record = self.record, seen
        if seen[0] > before[0] or seen == before:
            return []
        was, now = (f"{number}:{digest}" for number, digest in (before, seen))
        name = self._settings.name
        return [f"{name}: el registro retrocedió / the record went back: {was} -> {now}. vigia log verify --head {was}"]


def ask(settings: Configuration) -> Answer | str:
    """One heartbeat, or what went wrong."""
    nonce = secrets.token_hex(16)
    headers = {"Vigia-Nonce": nonce, "Vigia-Proof": sign(settings.secret, f"ask {nonce}".encode())}
    try:
        asked = urllib.request.Request(settings.url, headers=headers)  # noqa: S310 - checked to be HTTP
        with urllib.request.urlopen(asked, timeout=settings.timeout_s) as answer:  # noqa: S310
            body, signature = answer.read(MAX_ANSWER_BYTES), answer.headers.get("Vigia-Signature", "")
        if not hmac.compare_digest(sign(settings.secret, body), signature):
            return "la firma no es de Vigía / the signature is not Vigía's"
        return read_answer(body, nonce)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def read_answer(body: bytes, nonce: str) -> Answer | str:
    """The heartbeat in a signed body. Raises ValueError, KeyError, TypeError for anything else."""
    document = json.loads(body)
    if document["nonce"] != nonce:
        return "una respuesta vieja / an old answer"
    number, _, digest = document["record"].partition(":")
    return Answer(document["state"], tuple(document["faults"]), (int(number), digest))


def sign(secret: str, content: bytes) -> str:
    """HMAC-SHA256, hexadecimal."""
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def send_all(channels: Sequence[Channel], words: str) -> bool:
    """Page by every channel. Whether at least one took it."""
    _say(words)
    reached = False
    for number, channel in enumerate(channels, 1):
        trouble = channel.send(words)
        reached = reached or trouble is None
        _say(f"page {number}: {'sent' if trouble is None else trouble}")
    return reached


def watch(settings: Configuration, stop: threading.Event) -> None:
    """Look every `every_s` until stopped. What was not delivered is paged again at the next look."""
    seen = Watch(settings, time.monotonic(), read_record(settings.state_file))
    unsent: list[str] = []
    while not stop.is_set():
        answer = ask(settings)
        before = seen.record
        due = [*unsent, *seen.observe(time.monotonic(), answer)][-MAX_UNSENT:]
        unsent = [words for words in due if not send_all(settings.channels, words)]
        if seen.record != before:
            keep_record(settings.state_file, seen.record)
        stop.wait(settings.every_s)


def read_record(path: Path | None) -> tuple[int, str]:
    """The newest link that was seen before this process began."""
    if path is None or not path.exists():
        return NO_RECORD
    number, _, digest = path.read_text(encoding="utf-8").strip().partition(":")
    return int(number), digest


def keep_record(path: Path | None, record: tuple[int, str]) -> None:
    """Keep the newest link for the next start."""
    if path is not None:
        written = path.with_name(path.name + ".new")
        written.write_text(f"{record[0]}:{record[1]}\n", encoding="utf-8")
        written.replace(path)


def read_configuration(path: Path) -> Configuration:
    """Read the file. Raises ConfigurationError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        if unknown := sorted(document.keys() - SETTINGS):
            raise ConfigurationError(f"{path}: unknown: {', '.join(unknown)}; known: {', '.join(sorted(SETTINGS))}")
        secret = Path(document["secret_file"]).read_text(encoding="utf-8").strip()
        channels = tuple(_channel(one) for one in document["page"])
        times = {name: float(document[name]) for name in SETTINGS if name.endswith("_s") and name in document}
        state = document.get("state_file")
        settings = Configuration(
            str(document["url"]),
            secret,
            channels,
            str(document.get("name", "Vigía")),
            Path(state) if state else None,
            **times,
        )
    except KeyError as error:
        raise ConfigurationError(f"{path}: {error.args[0]} is missing") from error
    except (OSError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if not settings.url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{path}: url begins with http:// or https://")
    if len(secret) < 32 or not channels or min(times.values(), default=1.0) <= 0:
        raise ConfigurationError(f"{path}: a secret of 32 characters, a [[page]], and times above 0 are needed")
    return settings


def _channel(document: Mapping[str, Any]) -> Channel:
    known = {"http", "headers", "body", "command"}
    if unknown := sorted(document.keys() - known):
        raise ValueError(f"[[page]] {', '.join(unknown)}: known are {', '.join(sorted(known))}")
    channel = Channel(
        document.get("http"),
        dict(document.get("headers", {})),
        str(document.get("body", DEFAULT_BODY)),
        tuple(document.get("command", ())),
    )
    if (channel.http is None) == (not channel.command):
        raise ValueError("a [[page]] has either http or command")
    if channel.http is not None and not channel.http.startswith(("http://", "https://")):
        raise ValueError("http begins with http:// or https://")
    return channel


def _say(words: str) -> None:
    print(words, flush=True)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The configuration, and whether to try it once."""
    parser.add_argument("configuration", type=Path, help="see docs/watchdog.md")
    parser.add_argument("--test", action="store_true", help="ask once, send a test page by every channel, and end")


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM. Exit status 1: a test failed; 2: a wrong configuration."""
    try:
        settings = read_configuration(arguments.configuration)
    except ConfigurationError as error:
        print(f"vigia watchdog: {error}", file=sys.stderr)
        return 2
    if arguments.test:
        answer = ask(settings)
        _say(str(answer))
        sent = send_all(settings.channels, f"{settings.name}: PRUEBA del vigilante / TEST of the watchdog")
        return 0 if sent and isinstance(answer, Answer) else 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    watch(settings, stop)
    return 0


def main() -> int:
    """Run this file alone."""
    parser = argparse.ArgumentParser(prog="watchdog.py", description=HELP)
    arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
