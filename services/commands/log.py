"""`vigia log`: verify the append-only record."""

import argparse

from sqlalchemy import text

from services.opening import migrated_database
from services.record.links import Break, Head
from services.record.verification import UNCHAINED_S, Verdict, verify
from services.runtime.settings import Settings

NAME = "log"
HELP = "Verify the append-only record of what was decided, sent and read."
_HOW = {
    Break.REMOVED: "fue quitado / was removed",
    Break.ALTERED: "fue alterado / was altered",
    Break.REPLACED: "no es el que se encadenó: fue movido, o alterado con su resumen"
    " / is not the one that was chained: moved, or altered together with its hash",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand each."""
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    verify = commands.add_parser("verify", help="read the whole record and name the first entry that does not fit")
    verify.add_argument(
        "--head", type=_head, metavar="NUMBER:HASH", help="as a heartbeat or an export told it: finds a tail cut off"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit status 1: the record is not sound; the lines say where."""
    settings = Settings()
    with migrated_database(settings, "vigia-log") as database, database.connect() as connection, connection.begin():
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        verdict = verify(connection, arguments.head)
    for line in verdict_lines(verdict):
        print(line)
    return 0 if verdict.sound else 1


def verdict_lines(verdict: Verdict) -> list[str]:
    """The verdict in words, Spanish and English."""
    lines = []
    if verdict.broken is not None:
        lines.append(f"ROTO / BROKEN: el asiento / entry {verdict.broken.number} {_HOW[verdict.broken.how]}")
    if verdict.contradicted is not None:
        lines.append(
            f"ROTO / BROKEN: el cambio de color del asiento {verdict.contradicted} ya no dice lo mismo"
            f" / the transition of entry {verdict.contradicted} says something else now"
        )
    if verdict.cut is not None:
        lines.append(f"CORTADO / CUT OFF: la cadena no tiene {verdict.cut} / the chain does not hold {verdict.cut}")
    if verdict.unchained:
        lines.append(
            f"SIN ENCADENAR / UNCHAINED: {verdict.unchained} asientos de hace más de {UNCHAINED_S:.0f} s: ¿corre"
            f" vigia notifier? / entries older than {UNCHAINED_S:.0f} s: does vigia notifier run?"
        )
    if verdict.erased_unrecorded > 0:
        lines.append(
            f"BORRADO SIN CONSTANCIA / ERASED WITHOUT A RECORD: {verdict.erased_unrecorded} asientos / entries"
        )
    lines.append(
        f"{verdict.last.number} asientos en orden, {verdict.erased} con el contenido borrado"
        f" / entries fit, {verdict.erased} with erased content; {verdict.last}"
    )
    return lines


def _head(words: str) -> Head:
    try:
        return Head.parse(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{words!r}: NUMBER:HASH, as a heartbeat or export tells it ({error})"
        ) from error
