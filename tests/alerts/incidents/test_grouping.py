"""Which alerts are one incident: those of one hazard, one area and one time, and never of two without a reason."""

from collections import defaultdict
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.grouping import QUIET_AFTER, accepts, membership
from alerts.rulebook import Station
from models.alert import NAR
from models.incident import Hazard, IncidentKey, Membership
from tests.alerts.town import NOON

STREAM = Station("puente", "river", "azul", "gato", "Puente")
GAUGE = Station("plaza", "rain", "azul", "gato", "Plaza")
PLAIN = Station("campo", "river", "azul", None, "Campo")
RADAR = Station("ruta", "radar", "azul", None, "Ruta")
VIGIA = Station("system", "system", "", None, "Vigía")


@pytest.mark.parametrize(
    ("station", "judgement", "nar", "key", "why"),
    [
        (STREAM, "stage", NAR.ROJO, IncidentKey(Hazard.FLOOD, "basin:gato"), Membership.STREAM),
        (GAUGE, "rainfall", NAR.AMARILLO, IncidentKey(Hazard.FLOOD, "basin:gato"), Membership.RAIN),
        (PLAIN, "stage", NAR.ROJO, IncidentKey(Hazard.FLOOD, "municipality:azul"), Membership.STREAM),
        (STREAM, "silence", NAR.ROJO, IncidentKey(Hazard.FLOOD, "basin:gato"), Membership.LOST_GAUGE),
        (
            STREAM,
            "silence",
            NAR.AMARILLO,
            IncidentKey(Hazard.EQUIPMENT, "municipality:azul", "river"),
            Membership.SAME_EQUIPMENT,
        ),
        (
            STREAM,
            "outage",
            NAR.NARANJA,
            IncidentKey(Hazard.EQUIPMENT, "municipality:azul", "river"),
            Membership.SAME_NETWORK,
        ),
        (
            RADAR,
            "extreme_speed",
            NAR.NARANJA,
            IncidentKey(Hazard.SPEED, "municipality:azul", "radar"),
            Membership.SAME_STREET,
        ),
        (VIGIA, "process", NAR.ROJO, IncidentKey(Hazard.SYSTEM, "system"), Membership.ITSELF),
    ],
)
def test_an_alert_belongs_to_the_incident_of_its_hazard_and_area(
    station: Station, judgement: str, nar: NAR, key: IncidentKey, why: Membership
) -> None:
    assert membership(station, judgement, nar) == (key, why)


BASINS, MUNICIPALITIES = st.sampled_from([None, "gato", "maldonado"]), st.sampled_from(["azul", "verde"])
JUDGEMENTS = st.sampled_from(
    ["stage", "rainfall", "silence", "fault", "outage", "extreme_speed", "speed_trend", "evaluator"]
)
ALERTS = st.tuples(
    st.builds(
        Station,
        st.text("ab", min_size=1),
        st.sampled_from(["river", "rain", "radar"]),
        MUNICIPALITIES,
        BASINS,
        st.just("Puente"),
    ),
    JUDGEMENTS,
    st.sampled_from([NAR.AMARILLO, NAR.NARANJA, NAR.ROJO]),
)
FLOODS = frozenset({Membership.STREAM, Membership.RAIN, Membership.LOST_GAUGE})


@given(st.lists(ALERTS))
def test_no_incident_joins_two_basins_two_towns_or_a_flood_with_anything_else(
    alerts: list[tuple[Station, str, NAR]],
) -> None:
    members = defaultdict(list)
    for station, judgement, nar in alerts:
        key, why = membership(station, judgement, nar)
        members[key].append((station, why))
    for key, found in members.items():
        assert len({station.municipality for station, _ in found if key.area.startswith("municipality:")}) <= 1
        assert len({station.basin for station, why in found if why in FLOODS}) <= 1
        assert {why in FLOODS for _, why in found} == {key.hazard is Hazard.FLOOD}


def test_an_incident_takes_in_the_alerts_of_its_own_time_only() -> None:
    later = NOON + QUIET_AFTER
    assert accepts(firing=True, changed_at=NOON, now=later)
    assert accepts(firing=False, changed_at=NOON, now=later - timedelta(seconds=1))
    assert not accepts(firing=False, changed_at=NOON, now=later)
