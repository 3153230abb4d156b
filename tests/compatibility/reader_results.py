"""Results of the code that reads the tables, as plain values: the same whichever version wrote the database."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from alerts import rulebook
from alerts.forecast.level_forecast import ForecastModel, predict
from alerts.forecast.series import Series
from alerts.rule_states import RuleStates
from alerts.rules import dispatch
from ingest.memory import DeviceMemories
from ingest.quality.checks import QualityMemory
from models.network import Network
from models.tables.alerts import transitions
from models.tables.city import devices, stations
from models.tables.rules import forecast_models
from services.pipeline import rejections
from services.queries.city.health import health_figures
from services.queries.city.processes import list_processes
from services.queries.stations.forecasts import published_forecasts
from services.queries.transit.accuracy import sums_between
from services.queries.transit.rider_reports import count_never_came
from services.transit.accuracy.statistics import accuracy_by_line
from services.transit.fleet.assigned_trips import STARTED_KEPT_S
from services.transit.fleet.fleet import Fleet
from services.transit.fleet.report_history import SavedState
from services.transit.fleet.rows import read_last_stops, read_travel_times, read_unassigned_trips, read_vehicles
from services.transit.matching.vehicle_state import AnchorPosition, Hypothesis, VehicleState
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import TripPrediction, VehiclePrediction
from services.transit.model.stop_index import StopIndex
from services.transit.model.stop_passages import JourneyProgress
from services.transit.serving.service_alert_queries import alerts_in_force
from services.transit.timetable import versions
from services.transit.travel_times.link_times import TravelTimes
from services.web.pages.evidence import evidence_lines
from services.web.pages.language import Words
from tests.compatibility import simulated_buses, simulated_morning

ENDS = simulated_morning.ENDS
AT = ENDS.timestamp()
MAX_LINKS = 6
HOURS = (-1, 0, 12)
"""Hours after the end of the simulated morning."""
DIGITS = 3

Plain = Any
"""Numbers, strings, lists and mappings that JSON can represent."""


def plain(value: object) -> Plain:
    """A value as plain types: numbers rounded to DIGITS, times in ISO 8601, records as lists of their values."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float):
        return round(value, DIGITS)
    if value is None or isinstance(value, int | str):
        return value
    return _plain_items(value)


def _plain_items(value: object) -> Plain:
    match value:
        case Mapping():
            return {str(plain(key)): plain(inner) for key, inner in value.items()}
        case frozenset() | set():
            return sorted(map(plain, value))
        case msgspec.Struct():
            return [plain(getattr(value, name)) for name in value.__struct_fields__]
        case Iterable():
            return [plain(inner) for inner in value]
    assert is_dataclass(value), value
    return [plain(getattr(value, field.name)) for field in fields(value)]


def reader_results(connection: Connection) -> dict[str, Plain]:
    """The results by topic."""
    return {topic: plain(reader(connection)) for topic, reader in READERS.items()}


# ---------------------------------------------------------------- buses


def _timetable(connection: Connection) -> object:
    network = _network(connection)
    journey = network.journey("307-2-ida-habil-0719", simulated_buses.DAY)
    assert journey is not None
    stops_with_wheelchair = [stop for stop in network.stops.values() if stop.wheelchair]
    return {
        "lines": {route.id: (route.short_name, route.agency_id, route.url) for route in network.routes.values()},
        "companies": {agency.id: (agency.name, agency.phone) for agency in network.agencies.values()},
        "a station and its stop": [
            (stop.code, stop.name, stop.point, stop.parent, stop.location_type) for stop in stops_with_wheelchair
        ],
        "patterns": [
            {
                "line": (pattern.route_id, pattern.direction_id),
                "stops": len(pattern.stop_ids),
                "from, to": (pattern.stop_ids[0], pattern.stop_ids[-1]),
                "length m": pattern.length_m,
                "shape": (pattern.shape.id, pattern.shape.surveyed, len(pattern.shape.points)),
                "boarding, alighting": (pattern.pickup, pattern.drop_off),
                "links": pattern.link_ids[:MAX_LINKS],
            }
            for pattern in network.patterns
        ],
        "a journey": {
            "starts": journey.start_at,
            "at the layby": (
                journey.arrival_at(simulated_buses.DWELL_POSITION),
                journey.departure_at(simulated_buses.DWELL_POSITION),
            ),
            "ends": journey.end_at,
            "block": network.trips["307-2-ida-habil-0719"].block_id,
            "third stop's number": journey.trip.stop_sequence(2),
            "promised": journey.trip.timing.timepoint,
        },
        "headways": [
            (frequency.start_s, frequency.end_s, frequency.headway_s, frequency.exact)
            for frequency in network.trips["oeste-1-ida-habil"].frequencies
        ],
        "services by day": {
            f"{day}": network.service_day(day)[1] for day in (simulated_buses.DAY, date(2026, 5, 1), date(2026, 5, 2))
        },
    }


def _link_history(connection: Connection) -> object:
    """The expected traversal of some links at several hours."""
    network, travel_times = _network(connection), _travel_times(connection)
    pattern, (zero, _) = network.patterns[simulated_buses.BACK], network.service_day(simulated_buses.DAY)
    results = {}
    for link_id in pattern.link_ids[:MAX_LINKS]:
        for hours in HOURS:
            at = AT + 3_600 * hours
            expected = travel_times.expected_traversal(link_id, 70.0, at, zero, simulated_buses.DAY.weekday())
            results[f"link {link_id}, {hours:+} h"] = {
                "seconds": expected.expected_s,
                "without the last buses": expected.usual_s,
                "last buses, how much slower": expected.recent_excess,
                "last buses": expected.recent_buses,
                "stands at its first stop s": expected.dwell_s,
                "of being early waits": (expected.holding_share_near, expected.holding_share_far),
                "last left at": travel_times.last_departure_at(link_id),
            }
    return results


def _departures(connection: Connection) -> object:
    """Quantiles of the lateness of departures along first links."""
    network, travel_times = _network(connection), _travel_times(connection)
    return {
        f"{pattern.shape.id}, {start_h} h, at least {least_s} s": travel_times.departure_lateness_s(
            pattern.link_ids[0], 3_600.0 * start_h, float(least_s)
        )
        for pattern in network.patterns
        for start_h in (6, 7, 18)
        for least_s in (-300, 120)
    }


def _source_weights(connection: Connection) -> object:
    travel_times = _travel_times(connection)
    weights = travel_times.source_weights
    return {
        "squared error of the timetable": (weights.timetable_error.n, weights.timetable_error.value),
        "drift of the past": (weights.history_drift.n, weights.history_drift.value),
        "noise of one bus": (weights.bus_noise.n, weights.bus_noise.value),
        "squared error of the estimate": (weights.blend_error.n, weights.blend_error.value),
        "early bus waits near its start, further on": (
            weights.holding_near.slope(0.0, 1.0),
            weights.holding_far.slope(0.0, 1.0),
        ),
        "slow bus stays slow": weights.slowness_persistence.slope(0.0, 1.0),
        "slow link stays slow": weights.recent_persistence.slope(0.0, 1.0),
        "slow city stays slow": weights.network_delay_persistence.slope(0.0, 1.0),
        "city slower now": weights.network_delay.relative_delay(AT),
        "slower than expected": travel_times.slowdown_factor(AT, 0.2),
        "late departures counted": weights.departure_lateness,
        "quantiles of errors": list(
            weights.intervals.quantiles_along([AT + 60.0 * minutes for minutes in (1, 4, 8, 20, 40)], AT)
        ),
    }


def _vehicles(connection: Connection) -> object:
    return {prediction.vehicle: _prediction(prediction) for prediction, _ in read_vehicles(connection, _since())}


def _vehicle_states(connection: Connection) -> object:
    """The saved state of each vehicle: hypotheses, anchors, and progress on its journey."""
    saved = {
        prediction.vehicle: msgspec.json.decode(saved_json, type=SavedState)
        for prediction, saved_json in read_vehicles(connection, _since())
    }
    return {vehicle: _state(state.state) | {"track": _progress(state.progress)} for vehicle, state in saved.items()}


def _state(state: VehicleState) -> dict[str, object]:
    return {
        "heard": (state.at, state.latitude, state.longitude),
        "hypotheses": [_hypothesis(hypothesis) for hypothesis in state.hypotheses],
        "how surely no journey": state.no_trip_probability,
        "last journey": _hypothesis(state.last_journey),
        "marks": [_fix(anchor) for anchor in state.anchors],
        "stands, parked, doubtful": (_fix(state.stationary_since), _fix(state.base), _fix(state.outlier)),
        "claims": (state.reported_trip_id, state.out_of_service, state.unknown_route),
        "moved, pauses, is at its base": (state.has_moved, state.in_scheduled_dwell, state.at_base),
        "not moved, not got anywhere for s": (state.stationary_s, state.no_progress_s),
    }


def _hypothesis(hypothesis: Hypothesis | None) -> object:
    return hypothesis and {
        "journey": (hypothesis.trip_id, hypothesis.service_date, hypothesis.start_s, hypothesis.pattern),
        "starts": hypothesis.start_at,
        "stage": hypothesis.stage,
        "along, at its last mark m": (hypothesis.distance_m, hypothesis.anchor_m),
        "near its line": hypothesis.last_seen_at,
        "weight of positions, of claims": (hypothesis.weight, hypothesis.report_weight),
    }


def _fix(fix: AnchorPosition | None) -> object:
    return fix and {"at": fix.at, "where": (fix.latitude, fix.longitude)}


def _progress(progress: JourneyProgress | None) -> object:
    return progress and {
        "journey": progress.key,
        "at, along m": (progress.at, progress.distance_m),
        "next stop": progress.next_position,
        "last stop": progress.last_passage
        and {
            "stop": progress.last_passage.position,
            "reached": progress.last_passage.at,
            "left": progress.last_passage.left_at,
        },
        "last links should have taken, took more s": (progress.expected_s, progress.excess_s),
        "paces": progress.past_slowness,
    }


def _prediction(prediction: VehiclePrediction) -> object:
    matched = prediction.matched_position
    return {
        "does": matched.phase,
        "heard": matched.at,
        "where": (matched.latitude, matched.longitude),
        "journey": (matched.trip_id, matched.service_date, matched.start_s, matched.pattern),
        "along m": matched.distance_m,
        "how surely": matched.probability,
        "stands since s": (matched.stationary_s, matched.no_progress_s),
        "says of itself": (prediction.speed_ms, prediction.bearing_deg, prediction.occupancy),
        "comes": [_trip(trip) for trip in prediction.trips],
    }


def _trip(trip: TripPrediction) -> object:
    return {
        "journey": (trip.trip_id, trip.service_date, trip.start_s, trip.pattern),
        "by": (trip.basis, trip.reason, trip.recent_buses),
        "first stop ahead": trip.first_position,
        "next stop": [times[0] if times else None for times in _times(trip)],
        "last stop": [times[-1] if times else None for times in _times(trip)],
    }


def _times(trip: TripPrediction) -> tuple[tuple[float, ...], ...]:
    """P10, median, P90, rider times, departures."""
    return trip.p10, trip.p50, trip.p90, trip.rider_times, trip.departures


def _expected_journeys(connection: Connection) -> object:
    """The predictions of journeys without a vehicle, withdrawn ones included."""
    return {
        " ".join(map(str, key)): _trip(trip) for key, trip in sorted(read_unassigned_trips(connection, ENDS).items())
    }


def _predictions_after_restart(connection: Connection) -> object:
    """The predictions of a new process half a minute later, of vehicles that report again and of trips without one."""
    network = _network(connection)
    fleet, last_positions = Fleet(network, _travel_times(connection)), {}
    began = ENDS - timedelta(seconds=STARTED_KEPT_S)
    fleet.restore_trips(read_unassigned_trips(connection, began).values(), read_last_stops(connection, began))
    for prediction, saved_json in read_vehicles(connection, _since()):
        fleet.restore_vehicle(prediction.vehicle, saved_json, prediction)
        last_positions[prediction.vehicle] = prediction.matched_position
    at = AT + 30.0
    follows = {
        vehicle: _prediction(
            fleet.follow_report(PositionReport(vehicle, at, matched.latitude, matched.longitude), at).prediction
        )
        for vehicle, matched in last_positions.items()
        if AT - matched.at < STARTED_KEPT_S / 12
    }
    without = {
        f"{trip.trip_id} {trip.start_s}": (trip.basis, trip.reason, trip.first_position)
        for trip in fleet.unassigned_trips(at)
    }
    return {"follows": follows, "without a bus": without}


def _accuracy(connection: Connection) -> object:
    """Accuracy statistics by line and horizon."""
    by_line = accuracy_by_line(sums_between(connection, simulated_buses.DAY, simulated_buses.DAY))
    return {
        line or "all lines": {
            "estimates": statistics.overall.n,
            "mean absolute error s": statistics.overall.mae_s,
            "root mean square error s": statistics.overall.rmse_s,
            "bias s": statistics.overall.bias_s,
            "told to riders: mean absolute error, bias s": (
                statistics.overall.rider_mae_s,
                statistics.overall.rider_bias_s,
            ),
            "inside P10 to P90": statistics.overall.coverage,
            "by horizon": [
                (figures.n, figures.mae_s, figures.eta_accuracy) if figures else None
                for figures in statistics.by_horizon
            ],
            "benchmark of the MBTA": statistics.mbta,
        }
        for line, statistics in by_line.items()
    }


def _service_alerts(connection: Connection) -> object:
    alerts = alerts_in_force(connection, StopIndex(_network(connection)))
    return [
        {
            "why, what": (alert.cause, alert.effect),
            "words": (alert.header.es, alert.header.en, alert.description.es, alert.description.en, alert.url),
            "whom": [
                (entity.agency_id, entity.route_id, entity.stop_id, entity.direction_id) for entity in alert.informed
            ],
            "when": [(period.start, period.end) for period in alert.periods],
            "holds": alert.is_active(AT),
        }
        for alert in alerts
    ]


def _rider_reports(connection: Connection) -> object:
    return {"never came, by line": count_never_came(connection, ENDS - timedelta(days=1), ENDS + timedelta(days=1))}


def _network(connection: Connection) -> Network:
    network = versions.load(connection)
    assert network is not None
    return network


def _travel_times(connection: Connection) -> TravelTimes:
    travel_times = TravelTimes()
    travel_times.restore(*read_travel_times(connection))
    return travel_times


def _since() -> datetime:
    return ENDS - timedelta(days=1)


# ---------------------------------------------------------------- sensors and rules


def _rule_states(connection: Connection) -> object:
    """The state of each rule, with its colour and its confirmed colour."""
    book, states = rulebook.read(connection), RuleStates()
    states.load(connection, book, book.rules)
    results = {}
    for subject, subject_rules in sorted(book.rules.items()):
        for rule in subject_rules:
            state = states.states_of(subject)[rule.id]
            results[f"{rule.id}, version {rule.version}"] = {
                "colours": (state.nar, dispatch.confirmed_nar(state)),
                "rain of 15 min mm": dispatch.rain_15_min_mm(state),
                "remembers": plain(state),
            }
    return results


def _rulebook(connection: Connection) -> object:
    book = rulebook.read(connection)
    return {
        "stations": {
            place.id: (place.kind, place.municipality, place.basin, place.name) for place in book.stations.values()
        },
        "look at": book.neighbours,
        "streams": book.streams,
        "numbers of rules": {
            rule.id: (rulebook.JUDGEMENT_NAMES[type(rule.judgement)], plain(rule.judgement))
            for subject_rules in book.rules.values()
            for rule in subject_rules
        },
        "pasts of streams": {
            station: (model.weights, model.peaks_m[:3], model.least_chance)
            for station, model in book.exceedance_models.items()
        },
    }


def _device_memories(connection: Connection) -> object:
    """The memory of each device: quality checks and position in `seq`."""
    codes = {row.id: row.code for row in connection.execute(select(devices.c.id, devices.c.code))}
    memories = DeviceMemories()
    memories.load(connection, codes)
    results = {}
    for device_id, code in sorted(codes.items(), key=lambda pair: pair[1]):
        memory = memories.get(device_id)
        results[code] = {
            "counted": (memory.sequence.boot, memory.sequence.seq),
            "newest": memory.newest_at,
            "checks": _checks(memory.quality) if memory.quality is not None else None,
        }
    return results


def _checks(memory: QualityMemory) -> object:
    pending = memory.pending
    return {
        "newest observed, received, with a value": (memory.observed_at, memory.received_at, memory.measured_at),
        "usual interval, lag s": (memory.interval_s, memory.lag_s),
        "shown, believed": (memory.last_value, memory.accepted_value),
        "last step, largest late step": (memory.last_step, memory.max_step),
        "in doubt since, number, value": (pending.observed_at, pending.seq, pending.value)
        if pending is not None
        else None,
        "the same since, late runs of the same s": (memory.flat_since, memory.longest_flat_s),
        "zero moved": memory.shifted_at,
    }


def _forecast(connection: Connection) -> object:
    """Forecasts of the stored model: from the last wet day of the simulated past, and from the stored readings."""
    row = connection.execute(
        select(forecast_models).where(forecast_models.c.station_id == simulated_morning.RISING)
    ).one()
    model, series = msgspec.convert(row.model, ForecastModel), simulated_morning.past()
    wet = int(series.level_m[-4_000:].argmax()) + len(series.level_m) - 4_000 - 6
    assert series.rain_mm is not None
    recent = Series(series.start_s, series.step_s, series.level_m[: wet + 1], series.rain_mm[: wet + 1])
    forecast = predict(model, recent)
    assert forecast is not None
    stored = published_forecasts(connection, ENDS)[simulated_morning.RISING]
    return {
        "active": forecast.active,
        "level m": forecast.level_m,
        "ahead": [
            (lead.lead_s, lead.expected_m, lead.p10_m, lead.p50_m, lead.p90_m, lead.published)
            for lead in forecast.leads
        ],
        "above 0.9 m": [lead.probability_above(0.9) for lead in forecast.leads],
        "from stored readings": (stored.made_at, [(lead.lead_s, lead.p10_m, lead.p90_m) for lead in stored.ahead]),
        "learnt from": (model.spells, model.with_rain, model.active.usual_m),
    }


def _evidence(connection: Connection) -> object:
    """The evidence of the transitions, as text on pages."""
    words = Words("en", simulated_buses.timetable().zone)
    rows = connection.execute(select(transitions).order_by(transitions.c.id))
    texts = {f"{row.rule_id.rpartition('.')[2]}, {row.cause}": evidence_lines(words, row.evidence) for row in rows}
    return dict(sorted(texts.items()))


def _counts(connection: Connection) -> object:
    figures = health_figures(connection, ENDS)
    return {
        "open alerts by colour": figures.open_alerts,
        "unacknowledged": figures.unacknowledged,
        "rejected by reason": figures.rejected,
        "unsent notices": figures.unsent_notices,
        "unregistered devices": figures.unregistered_devices,
        "lost readings": figures.lost_readings,
        "processes": {
            process.process: (process.at, process.started_at, process.status) for process in list_processes(connection)
        },
        "rejections to be taken in": [
            (
                rejection.id,
                rejection.message.topic,
                rejection.message.payload.decode(errors="replace"),
                rejection.reason,
            )
            for rejection in rejections.list_rejections(connection, ids=None, reason=None, limit=100)
        ],
        "stations with limits of their own": connection.execute(
            select(stations.c.id, stations.c.site_limits).where(stations.c.site_limits.is_not(None))
        ).all(),
    }


READERS: Mapping[str, Callable[[Connection], object]] = {
    "accuracy": _accuracy,
    "beliefs": _vehicle_states,
    "counted": _counts,
    "departures": _departures,
    "device memories": _device_memories,
    "evidence in words": _evidence,
    "expected journeys": _expected_journeys,
    "following goes on": _predictions_after_restart,
    "forecast": _forecast,
    "link history": _link_history,
    "rider reports": _rider_reports,
    "rule states": _rule_states,
    "rulebook": _rulebook,
    "service alerts": _service_alerts,
    "source weights": _source_weights,
    "timetable": _timetable,
    "vehicles": _vehicles,
}
