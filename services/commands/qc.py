"""`vigia qc`: run the quality checks on a recorded series, and measure them against a corrected one."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ingest.quality import flag_accuracy
from models.kind import SensorKind
from models.kinds import KINDS, KINDS_BY_NAME
from models.reading import Flag
from services.replay.recorded_series import RecordError, SiteRecord, read_records

NAME = "qc"
HELP = "Check a recorded series (CSV or CSV.gz with time_utc) with the pipeline's own quality checks."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the recorded series, and the corrected one."""
    parser.add_argument("file", type=Path, help="CSV, plain or gzip; a `site` column keeps several series apart")
    parser.add_argument("--column", required=True, help="the values as the sensor sent them")
    parser.add_argument("--truth", help="the same values as corrected by a technician")
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS], default="river")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")


def run(arguments: argparse.Namespace) -> int:
    """Print rows, bad, found, false_flags and flags, in total and by site. Without corrections: rows and flags."""
    columns = [arguments.column, *([arguments.truth] if arguments.truth else [])]
    try:
        records = read_records(arguments.file, columns)
    except RecordError as trouble:
        print(f"vigia: {trouble}", file=sys.stderr)
        return 2
    sites = {
        site: _checked(KINDS_BY_NAME[arguments.kind], record, arguments.column, arguments.truth)
        for site, record in records.items()
    }
    report = _total(list(sites.values())) | ({"sites": sites} if len(sites) > 1 else {})
    print(json.dumps(report) if arguments.json else _words(report))
    return 0


def _checked(kind: SensorKind, record: SiteRecord, column: str, corrected_column: str | None) -> dict[str, Any]:
    """The figures of one site. Blank rows do not count."""
    rows = [row for row, value in enumerate(record.columns[column]) if value is not None]
    values = [value for value in record.columns[column] if value is not None]
    flags = flag_accuracy.flags_of_series(kind, [record.times[row] for row in rows], values)
    flag_counts = Counter(flag.name for found in flags if found for flag in Flag if flag and flag in found)
    report: dict[str, Any] = {"rows": len(rows), "flags": dict(sorted(flag_counts.items()))}
    if corrected_column is not None:
        corrected = [record.columns[corrected_column][row] for row in rows]
        accuracy = flag_accuracy.flag_accuracy(flags, flag_accuracy.bad_rows(values, corrected, kind.limits.sentinels))
        report |= {"bad": accuracy.bad_rows, "found": accuracy.found_rows, "false_flags": accuracy.false_flags}
    return report


def _total(sites: list[dict[str, Any]]) -> dict[str, Any]:
    numbers = ("rows", "bad", "found", "false_flags")
    total = {name: sum(site[name] for site in sites) for name in numbers if sites and name in sites[0]}
    return total | {"flags": dict(sum((Counter(site["flags"]) for site in sites), Counter()))}


def _words(report: dict[str, Any]) -> str:
    lines = [f"{report.get('rows', 0)} filas (rows)"]
    if "bad" in report:
        lines.append(f"{report['found']} de {report['bad']} malas encontradas (bad rows found)")
        lines.append(f"{report['false_flags']} marcas falsas (false flags)")
    lines += [f"  {name}: {count}" for name, count in report["flags"].items()]
    return "\n".join(lines)
