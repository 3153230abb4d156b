"""Streams conserve water, a cascade has its textbook response, rivers peak after the rain, downstream last."""

from datetime import UTC, datetime
from math import exp, factorial

import pytest

from models.place import Catchment, Station
from simulators.environment.streams import (
    STEP_S,
    ReservoirCascade,
    StreamNetwork,
    backwater_m,
    bankfull_discharge_m3s,
    catchment_lag_s,
    depth_m,
    tide_m,
)

NOON = datetime(2013, 4, 2, 15, tzinfo=UTC)


def station(name: str, area_km2: float, *upstream: str, north: float = 0.0) -> Station:
    return Station(
        id=name,
        municipality="m",
        kind="river",
        name=name,
        latitude=-34.9 + north,
        longitude=-57.9,
        upstream=upstream,
        catchment=Catchment(area_km2=area_km2, bankfull_m=2.0),
    )


STREAM = (station("head", 20.0), station("town", 50.0, "head", north=0.03), station("mouth", 90.0, "town", north=0.06))


def flood(streams: StreamNetwork, *, wet_min: int, mm_min: float, minutes: int) -> dict[str, list[float]]:
    """Discharges of every station while it rains everywhere, and after."""
    flows: dict[str, list[float]] = {name: [] for name in streams.reaches}
    for minute in range(minutes):
        streams.step(dict.fromkeys(streams.reaches, mm_min if minute < wet_min else 0.0))
        for name, reach in streams.reaches.items():
            flows[name].append(reach.discharge_m3s)
    return flows


def test_water_is_neither_made_nor_lost() -> None:
    streams = StreamNetwork(STREAM)
    before = sum(reach.stored_m3 for reach in streams.reaches.values())
    flows = flood(streams, wet_min=180, mm_min=1.7, minutes=3000)
    fallen = sum(reach.rainfall_m3 for reach in streams.reaches.values())
    evaporated = sum(reach.evaporated_m3 for reach in streams.reaches.values())
    after = sum(reach.stored_m3 for reach in streams.reaches.values())
    left = sum(flows["mouth"]) * STEP_S
    assert fallen == pytest.approx(90.0 * 180 * 1.7 * 1000)
    assert before + fallen == pytest.approx(after + evaporated + left, rel=1e-9)


def test_a_cascade_answers_a_pulse_as_nash_s_unit_hydrograph() -> None:
    k_s = 1800.0
    cascade = ReservoirCascade(k_s, [0.0] * 3)
    seen = [cascade.step(1000.0)] + [cascade.step(0.0) for _ in range(1000)]
    assert sum(seen) == pytest.approx(1000.0, rel=1e-6)
    for minute in (30, 60, 120, 300):
        t = minute * STEP_S
        textbook = 1000.0 / k_s / factorial(2) * (t / k_s) ** 2 * exp(-t / k_s) * STEP_S
        assert seen[minute] == pytest.approx(textbook, rel=0.05)


def test_rivers_peak_after_the_rain_and_downstream_last() -> None:
    flows = flood(StreamNetwork(STREAM), wet_min=120, mm_min=1.0, minutes=2000)
    peaks = {name: flow.index(max(flow)) for name, flow in flows.items()}
    assert 120 <= peaks["head"] < peaks["town"] < peaks["mouth"] < 120 + 600
    assert max(flows["head"]) < max(flows["town"]) < max(flows["mouth"])
    assert flows["mouth"][-1] < 0.1 * max(flows["mouth"])


def test_wet_ground_sheds_more_of_the_same_rain() -> None:
    streams = StreamNetwork(STREAM[:1])
    first = sum(flood(streams, wet_min=60, mm_min=1.0, minutes=1000)["head"])
    second = sum(flood(streams, wet_min=60, mm_min=1.0, minutes=1000)["head"])
    assert second > 1.1 * first


def test_a_dry_stream_keeps_its_base_flow() -> None:
    flows = flood(StreamNetwork(STREAM), wet_min=0, mm_min=0.0, minutes=1440)
    assert 0.2 < flows["mouth"][-1] < 0.1 * bankfull_discharge_m3s(Catchment(area_km2=90, bankfull_m=2))


def test_the_rating_rises_passes_the_banks_at_bank_full_and_flattens_over_the_plain() -> None:
    bed = Catchment(area_km2=50.0, bankfull_m=2.0)
    full = bankfull_discharge_m3s(bed)
    depths = [depth_m(full * share, bed) for share in (0.0, 0.1, 0.5, 1.0, 2.0, 10.0)]
    assert depths == sorted(depths)
    assert depths[0] == 0.0
    assert depths[3] == pytest.approx(2.0)
    assert depths[5] < 2.0 * 10**0.6


def test_larger_land_answers_later() -> None:
    assert catchment_lag_s(5.0) < catchment_lag_s(50.0) < catchment_lag_s(500.0)


def test_the_tide_holds_up_a_low_stream_and_bows_to_a_flood() -> None:
    levels = [tide_m(datetime(2013, 4, day, hour, tzinfo=UTC)) for day in range(1, 29) for hour in range(24)]
    assert 0.0 < min(levels) < 0.5
    assert 1.2 < max(levels) < 1.7
    assert backwater_m(0.1, 1.0) == pytest.approx(1.0, abs=0.01)
    assert backwater_m(4.0, 1.0) == pytest.approx(4.0, abs=0.01)


def test_a_station_without_a_catchment_is_dry_unless_it_is_tidal() -> None:
    bare = Station(id="s", municipality="m", kind="river", name="s", latitude=0, longitude=0)
    port = Station(id="p", municipality="m", kind="river", name="p", latitude=0, longitude=0, tidal=True)
    streams = StreamNetwork((bare, port))
    streams.step({})
    assert streams.level_m("s", NOON) == 0.0
    assert streams.level_m("p", NOON) == pytest.approx(tide_m(NOON))
