"""`vigia poll`: publish vehicle positions of a vendor that offers only a URL to poll."""

import argparse
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from ingest.mqtt.receiver import Tls
from services.opening import mqtt_url
from services.runtime.process import start_logging, stop_on_signals
from services.runtime.settings import Settings, SettingsError
from services.transit.sources.poll import POLL_ERRORS, Poller, Send, error_text
from services.transit.sources.relay import relay

NAME = "poll"
HELP = "Ask an address for GTFS-realtime vehicle positions and publish what is new to the broker, until stopped."
SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 5.0, 600.0
_FEED = re.compile("[a-z0-9-]{1,32}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to poll and how often."""
    parser.add_argument("url", nargs="?", metavar="URL", help="the address; VIGIA_POLL_URL where it holds a key")
    parser.add_argument("--feed", default="poll", help="name of the feed in the vehicles' names (default: poll)")
    parser.add_argument("--every", type=float, default=30.0, metavar="S", help="seconds between askings (default: 30)")
    parser.add_argument("--once", action="store_true", help="ask once; exit status 1 where that failed")


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM."""
    settings, stop = Settings(), stop_on_signals()
    start_logging(settings)
    url = arguments.url or (settings.poll_url.get_secret_value() if settings.poll_url else "")
    if urlsplit(url).scheme not in {"http", "https"} or not _FEED.fullmatch(arguments.feed):
        raise SettingsError("give an http or https URL, or VIGIA_POLL_URL; a feed's name is 1 to 32 of a-z, 0-9 and -")
    if not SHORTEST_INTERVAL_S <= arguments.every <= LONGEST_INTERVAL_S:
        raise SettingsError(f"--every: {SHORTEST_INTERVAL_S:.0f} to {LONGEST_INTERVAL_S:.0f} seconds")
    tls = Tls(settings.mqtt_ca_file, settings.mqtt_cert_file, settings.mqtt_key_file)
    with mqtt_url(settings) as broker:
        poller = Poller(url, arguments.feed)
        send = _sender(broker, f"vigia-poll-{arguments.feed}", tls)
        if not arguments.once:
            poller.run(send, arguments.every, stop)
            return 0
        try:
            print(f"{poller.poll_once(send)} new positions")
        except POLL_ERRORS as trouble:
            print(error_text(trouble))
            return 1
    return 0


def _sender(broker: str, client_id: str, tls: Tls) -> Send:
    """A connection for each answer, since the broker may go away between two."""

    def send(messages: Sequence[tuple[str, bytes]]) -> int:
        if not messages:
            return 0
        with relay(broker, client_id, tls) as connection:
            return connection.publish(messages)

    return send
