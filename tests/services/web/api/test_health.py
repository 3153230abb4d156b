"""The routes of health and metrics."""

from datetime import timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from services.runtime.heartbeat import write_heartbeat
from services.self_check.self_check import SelfCheck
from tests.services.web.api.conftest import NOON, City


def metrics(city: City) -> dict[tuple[str, ...], float]:
    """All samples by name and labels, as Prometheus parses them."""
    families = text_string_to_metric_families(city.client.get("/metrics").text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def beats(city: City, process: str, **status: Any) -> None:
    """Store a heartbeat of a process."""
    write_heartbeat(city.database, process, NOON, city.clock, status)


def pass_time(city: City, seconds: float) -> None:
    """Make all heartbeats older, but for that of the API, which writes its own every second."""
    city.execute(f"UPDATE heartbeats SET written_at = written_at - interval '{seconds} s' WHERE process <> 'api'")


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
    pass_time(city, 3600)
    beats(city, "pipeline-all", readings=13)
    told = city.get("/health")
    assert (told["state"], told["dead"]) == ("degraded", ["notifier"])
    ages_h = {one["process"]: one["age_s"] // 3600 for one in told["processes"] if one["process"] != "api"}
    assert ages_h == {"notifier": 1.0, "pipeline-all": 0.0}
    pass_time(city, 3600)
    assert city.get("/health")["state"] == "down"


def test_a_pipeline_without_its_broker_is_degraded(city: City) -> None:
    beats(city, "pipeline-critical", connected=False)
    beats(city, "pipeline-bulk", connected=True)
    assert city.get("/health")["state"] == "degraded"
    beats(city, "pipeline-critical", connected=True)
    assert city.get("/health")["state"] == "ok"


def test_a_lane_that_never_ran_is_down_and_its_clock_decides_nothing(city: City) -> None:
    beats(city, "pipeline-bulk")
    assert city.get("/health")["dead"] == ["pipeline-critical"]
    assert city.get("/health")["state"] == "down"
    assert metrics(city)["vigia_process_alive", "pipeline-critical"] == 0
    city.clock.now += timedelta(days=365)
    beats(city, "pipeline-critical")
    city.clock.now -= timedelta(days=365)
    assert city.get("/health")["state"] == "ok"
    pass_time(city, 3600)
    beats(city, "pipeline-bulk")
    assert city.get("/health")["dead"] == ["pipeline-critical"]


def test_a_process_that_starts_again_and_again_is_dead_until_it_has_run_for_a_while(city: City) -> None:
    beats(city, "pipeline-all")
    for second in range(3):
        assert city.get("/health")["dead"] == []
        write_heartbeat(city.database, "upkeep", NOON + timedelta(seconds=second), lambda: NOON, {})
    told = city.get("/health")
    assert (told["state"], told["dead"]) == ("degraded", ["upkeep"])
    assert [one["restarting"] for one in told["processes"] if one["process"] == "upkeep"] == [True]
    assert metrics(city)["vigia_process_alive", "upkeep"] == 0
    city.execute("UPDATE heartbeats SET recent_starts = ARRAY(SELECT unnest(recent_starts) - interval '100 s')")
    assert city.get("/health")["dead"] == []


def test_an_alert_about_vigia_itself_degrades_and_is_named(city: City) -> None:
    beats(city, "pipeline-all", sessions_lost=1, session_lost_age_s=1.0)
    SelfCheck(city.database, city.clock, {"pipeline-all"}).run()
    told = city.get("/health")
    assert (told["state"], told["faults"]) == ("degraded", ["broker/session/pipeline-all"])
    assert metrics(city)["vigia_fault", "broker/session/pipeline-all"] == 3
    beats(city, "pipeline-all", sessions_lost=1, session_lost_age_s=601.0)
    SelfCheck(city.database, city.clock, {"pipeline-all"}).run()
    told = city.get("/health")
    assert (told["state"], told["faults"]) == ("ok", [])


def test_the_newest_backup_is_told_and_that_there_is_none(city: City) -> None:
    assert city.get("/health")["backup"] is None
    assert ("vigia_backup_age_seconds",) not in metrics(city)
    taken = "now() - interval '2 hours'"
    city.execute(f"INSERT INTO last_backup (id, taken_at, folder, bytes) VALUES (1, {taken}, '/backups/a', 5000)")
    told = city.get("/health")["backup"]
    assert (told["folder"], told["size_bytes"]) == ("/backups/a", 5000)
    assert 7200 <= metrics(city)["vigia_backup_age_seconds",] < 10_800
    assert metrics(city)["vigia_backup_bytes",] == 5000


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
    assert 0 <= told["vigia_heartbeat_age_seconds", "pipeline-all"] < 3600
    assert told["vigia_process_alive", "pipeline-all"] == 1
    assert told["vigia_process", "pipeline-all", "readings"] == 12
    assert told["vigia_unregistered_devices",] == 1
    assert told["vigia_lost_readings",] == 2
    assert told["vigia_unsent_notices",] > 0
    assert told["vigia_live_connected",] == 1
    assert told["vigia_live_clients",] == 0
    assert told["vigia_live_dropped_total",] == 0
