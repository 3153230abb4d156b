"""`vigia log`: verify the append-only record, export a period of it with a signature, check such an export, erase."""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, text

from alerts.record import Entry, record
from services.commands.redact import reason_text
from services.commands.token import operator_name
from services.opening import configured_clock, migrated_database
from services.record.erasing import erase
from services.record.export import EmptyExportError, Period, WrongFileError, check_export, export_lines
from services.record.links import Break, Head
from services.record.signing import KeyFileError, public_hex, sign_file, signer, signing_key
from services.record.verification import UNCHAINED_S, Verdict, verify
from services.runtime.settings import Settings

NAME = "log"
HELP = "Verify the append-only record of what was decided, sent and read; export it for a judge; check an export."
KEY_FILE = "record-key.pem"
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
    export = commands.add_parser("export", help="a period of the record for a judge, JSON lines with a signature")
    export.add_argument("--from", dest="start", type=_instant, required=True, help="first instant, with its zone")
    export.add_argument("--to", dest="end", type=_instant, required=True, help="up to but not at this instant")
    export.add_argument("--by", type=operator_name, required=True, help="who exports it")
    export.add_argument("--reason", type=reason_text, required=True, help="what for; it is recorded")
    export.add_argument("--out", type=Path, required=True, help="a new file; the signature is written beside it")
    export.add_argument("--key", type=Path, help="file of the signing key; made once, readable by its owner only")
    erase = commands.add_parser("erase", help="erase the content of an entry as the law demands; its hash stays")
    erase.add_argument("number", type=int, help="the number of the entry, as /registro shows it")
    erase.add_argument("--by", type=operator_name, required=True, help="who erases it")
    erase.add_argument("--reason", type=reason_text, required=True, help="why; not the content itself")
    check = commands.add_parser("check", help="check an export and its signature, without a database")
    check.add_argument("file", type=Path)
    check.add_argument("--public-key", help="as the city published it; without, the one that the file names")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 1: the record or the export is not sound; the lines say where."""
    return {"verify": _verify, "export": _export, "erase": _erase, "check": _check}[arguments.what](arguments)


def _verify(arguments: argparse.Namespace) -> int:
    with migrated_database(Settings(), "vigia-log") as database, database.connect() as connection, connection.begin():
        _one_state(connection)
        verdict = verify(connection, arguments.head)
    for line in verdict_lines(verdict):
        print(line)
    return 0 if verdict.sound else 1


def _one_state(connection: Connection) -> None:
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def _export(arguments: argparse.Namespace) -> int:
    """The export is recorded too: whoever reads data of people, and why."""
    settings, out = Settings(), arguments.out
    clock, period = configured_clock(settings), Period(arguments.start, arguments.end)
    try:
        key = signing_key(arguments.key or settings.data_dir / KEY_FILE)
        title = {"by": arguments.by, "reason": arguments.reason, "public_key": public_hex(key)}
        with migrated_database(settings, "vigia-log") as database, database.begin() as transaction:
            _one_state(transaction)
            out.touch(0o600, exist_ok=False)
            with out.open("w", encoding="utf-8") as file:
                file.writelines(export_lines(transaction, period, title))
            details = {"from": period.start, "to": period.end, "reason": arguments.reason}
            record(transaction, Entry("record.exported", "record", arguments.by, details), clock())
    except EmptyExportError:
        out.unlink()
        print("no hay asientos en ese período / no entries in that period", file=sys.stderr)
        return 1
    except (OSError, KeyFileError) as problem:
        print(f"vigia log export: {problem}", file=sys.stderr)
        return 2
    print(f"{out}, {sign_file(out, key)}; clave pública / public key {public_hex(key)}")
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    settings = Settings()
    clock = configured_clock(settings)
    with migrated_database(settings, "vigia-log") as database, database.begin() as transaction:
        if not erase(transaction, arguments.number, by=arguments.by, reason=arguments.reason, now=clock()):
            print(
                "no hay un asiento con contenido y ese número / no entry with content and that number", file=sys.stderr
            )
            return 1
    print("erased")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    try:
        checked = check_export(arguments.file)
    except (WrongFileError, OSError) as problem:
        print(f"vigia log check: {problem}", file=sys.stderr)
        return 1
    public_key = signer(arguments.file)
    wanted = arguments.public_key or checked.title.get("public_key")
    signed = public_key is not None and public_key == wanted
    if checked.broken is not None:
        print(f"ROTO / BROKEN: el asiento / entry {checked.broken.number} {_HOW[checked.broken.how]}")
    elif not checked.complete:
        print(f"CORTADO / CUT OFF: {checked.last.number} de / of {checked.title['last']}")
    if not signed:
        print("FIRMA / SIGNATURE: no corresponde a este archivo o a esa clave / not of this file, or not by that key")
    if checked.complete and signed:
        print(
            f"asientos / entries {checked.title['first']}..{checked.last.number}: en orden y firmados / fit, and are"
            f" signed; clave pública / public key {public_key}; {checked.last}"
        )
    return 0 if checked.complete and signed else 1


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


def _instant(words: str) -> datetime:
    try:
        at = datetime.fromisoformat(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{words!r}: 2026-04-02T00:00:00-03:00") from error
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{words!r}: falta la zona / without a zone: 2026-04-02T00:00:00-03:00")
    return at


def _head(words: str) -> Head:
    try:
        return Head.parse(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{words!r}: NUMBER:HASH, as a heartbeat or export tells it ({error})"
        ) from error
