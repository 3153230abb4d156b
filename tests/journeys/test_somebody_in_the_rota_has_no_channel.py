"""Somebody in the rota has no channel. That is found before the storm, and in the storm nobody waits for them."""

from pathlib import Path

from sqlalchemy import Engine, text

from services.notices.escalation.escalation import Escalation
from services.self_check.self_check import SelfCheck
from tests.services.duty.rota_town import add_people
from tests.services.notices.people import rows
from tests.services.web.pages import city
from tests.services.web.pages.conftest import visitor

SUBJECT = "SELECT judgement, nar, state, evidence ->> 'people_without_channel' FROM alerts WHERE judgement = 'duty'"


def check(database: Engine) -> None:
    """The check of the rota, as upkeep runs it at start and every minute."""
    SelfCheck(database, lambda: city.NOW, set(), upkeep=True).run()


def test_whom_no_tested_channel_reaches_is_found_before_the_storm_and_passed_over_in_it(
    database: Engine, tmp_path: Path
) -> None:
    with database.begin() as transaction:
        city.storm(transaction)
        city.storm_alerts(transaction)
        token = city.operator(transaction, "Supervisora")
        add_people(transaction, "municipality:laplata", untested=["Ana"])
    check(database)
    assert rows(database, SUBJECT) == [("duty", 1, "firing", "1")]
    with visitor(database, tmp_path) as site:
        site.enter(token)
        shown = site.page("/guardia")
        assert "A estas personas de la rota no les llega ningún canal probado" in shown.text
        assert "Todos los turnos" not in shown.text

        Escalation(database, lambda: city.NOW).run()
        incident = rows(database, "SELECT incident_id FROM escalations WHERE nar = 3 ORDER BY id LIMIT 1")[0][0]
        page = site.page(f"/suceso/{incident}").text.replace(" :", ":")
        assert "Ana Sosa: ✗ NO ALCANZADA: no tiene canal probado" in page
        assert "Bruno Díaz" in page, "the second is called at once"
        called = "SELECT p.name, c.unreached_why FROM escalation_calls c JOIN escalations e ON e.id = c.escalation_id"
        called += f" JOIN people p ON p.id = c.person_id WHERE e.incident_id = {incident} ORDER BY c.id"
        assert rows(database, called)[:2] == [("Ana Sosa", "no_channel"), ("Bruno Díaz", None)]

    with database.begin() as transaction:
        transaction.execute(text("UPDATE person_channels SET tested_at = :now"), {"now": city.NOW})
    check(database)
    assert rows(database, SUBJECT)[0][2] == "closed", "once tested, the alert closes itself"
