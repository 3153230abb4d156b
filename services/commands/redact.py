"""`vigia redact ID`: erase the text of an operator's note and record who asked, when and why."""

import argparse
import sys

from models.tables.erasures import MAX_REASON_CHARS
from services.actions import NoSuchNote, NoteAlreadyRedacted, may_erase, redact_note
from services.commands.token import operator_name
from services.opening import configured_clock, migrated_database
from services.runtime.settings import Settings

NAME = "redact"
HELP = "Erase the text of a note that an operator wrote beside an alert; who asked, when and why stays."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The note, who asks and why."""
    parser.add_argument("action", type=int, help="number of the action with the note, as the API gives it")
    parser.add_argument("--by", required=True, type=operator_name, help="who redacts it")
    parser.add_argument("--reason", required=True, type=reason_text, help="why; not the text itself")


def run(arguments: argparse.Namespace) -> int:
    """Erase at once where the database role may, else within seconds by `vigia upkeep`. Exit status 1: no such note."""
    settings = Settings()
    clock = configured_clock(settings)
    try:
        with migrated_database(settings, "vigia-redact") as database, database.begin() as transaction:
            redact_note(transaction, arguments.action, operator=arguments.by, reason=arguments.reason, now=clock())
            erased = may_erase(transaction)
    except (NoSuchNote, NoteAlreadyRedacted) as problem:
        print(problem, file=sys.stderr)
        return 1
    print("erased" if erased else "hidden; `vigia upkeep` erases it")
    return 0


def reason_text(text: str) -> str:
    """A reason, without surrounding blanks. Raises ArgumentTypeError."""
    reason = text.strip()
    if not reason.isprintable() or not 0 < len(reason) <= MAX_REASON_CHARS:
        raise argparse.ArgumentTypeError(f"a reason has 1 to {MAX_REASON_CHARS} printable characters")
    return reason
