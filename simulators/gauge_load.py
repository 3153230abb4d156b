"""Load generator process: gauge readings published as fast as allowed, for measurements.

`python -m simulators.gauge_load URL` reads from standard input, one number a line, how many messages it may have sent
in total, and sends until it reaches that number. With `--rate` it keeps its own pace instead. At the end of the input
it waits for the acknowledgements and prints its counts as JSON.
"""

import argparse
import json
import os
import select
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from math import sin
from random import Random
from time import monotonic, sleep

from simulators.bulk_publisher import BulkPublisher

CHUNK_MESSAGES = 200
PACE_WAIT_S = 0.002
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def gauge_messages(
    prefix: str, devices: int, per_message: int, seed: int, stamp: "RisingTimestamps"
) -> Iterator[tuple[str, bytes]]:
    """Messages of gauges in turn, without end: a slow wave with noise, stamped when made, numbered per device."""
    random = Random(seed)
    for turn in count():
        for device in range(devices):
            level_m = 0.4 + 0.1 * sin(turn / 600 + device) + random.gauss(0, 0.004)
            readings = [
                f'{{"observed_at":{stamp()},"boot":"fleet","seq":{turn * per_message + one},"level_m":{level_m:.3f}}}'
                for one in range(per_message)
            ]
            body = readings[0] if per_message == 1 else f"[{','.join(readings)}]"
            yield f"{prefix}/gauge-{device}", body.encode()


class RisingTimestamps:
    """Increasing timestamps in Unix seconds, at least one microsecond apart: no two readings share one.

    It does not read the clock: the caller gives the difference between real time and monotonic time.
    """

    def __init__(self, ahead_s: float) -> None:
        self._clock_offset_s, self._last_us = ahead_s, 0

    def __call__(self) -> str:
        """The next timestamp, with six decimals."""
        now_us = int((self._clock_offset_s + monotonic()) * 1e6)
        self._last_us = max(now_us, self._last_us + 1)
        return f"{self._last_us / 1e6:.6f}"


def run(arguments: argparse.Namespace) -> dict[str, float]:
    """Send until the input ends, or for `--seconds` at `--rate` messages a second. Returns the counts."""
    stamp = RisingTimestamps(arguments.ahead)
    source = gauge_messages(arguments.prefix, arguments.devices, arguments.per_message, arguments.seed, stamp)
    with BulkPublisher(arguments.url, client_id=f"fleet-{arguments.seed}", window=2_000) as load:
        began_s = monotonic()
        if arguments.rate:
            _send_at_rate(load, source, arguments.rate, arguments.seconds)
        else:
            _send_as_allowed(load, source)
        load.drain()
        return {
            "sent": load.sent,
            "acknowledged": load.acknowledged,
            "unheard": load.without_subscriber,
            "seconds": monotonic() - began_s,
        }


def _send_at_rate(load: BulkPublisher, source: Iterator[tuple[str, bytes]], rate: float, seconds: float) -> None:
    began_s = monotonic()
    while (elapsed_s := monotonic() - began_s) < seconds:
        due = int(elapsed_s * rate) - load.sent
        if due > 0:
            load.send(next(source) for _ in range(due))
        sleep(PACE_WAIT_S)


def _send_as_allowed(load: BulkPublisher, source: Iterator[tuple[str, bytes]]) -> None:
    allowed, rest, more = 0, b"", True
    while more or load.sent < allowed:
        if load.sent < allowed:
            load.send(next(source) for _ in range(min(CHUNK_MESSAGES, allowed - load.sent)))
        if more and (load.sent >= allowed or select.select([0], [], [], 0)[0]):
            data = os.read(0, 1 << 16)
            more = bool(data)
            *lines, rest = (rest + data).split(b"\n")
            allowed = max([allowed, *map(int, lines)])


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--ahead", type=float, required=True, help="real time less monotonic time, s")
    parser.add_argument("--prefix", default="vigia/v1/bench/river", help="topic before the device")
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--per-message", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second; without it, as allowed")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    json.dump(run(parser.parse_args()), sys.stdout)


if __name__ == "__main__":
    main()
