"""`vigia rejections`: what was no reading, and taking it in again once the cause is mended."""

import argparse

from sqlalchemy import Engine

from services.opening import configured_clock, migrated_database
from services.pipeline.rejections import Kept, kept, take_again
from services.pipeline.road import Pipeline
from services.runtime.settings import Settings

NAME = "rejections"
HELP = "List messages that were no reading, or take them in again."
MAX_LISTED = 1000
MAX_SHOWN_CHARS = 120
"""Characters of a payload shown in the list."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which of them."""
    parser.add_argument("do", choices=("list", "reingest"))
    parser.add_argument("--id", type=int, action="append", dest="ids", help="only this one; may be given again")
    parser.add_argument("--reason", help="only those of this reason, such as field or conflict")
    parser.add_argument("--limit", type=int, default=100, choices=range(1, MAX_LISTED + 1), metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Print one line each. Reingesting: exit status 1 if some are still no reading."""
    settings = Settings()
    with migrated_database(settings, "vigia-rejections") as database:
        with database.begin() as transaction:
            found = kept(transaction, ids=arguments.ids, reason=arguments.reason, limit=arguments.limit)
        if arguments.do == "list":
            for one in found:
                print(_line(one))
            return 0
        pipeline = Pipeline(database, configured_clock(settings), lane=None, foreign=settings.foreign_buses)
        still = [trouble for one in found if (trouble := _reingest(database, pipeline, one)) is not None]
        print(f"{len(found) - len(still)} taken in, {len(still)} still no reading")
        return 1 if still else 0


def _line(one: Kept) -> str:
    payload = one.message.payload[:MAX_SHOWN_CHARS].decode(errors="backslashreplace")
    when = f"{one.message.received_at:%Y-%m-%dT%H:%M:%SZ}"
    said = (one.message.topic[:MAX_SHOWN_CHARS], f"{one.reason}: {one.detail}", payload)
    return "\t".join((str(one.id), when, *map(printable, said)))


def printable(words: str) -> str:
    """One line that a terminal shows and does not obey: whoever wrote it may be hostile."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)


def _reingest(database: Engine, pipeline: Pipeline, one: Kept) -> str | None:
    with database.begin() as transaction:
        trouble = take_again(transaction, pipeline, one)
    print(f"{one.id}\t{trouble or 'taken in'}")
    return trouble
