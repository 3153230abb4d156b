"""The routes of health and metrics."""

from datetime import timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from services.runtime.heartbeat import write_heartbeat
from tests.services.web.api.conftest import NOON, City


def metrics(city: City) -> dict[tuple[str, ...], float]:
    """All samples by name and labels, as Prometheus parses them."""
    families = text_string_to_metric_families(city.client.get("/metrics").text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def beats(city: City, process: str, **status: Any) -> None:
    """Store a heartbeat of a process."""
    write_heartbeat(city.database, process, NOON, city.clock.now, status)


def test_the_service_is_alive_and_ready(city: City) -> None:
    for prefix in ("", "/api/v1"):
        assert city.client.get(f"{prefix}/health/live").json() == {"alive": True}
        assert city.client.get(f"{prefix}/health/ready").json()["schema_version"]
    city.execute("DROP TABLE alembic_version")
    assert city.client.get("/health/ready").status_code == 503


def test_without_a_pipeline_it_is_down_and_with_a_silent_notifier_degraded(city: City) -> None:
    assert city.get("/health")["state"] == "down"
    beats(city, "pipeline-all", readings=12)
    beats(city, "notifier", sent=0)
    assert city.get("/health")["state"] == "ok"
    city.clock.now += timedelta(seconds=31)
    beats(city, "pipeline-all", readings=13)
    told = city.get("/health")
    assert (told["state"], told["dead"]) == ("degraded", ["notifier"])
    assert {one["process"]: one["age_s"] for one in told["processes"]} == {"notifier": 31.0, "pipeline-all": 0.0}
    city.clock.now += timedelta(seconds=31)
    assert city.get("/health")["state"] == "down"


def test_a_pipeline_without_its_broker_is_degraded(city: City) -> None:
    beats(city, "pipeline-critical", connected=False)
    beats(city, "pipeline-bulk", connected=True)
    assert city.get("/health")["state"] == "degraded"
    beats(city, "pipeline-critical", connected=True)
    assert city.get("/health")["state"] == "ok"


def test_health_has_the_age_of_each_kind(city: City) -> None:
    city.send(0, 0.4)
    city.clock.now += timedelta(seconds=99)
    ages = {one["kind"]: (one["lane"], one["age_s"]) for one in city.get("/health")["kinds"]}
    assert ages == {
        "river": ("critical", 99.0),
        "rain": ("critical", None),
        "radar": ("bulk", None),
        "bus": ("bulk", None),
    }


def test_metrics_count_alerts_rejections_ages_and_losses(city: City) -> None:
    city.flood()
    city.send(6, None)
    for seq in (1, 4):
        city.send(seq, 0.4, station="forastero", boot="b", seq=seq)
    city.clock.now += timedelta(seconds=5)
    beats(city, "pipeline-all", readings=12, connected=True, session_present=None)
    told = metrics(city)
    assert told["vigia_open_alerts", "rojo"] == 1
    assert told["vigia_open_alerts", "verde"] == 0
    assert told["vigia_unacknowledged_alerts",] == 1
    assert told["vigia_rejected_last_day", "field"] == 1
    assert told["vigia_reading_age_seconds", "river"] == 5
    assert told["vigia_heartbeat_age_seconds", "pipeline-all"] == 0
    assert told["vigia_process", "pipeline-all", "readings"] == 12
    assert told["vigia_unregistered_devices",] == 1
    assert told["vigia_lost_readings",] == 2
    assert told["vigia_unsent_notices",] > 0
    assert told["vigia_live_connected",] == 1
    assert told["vigia_live_clients",] == 0
    assert told["vigia_live_dropped_total",] == 0
