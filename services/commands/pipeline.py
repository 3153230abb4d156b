"""`vigia pipeline`: receive messages from the broker, store readings and evaluate rules."""

import argparse

from ingest.mqtt.receiver import Receiver, Tls
from models.kind import Lane
from services.opening import configured_clock, migrated_database, mqtt_url
from services.pipeline.road import MEMORY_WRITE_INTERVAL_S, Pipeline
from services.runtime.clock import PeriodicTimer
from services.runtime.database import PIPELINE_LIMITS
from services.runtime.process import start_logging, stop_on_signals
from services.runtime.settings import Settings, SettingsError
from services.transit.fleet.fleet_updater import FleetUpdater

NAME = "pipeline"
HELP = "Receive messages, store readings and evaluate rules, until stopped."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The lane of this process."""
    parser.add_argument(
        "--lane",
        type=Lane,
        choices=list(Lane),
        help="process only this lane's kinds, so that a bulk storm delays no critical message; run both lanes or none",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM. Messages not stored by then stay unacknowledged with the broker."""
    settings = Settings()
    clock, stop = configured_clock(settings), stop_on_signals()
    start_logging(settings)
    with (
        migrated_database(settings, "vigia-pipeline", stop=stop, limits=PIPELINE_LIMITS) as database,
        mqtt_url(settings) as url,
    ):
        fleet = None if arguments.lane is Lane.CRITICAL else FleetUpdater()
        pipeline = Pipeline(
            database,
            clock,
            arguments.lane,
            settings.foreign_buses,
            fleet,
            save_every=PeriodicTimer(MEMORY_WRITE_INTERVAL_S),
        )
        try:
            broker = Receiver(
                url,
                client_id=f"vigia-{pipeline.name}",
                filters=pipeline.topics,
                now=clock,
                receive_maximum=min(2 * settings.batch, 0xFFFF),
                tls=Tls(settings.mqtt_ca_file, settings.mqtt_cert_file, settings.mqtt_key_file),
            )
        except ValueError as error:
            raise SettingsError(f"VIGIA_MQTT_URL: {error}") from error
        try:
            pipeline.run(broker, settings.batch, stop)
        finally:
            broker.close()
            pipeline.close()
    return 0
