"""`vigia sirens`: send the orders of people to sirens and signs, and store what they answer, until stopped."""

import argparse

from ingest.mqtt.receiver import Tls
from services.actuators.exchange import Exchange
from services.opening import configured_clock, migrated_database, mqtt_url
from services.runtime.process import start_logging, stop_on_signals
from services.runtime.settings import Settings, SettingsError

NAME = "sirens"
HELP = "Send what people ordered to sirens and signs, and store their answers, until stopped."
ROUND_S = 0.5


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: the tables and the settings have everything."""


def run(_arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM."""
    settings = Settings()
    clock, stop = configured_clock(settings), stop_on_signals()
    start_logging(settings)
    tls = Tls(settings.mqtt_ca_file, settings.mqtt_cert_file, settings.mqtt_key_file)
    with migrated_database(settings, "vigia-sirens", stop=stop, pool_size=1) as database, mqtt_url(settings) as broker:
        try:
            exchange = Exchange(database, clock, broker, tls)
        except ValueError as error:
            raise SettingsError(f"VIGIA_MQTT_URL: {error}") from error
        while not stop.is_set():
            exchange.run_due(stop)
            stop.wait(ROUND_S)
        exchange.close()
    return 0
