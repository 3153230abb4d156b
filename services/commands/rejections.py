"""`vigia rejections`: list rejected messages, or ingest them again once the cause is fixed."""

import argparse
from datetime import tzinfo

from sqlalchemy import Engine

from services.opening import configured_clock, migrated_database
from services.pipeline.rejections import StoredRejection, list_rejections, reingest
from services.pipeline.road import Pipeline
from services.queries.city.city import current_city
from services.runtime.settings import Settings

NAME = "rejections"
HELP = "List rejected messages, or ingest them again."
MAX_LISTED = 1000
MAX_SHOWN_CHARS = 120
"""Characters of a payload shown in the list."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The action, and which messages."""
    parser.add_argument("do", choices=("list", "reingest"))
    parser.add_argument("--id", type=int, action="append", dest="ids", help="only this one; may be given again")
    parser.add_argument("--reason", help="only those of this reason, such as field or conflict")
    parser.add_argument("--limit", type=int, default=100, choices=range(1, MAX_LISTED + 1), metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each message. Reingesting: exit status 1 where some are rejected again."""
    settings = Settings()
    with migrated_database(settings, "vigia-rejections") as database:
        with database.begin() as transaction:
            zone = current_city(transaction).zone
            found = list_rejections(transaction, ids=arguments.ids, reason=arguments.reason, limit=arguments.limit)
        if arguments.do == "list":
            for one in found:
                print(_line(one, zone))
            return 0
        pipeline = Pipeline(database, configured_clock(settings), lane=None, foreign=settings.foreign_buses)
        still_rejected = [error for one in found if (error := _reingest(database, pipeline, one)) is not None]
        print(f"{len(found) - len(still_rejected)} taken in, {len(still_rejected)} still no reading")
        return 1 if still_rejected else 0


def _line(one: StoredRejection, zone: tzinfo) -> str:
    payload = one.message.payload[:MAX_SHOWN_CHARS].decode(errors="backslashreplace")
    when = one.message.received_at.astimezone(zone).isoformat(timespec="seconds")
    texts = (one.message.topic[:MAX_SHOWN_CHARS], f"{one.reason}: {one.detail}", payload)
    return "\t".join((str(one.id), when, *map(printable, texts)))


def printable(text: str) -> str:
    """The text with control characters escaped, since a hostile sender could use them to control a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _reingest(database: Engine, pipeline: Pipeline, one: StoredRejection) -> str | None:
    with database.begin() as transaction:
        error = reingest(transaction, pipeline, one)
    print(f"{one.id}\t{error or 'taken in'}")
    return error
