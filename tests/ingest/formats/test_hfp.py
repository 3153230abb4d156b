"""HFP positions: decoded as readings, whatever an event leaves out; no bytes make the decoder fail."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import decode
from models.kinds.bus import BUS
from models.reading import Flag, Message, Reading, Reason, Rejected

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
JOURNEY = "/hfp/v2/journey/ongoing/{}/bus/0022/00817/2550/2/Itäkeskus/{}/1454121/5/60;24/17/28/39"
VP = json.loads("""{"desi": "550", "dir": "2", "oper": 6, "veh": 817, "tst": "2026-03-02T11:59:58.120Z",
    "tsi": 1772452798, "spd": 8.36, "hdg": 360, "lat": 60.2, "long": 24.9, "acc": 0.1, "dl": -75, "odo": 2480,
    "oday": "2026-03-02", "jrn": 92, "line": 261, "start": "13:40", "loc": "GPS", "stop": null, "route": "2550",
    "occu": 20}""")


def heard(topic: str, payload: object, foreign: str | None = "laplata") -> Reading | Rejected:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    (item,) = decode(Message(topic, body, NOW), foreign)
    assert isinstance(item, Reading | Rejected)
    return item


def said(topic: str, payload: object) -> dict[str, Any]:
    """The reading's fields by name, without those that say nothing."""
    reading = heard(topic, payload)
    assert isinstance(reading, Reading), reading
    values = dict(zip(BUS.columns, reading.values, strict=True))
    return {name: value for name, value in values.items() if value is not None}


def test_a_position_is_told_in_our_own_words() -> None:
    reading = heard(JOURNEY.format("vp", "13:40"), {"VP": VP})
    assert isinstance(reading, Reading)
    assert (reading.municipality, reading.kind, reading.device) == ("laplata", "bus", "0022-00817")
    assert reading.observed_at == datetime(2026, 3, 2, 11, 59, 58, 120_000, tzinfo=UTC)
    assert reading.seq == -1
    place = {"lat": 60.2, "lon": 24.9, "speed_ms": 8.36, "bearing_deg": 360.0, "occupancy": 20, "in_service": True}
    claims = {"route_id": "2550", "direction_id": 1, "start_date": "20260302", "start_time": "13:40"}
    shown = {"line": "550", "sign": "Itäkeskus", "delay_s": 75}
    assert said(JOURNEY.format("vp", "13:40"), {"VP": VP}) == place | claims | shown


def test_lateness_changes_its_sign_and_a_start_after_midnight_belongs_to_the_day_before() -> None:
    fields = said(JOURNEY.format("vp", "00:10"), {"VP": VP | {"dl": 130, "start": "00:10", "dir": "1"}})
    assert (fields["delay_s"], fields["start_time"], fields["direction_id"]) == (-130, "24:10", 0)


def test_what_an_event_of_a_door_leaves_out_stands_in_its_topic() -> None:
    bare = {name: VP[name] for name in ("oper", "veh", "tst", "tsi", "lat", "long", "spd")}
    fields = said(JOURNEY.format("dout", "13:40"), {"DOUT": bare})
    assert (fields["route_id"], fields["direction_id"], fields["start_time"]) == ("2550", 1, "13:40")
    assert not {"start_date", "line", "delay_s", "occupancy"} & fields.keys()


def test_events_of_one_instant_are_different_readings_and_count_nothing() -> None:
    numbers = [getattr(heard(JOURNEY.format(name, "13:40"), {name.upper(): VP}), "seq", 0) for name in ("vp", "arr")]
    assert len(set(numbers)) == 2
    assert max(numbers) < 0


def test_a_vehicle_is_its_owners_whoever_runs_the_line() -> None:
    reading = heard(JOURNEY.format("vp", "13:40"), {"VP": VP | {"oper": 99}})
    assert isinstance(reading, Reading)
    assert reading.device == "0022-00817"


@pytest.mark.parametrize("kind", ["deadrun", "signoff"])
def test_a_bus_on_no_journey_claims_none(kind: str) -> None:
    fields = said(f"/hfp/v2/{kind}/ongoing/vp/bus/0022/00817", {"VP": VP})
    assert fields["in_service"] is False
    assert not {"route_id", "direction_id", "start_time", "sign"} & fields.keys()


@pytest.mark.parametrize("missing", [{"lat": None}, {"long": None}, {"lat": None, "long": None}])
def test_without_a_fix_there_is_a_reading_without_a_place(missing: dict[str, None]) -> None:
    fields = said(JOURNEY.format("vp", "13:40"), {"VP": VP | missing})
    assert not {"lat", "lon"} & fields.keys()
    assert fields["route_id"] == "2550"


def test_a_claim_out_of_bounds_costs_only_itself() -> None:
    fields = said(JOURNEY.format("vp", "13:40"), {"VP": VP | {"hdg": 361, "spd": -1, "occu": 255, "oday": "soon"}})
    assert not {"bearing_deg", "speed_ms", "occupancy", "start_date"} & fields.keys()
    assert fields["lat"] == 60.2


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("/hfp/v2/journey/ongoing/vp/bus", {"VP": VP}, Reason.TOPIC),
        ("/hfp/v2/journey/ongoing/vp/bus//00817", {"VP": VP}, Reason.TOPIC),
        ("/hfp/v2/holiday/ongoing/vp/bus/0022/00817", {"VP": VP}, Reason.TOPIC),
        (JOURNEY.format("xyz", "13:40"), {"XYZ": VP}, Reason.TOPIC),
        (JOURNEY.format("vp", "13:40"), {"ARR": VP}, Reason.SHAPE),
        (JOURNEY.format("vp", "13:40"), {"VP": VP, "ARR": VP}, Reason.SHAPE),
        (JOURNEY.format("vp", "13:40"), {"VP": VP | {"lat": 91}}, Reason.FIELD),
        (JOURNEY.format("vp", "13:40"), {"VP": VP | {"lat": "60.2"}}, Reason.FIELD),
        (JOURNEY.format("vp", "13:40"), {"VP": VP | {"tst": None, "tsi": None}}, Reason.TIME),
        (JOURNEY.format("vp", "13:40"), {"VP": VP | {"tst": "yesterday"}}, Reason.TIME),
        (JOURNEY.format("vp", "13:40"), b"\xff\x00", Reason.SYNTAX),
        (JOURNEY.format("vp", "13:40"), b" " * 70_000, Reason.TOO_LARGE),
        ("/other/things", {"VP": VP}, Reason.TOPIC),
        ("/hfp/v2/" + "x" * 2_000, {"VP": VP}, Reason.TOPIC),
    ],
)
def test_what_is_no_position_is_rejected_with_its_bytes(topic: str, payload: object, reason: Reason) -> None:
    rejected = heard(topic, payload)
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.message.topic) == (reason, topic)


def test_nobody_listens_to_foreign_topics_that_no_municipality_answers_for() -> None:
    rejected = heard(JOURNEY.format("vp", "13:40"), {"VP": VP}, foreign=None)
    assert isinstance(rejected, Rejected)
    assert "VIGIA_FOREIGN_BUSES" in rejected.detail


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@given(
    event=st.dictionaries(st.sampled_from(sorted(VP)), anything), name=st.sampled_from(["vp", "da"]), start=st.text()
)
def test_whatever_an_event_holds_it_ends_as_a_reading_or_a_rejection(
    event: dict[str, object], name: str, start: str
) -> None:
    item = heard(JOURNEY.format(name, start), json.dumps({name.upper(): VP | event}).encode(errors="replace"))
    assert isinstance(item, Rejected) or (item.kind == "bus" and item.flags == Flag.NONE)


@given(topic=st.text().map(lambda rest: f"/hfp/v2/{rest}"), payload=st.binary())
def test_whatever_the_bytes_nothing_fails(topic: str, payload: bytes) -> None:
    assert isinstance(heard(topic, payload), Rejected)
