"""The deployed database roles, on plain PostgreSQL and on TimescaleDB: each does its part, and none does another's."""

from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from models.kinds import KINDS, KINDS_BY_NAME
from models.migrations import upgrade
from models.migrations.privileges import ROLES as RUNNING
from models.reading import Message
from models.tables import METADATA
from models.tables.readings import READINGS
from services.notices.deliveries import reach_of_incident
from services.notices.notifier import Notifier
from services.notices.person_channels import add_channel, confirm_test, end_channel, put_first, start_test
from services.notices.sms_answers import answer_text_message
from services.pipeline.road import Pipeline
from services.runtime.database import open_database
from services.upkeep.retention import ACTIONS_KEPT, delete_expired
from tests.alerts.town import NOON
from tests.databases import plain_database
from tests.deploy.conftest import ROLES, prepare
from tests.services.notices.people import Mail, add_incident, add_person, queue
from tests.storage.conftest import allow_timescale
from tests.storage.test_migrations import migrated, relations
from tests.storage.test_retention import reading

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
A_SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
RAW_DAYS = KINDS_BY_NAME["river"].retention.raw_days
TOPIC = "vigia/v1/laplata/river/gauge-1"
Roles = dict[str, Engine]


@pytest.fixture(scope="module", params=["plain", "timescale"])
def roles(request: pytest.FixtureRequest, storage_url: str) -> Iterator[Roles]:
    """The deployed roles of a database that its owner has migrated. A server may have them from a run before."""
    with plain_database(storage_url) as url:
        if request.param == "timescale":
            allow_timescale(url)
        passwords = dict.fromkeys(ROLES, "only-for-a-test")
        prepare(url, passwords)
        engines = {
            role: open_database(
                make_url(url).set(username=role, password=password).render_as_string(hide_password=False), name="test"
            )
            for role, password in passwords.items()
        }
        migrated(engines["vigia_owner"])
        yield engines
        for engine in engines.values():
            engine.dispose()
    with psycopg.connect(storage_url, autocommit=True) as superuser:
        for role in ROLES:
            with suppress(psycopg.errors.DependentObjectsStillExist):  # of a run before that was killed
                superuser.execute(f"DROP ROLE {role}".encode())


on_timescale = pytest.mark.parametrize("roles", ["timescale"], indirect=True)


def refused(engine: Engine, statement: str) -> None:
    """The role may not do this."""
    with (
        pytest.raises(ProgrammingError, match=r"permission|must be owner") as error,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        connection.execute(text(statement))
    assert isinstance(error.value.orig, psycopg.errors.InsufficientPrivilege)


def test_a_person_is_told_and_answers_through_the_roles_of_pages_and_notifier_alone(roles: Roles) -> None:
    with roles["vigia_owner"].begin() as owner:
        ana = add_person(owner, "Ana")
        incident = add_incident(owner, [3])
    with roles["vigia_api"].begin() as pages:
        channel = add_channel(pages, ana, "sms", "+5492215551234", NOON, told_of_exercises=False)
        start_test(pages, ana, channel, NOON)
    mail = Mail()
    notifier = Notifier(roles["vigia_notifier"], lambda: NOON, senders=mail)  # type: ignore[arg-type]
    notifier.drain()
    with roles["vigia_api"].begin() as pages:
        assert confirm_test(pages, ana, channel, mail.sent[-1][3].title[-6:], NOON)
    with roles["vigia_notifier"].begin() as escalation:
        queue(escalation, ana, incident)
    notifier.drain()
    code = mail.sent[-1][3].short.split("RECONOCER ")[1][:4]
    with roles["vigia_api"].begin() as pages:
        assert answer_text_message(pages, "2215551234", code, "1", NOON).outcome == "done"
        assert [one.outcome for one in reach_of_incident(pages, incident)] == ["sent"]
        put_first(pages, ana, channel)
        end_channel(pages, ana, channel, NOON)
    notifier.drain()
    assert delete_expired(roles["vigia_upkeep"], NOON + timedelta(days=400))["person_channels"] == 1
    for role in ("vigia_pipeline", "vigia_upkeep"):
        refused(roles[role], "UPDATE notice_deliveries SET outcome = 'sent'")
    refused(roles["vigia_pipeline"], "SELECT address FROM person_channels")
    refused(roles["vigia_notifier"], "UPDATE person_channels SET tested_at = now()")


@pytest.mark.parametrize("role", RUNNING)
def test_the_other_roles_may_not_migrate_but_accept_a_current_schema(roles: Roles, role: str) -> None:
    with roles[role].begin() as connection:
        before = relations(connection)
        upgrade(connection)
        assert relations(connection) == before


def test_the_roles_of_pipeline_and_upkeep_store_and_delete_readings(roles: Roles) -> None:
    long_ago = NOW - timedelta(days=5000)
    with closing(Pipeline(roles["vigia_pipeline"], lambda: NOW, lane=None)) as pipeline:
        for observed_at, payload in (
            (long_ago, f'{{"observed_at": "{long_ago.isoformat()}", "level_m": 0.4}}'),
            (NOW, f'{{"observed_at": "{NOW.isoformat()}", "level_m": 0.5}}'),
            (NOW, "no reading"),
        ):
            pipeline.process_messages([Message(TOPIC, payload.encode(), received_at=max(observed_at, NOW))])
        pipeline.tick_rules()
    gone = delete_expired(roles["vigia_upkeep"], NOW + timedelta(hours=25))
    with roles["vigia_upkeep"].connect() as connection:
        readings, rejected = READINGS["river"], METADATA.tables["rejected_messages"]
        assert connection.execute(select(readings.c.level_m).where(readings.c.observed_at == NOW)).all() == [(0.5,)]
        assert connection.execute(select(rejected.c.payload)).all() == [(b"no reading",)]
        assert gone["events"] > 0


def test_upkeeps_role_erases_after_five_years_and_not_a_second_before(roles: Roles) -> None:
    with roles["vigia_owner"].begin() as owner:
        for number, age in enumerate((ACTIONS_KEPT + A_SECOND, ACTIONS_KEPT - A_SECOND), 1):
            values = {"at": NOW - age, "number": number, "rule": f"five-years-{number}"}
            for statement in FIVE_YEARS:
                owner.execute(text(statement), values)
    gone = delete_expired(roles["vigia_upkeep"], NOW)
    told = {table: gone[table] for table in ("alert_actions", "alerts", "notices", "service_alerts")}
    assert told == {"alert_actions": 1, "alerts": 1, "notices": 1, "service_alerts": 1}
    with roles["vigia_owner"].connect() as owner:
        names = owner.execute(text("SELECT acknowledged_by, closed_by FROM alerts WHERE rule_id ~ 'five' ORDER BY id"))
        assert names.all() == [("operator", "operator"), ("Ana", "Luis")]
        assert owner.execute(text("SELECT note FROM alert_actions WHERE action = 'comment'")).all() == [("2",)]
        assert owner.execute(text("SELECT recipient FROM notices WHERE dedup_key ~ 'five'")).all() == [("2",)]
        assert owner.execute(text("SELECT created_by FROM service_alerts")).all() == [("2",)]
        assert owner.execute(text("SELECT count(*) FROM transitions WHERE rule_id ~ 'five'")).scalar_one() == 2
        erasures = owner.execute(text("SELECT erased, row_count, before FROM erasures ORDER BY erased")).all()
    assert erasures == [
        ("alert_actions", 1, NOW - ACTIONS_KEPT),
        ("alerts.acknowledged_by, closed_by", 1, NOW - ACTIONS_KEPT),
        ("notices", 1, NOW - ACTIONS_KEPT),
    ]


FIVE_YEARS = (
    """INSERT INTO alerts (rule_id, rule_version, subject, kind, judgement, state, nar, rule_nar, highest_nar, cause,
    confirmed, observed_at, opened_at, changed_at, acknowledged_at, acknowledged_by, closed_at, closed_by, evidence)
    VALUES (:rule, 1, 's', 'river', 'stage', 'closed', 0, 0, 2, 'level', true, :at, :at, :at, :at, 'Ana', :at,
    'Luis', '{}')""",
    """INSERT INTO transitions (alert_id, rule_id, rule_version, subject, before, after, change, cause, confirmed,
    observed_at, decided_at, evidence)
    SELECT max(id), :rule, 1, 's', 0, 2, 'raised', 'level', true, :at, :at, '{}' FROM alerts""",
    """INSERT INTO alert_actions (alert_id, at, actor, action, note)
    SELECT max(id), :at, 'Ana', 'comment', :number FROM alerts""",
    """INSERT INTO notices (alert_id, transition_id, channel, recipient, priority, dedup_key, body, not_before, sent_at)
    SELECT max(alert_id), max(id), 'webhook', :number, 1, :rule, '{}', :at, :at FROM transitions""",
    """INSERT INTO service_alerts (state, cause, effect, header, description, informed, periods, created_at,
    created_by, ended_at)
    VALUES ('ended', 'construction', 'detour', '{}', '{}', '[]', '[]', :at, :number, :at)""",
)


@on_timescale
def test_hypertables_roll_ups_and_jobs_belong_to_the_owner(roles: Roles) -> None:
    of_kinds = {kind.name for kind in KINDS}
    with roles["vigia_api"].connect() as connection:
        for query in (
            "SELECT owner::text FROM timescaledb_information.hypertables",
            "SELECT view_owner::text FROM timescaledb_information.continuous_aggregates",
        ):
            assert set(connection.execute(text(query)).scalars()) == {"vigia_owner"}
        jobs = connection.execute(
            text(
                "SELECT proc_name, count(*) AS jobs FROM timescaledb_information.jobs"
                " WHERE owner::text = 'vigia_owner' GROUP BY 1"
            )
        )
        counts = {row.proc_name: row.jobs for row in jobs}
    personal = {kind.name for kind in KINDS if kind.retention.personal}
    assert counts == {
        "policy_refresh_continuous_aggregate": 2 * len(of_kinds),
        "policy_compression": len(of_kinds - personal),
        **{f"{name}_retain": 1 for name in of_kinds},
    }


@on_timescale
def test_the_owners_jobs_compress_roll_up_and_drop_what_the_pipeline_stored_and_the_others_read_the_same(
    roles: Roles,
) -> None:
    with roles["vigia_owner"].connect() as connection:
        now: datetime = connection.execute(text("SELECT date_trunc('hour', now())")).scalar_one()
    ages = [timedelta(hours=6) * number for number in range(8)]
    with roles["vigia_pipeline"].begin() as connection:
        device = connection.execute(
            text(
                "INSERT INTO devices (municipality, kind, code, first_seen_at)"
                " VALUES ('laplata', 'river', 'of-the-jobs', now()) RETURNING id"
            )
        ).scalar_one()
        for start in (timedelta(0), 40 * DAY, (RAW_DAYS + 20) * DAY):
            connection.execute(insert(READINGS["river"]), [reading(device, now - start - age, 0.5) for age in ages])
    before = sums(roles["vigia_api"], device)
    assert before == (24, 12.0)
    run_jobs(roles["vigia_owner"])
    for role in ("vigia_api", "vigia_pipeline", "vigia_upkeep"):
        assert sums(roles[role], device) == before
    with roles["vigia_pipeline"].begin() as connection:
        count = text("SELECT count(*) FROM river_readings WHERE device_id = :device")
        assert connection.execute(count, {"device": device}).scalar_one() == 16
        late = reading(device, now - 40 * DAY - timedelta(minutes=7), 1.0)
        connection.execute(insert(READINGS["river"]), late)  # into a compressed chunk
    run_jobs(roles["vigia_owner"])
    assert sums(roles["vigia_api"], device) == (25, 13.0)


def sums(engine: Engine, device: int) -> tuple[int, float]:
    """Number and total of a device's readings, as a reader of the hours sees them."""
    query = (
        "SELECT sum(n), sum(total) FROM (SELECT * FROM river_hourly UNION ALL SELECT * FROM river_hourly_kept) hours"
        " WHERE device_id = :device"
    )
    with engine.connect() as connection:
        number, total = connection.execute(text(query), {"device": device}).one()
    return int(number), float(total)


def run_jobs(owner: Engine) -> None:
    """Run all jobs about rivers, as the database does at their times."""
    jobs = text(
        "SELECT job_id FROM timescaledb_information.jobs"
        " WHERE hypertable_name ~ '^river_' OR proc_name ~ '^river_' ORDER BY job_id"
    )
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for job in connection.execute(jobs).scalars().all():
            connection.execute(text("CALL run_job(:job)"), {"job": job})


@on_timescale
@pytest.mark.parametrize("role", RUNNING)
def test_no_other_role_changes_jobs_or_schedules_any_or_drops_chunks(roles: Roles, role: str) -> None:
    with roles["vigia_owner"].connect() as connection:
        named = text("SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'river_retain'")
        job = connection.execute(named).scalar_one()
    engine = roles[role]
    for statement in (
        f"SELECT delete_job({job})",
        f"SELECT alter_job({job}, scheduled => false)",
        f"CALL run_job({job})",
        "CALL river_retain(1, '{}')",
        "SELECT add_job('pg_catalog.pg_sleep(double precision)'::regprocedure, '1 hour')",
        "SELECT drop_chunks('river_readings', older_than => now())",
        "SELECT add_retention_policy('river_readings', INTERVAL '1 day')",
        "CALL refresh_continuous_aggregate('river_hourly', NULL, NULL)",
    ):
        refused(engine, statement)


@on_timescale
def test_chunks_are_as_closed_as_their_table(roles: Roles) -> None:
    with roles["vigia_pipeline"].begin() as connection:
        device = connection.execute(
            text(
                "INSERT INTO devices (municipality, kind, code, first_seen_at)"
                " VALUES ('laplata', 'river', 'of-a-chunk', now()) RETURNING id"
            )
        ).scalar_one()
        connection.execute(insert(READINGS["river"]), reading(device, NOW, 0.5))
        chunk = connection.execute(text("SELECT show_chunks('river_readings') LIMIT 1")).scalar_one()
    refused(roles["vigia_notifier"], f"SELECT FROM {chunk}")
    for role in ("vigia_notifier", "vigia_api", "vigia_pipeline"):
        refused(roles[role], f"DELETE FROM {chunk}")
        refused(roles[role], f"TRUNCATE {chunk}")
