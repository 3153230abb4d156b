"""`vigia skill`: verification of checks, rule and forecast on a recorded series, without look-ahead."""

import argparse
import json
import sys
from collections.abc import Sequence
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

from alerts.forecast.skill import LeadScore, Score, pool_scores
from services.replay.recorded_series import RecordError, read_records
from services.replay.verification import (
    RecordedSeries,
    ThresholdScores,
    as_received,
    scored_rows,
    verify_alerts,
    verify_forecast,
)

NAME = "skill"
HELP = "Hits, misses, false alarms, lead times and forecast errors on a recorded series."

MAX_LEVELS = 30
LEADS_GE_MIN = (10, 15, 30)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The series and the thresholds to verify."""
    parser.add_argument("file", type=Path, help="CSV, plain or gzip, with time_utc")
    parser.add_argument("--column", required=True, help="the level, or a flow")
    parser.add_argument("--levels", type=_levels, required=True, help="thresholds in the column's unit: 0.6,0.8,1.0")
    parser.add_argument("--rain-column", help="rain of the interval that ends at the row, mm")
    parser.add_argument("--fit", type=Path, metavar="FILE", help="another record of the station, to learn from first")
    parser.add_argument(
        "--quantity",
        choices=["auto", "level", "flow"],
        default="auto",
        help="a flow is judged by its square root; auto: a column whose name ends in _m is a level",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures of each threshold, of a plain rule for comparison, and of each lead time of the forecast."""
    flow = arguments.quantity == "flow" or (arguments.quantity == "auto" and not arguments.column.endswith("_m"))
    try:
        record = _read(arguments.file, arguments, flow=flow)
        learnt = _read(arguments.fit, arguments, flow=flow) if arguments.fit else None
        report = _report(record, learnt, arguments.levels, flow=flow)
    except (RecordError, ValueError) as error:
        print(f"vigia: {error}", file=sys.stderr)
        return 2
    report = {"file": arguments.file.name, "column": arguments.column} | report
    print(json.dumps(report) if arguments.json else _as_text(report))
    return 0


def _levels(text: str) -> list[float]:
    try:
        levels = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 0.6,0.8,1.0") from None
    if not all(map(isfinite, levels)) or len(levels) > MAX_LEVELS:
        raise argparse.ArgumentTypeError(f"up to {MAX_LEVELS} finite levels")
    return levels


def _read(path: Path, arguments: argparse.Namespace, *, flow: bool) -> RecordedSeries:
    columns = [arguments.column, *([arguments.rain_column] if arguments.rain_column else [])]
    records = read_records(path, columns)
    if len(records) != 1:
        raise RecordError(f"{path.name}: {len(records)} sites; one is needed")
    record = next(iter(records.values()))
    try:
        return as_received(record, arguments.column, arguments.rain_column, flow=flow)
    except ValueError as error:
        raise RecordError(f"{path.name}: {arguments.column}: {error}") from error


def _report(
    record: RecordedSeries, learnt: RecordedSeries | None, levels: Sequence[float], *, flow: bool
) -> dict[str, Any]:
    if flow and min(levels) < 0:
        raise ValueError("a flow has no level below zero")
    internal_levels = [sqrt(level) if flow else level for level in levels]
    figures = verify_alerts(record, internal_levels, learnt)
    notable = scored_rows(record, internal_levels, flow=flow)
    return {
        "rows": len(record.readings),
        "from": record.readings[0].observed_at.isoformat(),
        "to": record.readings[-1].observed_at.isoformat(),
        "step_s": record.series.step_s,
        "judged_as": "square root of the column" if flow else "the column",
        "levels": [_level(level, one.rule_b, one.rule_a) for level, one in zip(levels, figures, strict=True)],
        "baseline": [_level(level, one.baseline_b, one.baseline_a) for level, one in zip(levels, figures, strict=True)],
        "pooled": _pooled(figures),
        "forecast": [_lead(lead) for lead in verify_forecast(record, notable, learnt)],
        "wet": {"above": notable.level_m, "rising_by": notable.rise_m},
    }


def _level(threshold: float, b: Score, a: Score) -> dict[str, Any]:
    return {"threshold": threshold} | _score(b) | {"a": _score(a)}


def _pooled(figures: Sequence[ThresholdScores]) -> dict[str, Any]:
    """The scores of all thresholds together."""
    rule = _score(pool_scores([one.rule_b for one in figures])) | {
        "a": _score(pool_scores([one.rule_a for one in figures]))
    }
    plain = _score(pool_scores([one.baseline_b for one in figures]))
    return rule | {"baseline": plain | {"a": _score(pool_scores([one.baseline_a for one in figures]))}}


def _score(score: Score) -> dict[str, Any]:
    return {
        "events": score.events,
        "hits": score.hits,
        "misses": score.misses,
        "false_alarms": score.false_alarms,
        "pod": _rounded(score.pod),
        "far": _rounded(score.far),
        "csi": _rounded(score.csi),
        "lead_min": {"median": _rounded(score.median_lead_min), "p10": _rounded(score.p10_lead_min)},
        "share_lead_ge": {str(least): _rounded(score.share_with_lead(least)) for least in LEADS_GE_MIN},
    }


def _lead(lead: LeadScore) -> dict[str, Any]:
    return {
        "lead_min": lead.lead_s // 60,
        "rows": lead.rows,
        "mae_m": round(lead.mae_m, 5),
        "persistence_index": round(lead.persistence_index, 4),
        "coverage_p10_p90": round(lead.coverage_p10_p90, 4),
        "published": lead.published,
        "own_past": lead.own_past,
        "unforeseen": round(lead.quiet_share, 4),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _as_text(report: dict[str, Any]) -> str:
    head = "nivel    eventos aciertos perdidos falsas   POD   FAR   CSI  anticipo mediano, min (median lead)"
    lines = [f"{report['file']} {report['column']}: {report['rows']} filas (rows), {report['from']} - {report['to']}"]
    for title, key in (("Vigía", "levels"), ("Nivel + ascenso de 15 min (baseline)", "baseline")):
        lines += [title, head, *(_row(f"{row['threshold']:g}", row) for row in report[key])]
    lines += ["todos (pooled)", _row("Vigía", report["pooled"]), _row("simple", report["pooled"]["baseline"])]
    lines += ["Pronóstico (forecast): min, MAE, persistencia (index), P10-P90"]
    lines += [
        f"{row['lead_min']:>5} {row['mae_m']:8.3f} {row['persistence_index']:8.2f} {row['coverage_p10_p90']:8.2f}"
        for row in report["forecast"]
    ]
    if not report["forecast"]:
        lines += ["sin pronóstico: registro demasiado corto o plano (no forecast: the record is too short or too flat)"]
    return "\n".join(lines)


def _row(name: str, row: dict[str, Any]) -> str:
    ratios = " ".join("    -" if row[key] is None else f"{row[key]:5.2f}" for key in ("pod", "far", "csi"))
    lead = row["lead_min"]["median"]
    counts = f"{row['events']:8} {row['hits']:8} {row['misses']:8} {row['false_alarms']:6}"
    return f"{name:>8} {counts} {ratios} {'-' if lead is None else f'{lead:g}':>6}"
