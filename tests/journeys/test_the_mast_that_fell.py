"""A storm fells a mast, and thirty sensors are silent at once: one incident, one answer, each returns by itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from alerts import lapses
from services import actions
from services.actions import Seen
from services.runtime.settings import Settings
from services.web.app import create_app
from tests.alerts.town import NOON, EngineRun, load_town
from tests.services.web.pages import city
from tests.services.web.pages.site import Site

SENSORS = tuple(f"sensor-{number:02}" for number in range(1, 31))
FALLEN, BACK_AT = 40, 60
"""Minutes after noon at which all were silent for too long, and at which the first is heard again."""


@pytest.fixture
def run(database: Engine) -> Iterator[EngineRun]:
    """The town, whose mast fell at noon."""
    with database.connect() as connection:
        with connection.begin():
            run = load_town(connection, *SENSORS)
            run.receive_levels(0, **dict.fromkeys(SENSORS, 0.4))
        with connection.begin():
            run.tick_at(FALLEN)
        yield run


def watch(database: Engine, folder: Path, minute: float) -> Site:
    """An operator who looks at the pages at that minute after noon."""
    now = NOON + timedelta(minutes=minute)
    site = Site(create_app(Settings(data_dir=folder), database, lambda: now, prepared_s=0.0))
    with database.begin() as transaction:
        token = city.operator(transaction, f"Mirta Q. {minute:.0f}")
    site.enter(token)
    return site


def test_thirty_silent_sensors_are_one_incident_with_one_answer_and_each_returns_by_itself(
    database: Engine, run: EngineRun, tmp_path: Path
) -> None:
    assert run.rows("SELECT judgement, count(*) FROM alerts GROUP BY judgement ORDER BY 1") == [
        ("outage", 1),
        ("silence", 30),
    ]
    ((incident, hazard),) = run.rows("SELECT id, hazard FROM incidents WHERE state = 'open'")
    assert (hazard, run.value("SELECT count(DISTINCT incident_id) FROM alerts")) == ("equipment", 1)
    assert run.value("SELECT count(*) FROM notices WHERE channel = 'console'") == 1
    run.transaction.commit()

    with watch(database, tmp_path, FALLEN + 1) as site:
        page = site.page("/").part("sucesos")
        assert "30" in page.text
        assert page.html.count('<li id="alerta-') == 31
        assert page.html.index("<details>") < page.html.index("sensor-01")
    seen = [Seen(number, nar) for number, nar in run.rows("SELECT id, nar FROM alerts ORDER BY id")]
    now = NOON + timedelta(minutes=FALLEN + 2)
    actions.acknowledge_incident(run.transaction, incident, seen, operator="mirta", note="Cayó el mástil.", now=now)
    assert run.value("SELECT count(*) FROM alerts WHERE acknowledged_at IS NULL") == 0
    assert run.value("SELECT count(*) FROM alert_actions WHERE action = 'acknowledge'") == 31
    run.transaction.commit()

    for order, sensor in enumerate(SENSORS):
        minute = BACK_AT + order
        run.receive_levels(minute, **dict.fromkeys(SENSORS[: order + 1], 0.4))
        run.tick_at(minute)
        assert run.rows(f"SELECT state, closed_by FROM alerts WHERE subject = '{sensor}'") == [("closed", "rule")]
        assert run.value("SELECT count(*) FROM alerts WHERE state = 'closed' AND judgement = 'silence'") == order + 1
    assert run.rows("SELECT state, closed_by FROM alerts WHERE judgement = 'outage'") == [("closed", "rule")]
    assert run.rows("SELECT id, state FROM incidents") == [(incident, "closed")]
    run.transaction.commit()


def test_nobody_is_asked_again_while_the_mast_is_mended_until_the_acknowledgement_expires(
    database: Engine, run: EngineRun
) -> None:
    run.transaction.commit()
    now = NOON + timedelta(minutes=FALLEN + 2)
    with database.begin() as transaction:
        rows = transaction.execute(text("SELECT id, nar, incident_id FROM alerts ORDER BY id")).all()
        seen = [Seen(row.id, row.nar) for row in rows]
        actions.acknowledge_incident(transaction, rows[0].incident_id, seen, operator="mirta", note="", now=now)
    run.tick_at(FALLEN + 30)
    run.transaction.commit()
    waiting = text("SELECT judgement, count(*) FROM alerts WHERE acknowledged_at IS NULL GROUP BY judgement ORDER BY 1")
    with database.connect() as connection:
        assert connection.execute(waiting).all() == []
    assert lapses.run_lapses(database.begin, now + timedelta(minutes=60)) == 1
    with database.connect() as connection:
        assert connection.execute(waiting).all() == [("outage", 1)], "naranja asks again sooner than amarillo"
    assert lapses.run_lapses(database.begin, now + timedelta(minutes=240)) == 30
