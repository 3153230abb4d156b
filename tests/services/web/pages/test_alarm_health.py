"""The page of how much operators are told: a rate with its bar, floods, chattering, standing alerts, top ten."""

from datetime import timedelta

from sqlalchemy import Engine, insert, text

from models.tables.alerts import transitions
from services.queries.alerts.alarm_health import alarm_health
from tests.services.web.pages import city
from tests.services.web.pages.site import Site


def test_a_flood_a_chattering_sensor_and_an_alert_of_yesterday_are_told(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        old = city.raise_alert(transaction, "pereyra", opened_at=city.NOW - timedelta(hours=25))
        number = transaction.execute(text("SELECT id FROM alerts ORDER BY id LIMIT 1")).scalar_one()
        start = city.NOW - timedelta(minutes=7)  # 18:00 in the city
        one = {"alert_id": number, "rule_id": "x.stage", "rule_version": 1, "subject": "gato-143-524", "before": 0}
        one |= {"after": 2, "change": "raised", "cause": "level", "confirmed": True, "evidence": {}}
        for second in range(11):
            at = start + timedelta(seconds=second)
            transaction.execute(insert(transitions).values(**one, observed_at=at, decided_at=at, announced="opened"))
        figures = alarm_health(transaction, city.NOW, 7)
        token = city.operator(transaction)
    assert (figures.announced, figures.worst_10_min, figures.floods) == (11, 11, 1)
    assert figures.by_colour == {"amarillo": 0, "naranja": 11, "rojo": 0}
    assert figures.top[0].subject == "gato-143-524"
    assert [found.subject for found in figures.chattering] == ["gato-143-524"]
    assert [found.alert_id for found in figures.standing] == [old]
    assert changing_site.get("/salud-de-avisos").status_code == 401
    changing_site.enter(token)
    shown = changing_site.page("/salud-de-avisos").text
    assert "Salud de los avisos" in shown
    assert "11 (hasta 10)" in shown
