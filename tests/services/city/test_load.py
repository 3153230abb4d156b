"""Loading of a seed: changed rules get a new version, removed stations and rules become inactive."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from alerts import rulebook
from ingest.registry import DeviceRegistry
from models.rule import Silence, Stage
from services.city.load import load, speed_limits_row
from services.city.seed import LA_PLATA, Seed, read_seed
from tests.alerts.town import NOON, town

TABLES = ("municipalities", "basins", "stations", "devices", "rules", "subject_states", "attention", "alerts")


def rows(transaction: Connection, query: str) -> list[Any]:
    """All rows of a query."""
    return [tuple(row) for row in transaction.execute(text(query))]


def everything(transaction: Connection) -> dict[str, list[Any]]:
    """All rows that a load may change."""
    return {table: rows(transaction, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def with_thresholds(seed: Seed, station: str, *thresholds_m: float) -> Seed:
    """The seed with other thresholds at one station."""
    first, second, third = thresholds_m
    rules = tuple(
        replace(rule, judgement=replace(rule.judgement, thresholds_m=(first, second, third)))
        if rule.subject == station and isinstance(rule.judgement, Stage)
        else rule
        for rule in seed.rules
    )
    return replace(seed, rules=rules)


def test_a_city_is_loaded_and_read_back_unchanged(transaction: Connection) -> None:
    seed = read_seed(LA_PLATA)
    loaded = load(transaction, seed, NOON)
    assert (loaded.stations, loaded.devices) == (len(seed.city.stations), len(seed.city.devices))
    assert (loaded.rules, loaded.rules_changed, loaded.rules_retired) == (len(seed.rules), len(seed.rules), 0)
    book = rulebook.read(transaction)
    assert {rule.id: rule.judgement for rules in book.rules.values() for rule in rules} == {
        rule.id: rule.judgement for rule in seed.rules
    }
    assert set(book.stations) == {station.id for station in seed.city.stations}


def test_loading_twice_changes_only_the_configuration_version(transaction: Connection) -> None:
    seed = read_seed(LA_PLATA)
    load(transaction, seed, NOON)
    before, version = everything(transaction), rulebook.configuration_version(transaction)
    again = load(transaction, seed, NOON)
    assert (again.rules_changed, again.rules_retired) == (0, 0)
    assert everything(transaction) == before
    assert rulebook.configuration_version(transaction) == version + 1


def test_new_thresholds_are_a_new_version_and_the_old_one_is_kept(transaction: Connection) -> None:
    seed = town(["head", "mouth"])
    load(transaction, seed, NOON)
    loaded = load(transaction, with_thresholds(seed, "head", 1.1, 1.6, 2.1), NOON)
    assert (loaded.rules_changed, loaded.rules_retired) == (1, 0)
    assert rows(
        transaction,
        "SELECT version, active, judgement -> 'thresholds_m' FROM rules WHERE id = 'head.stage' ORDER BY version",
    ) == [(1, False, [1.0, 1.5, 2.0]), (2, True, [1.1, 1.6, 2.1])]
    judged = {rule.id: rule for rule in rulebook.read(transaction).rules["head"]}
    assert judged["head.stage"].version == 2
    assert judged["head.stage"].judgement == Stage(thresholds_m=(1.1, 1.6, 2.1), period_s=60)


def test_a_removed_station_becomes_inactive_and_active_again_when_it_returns(transaction: Connection) -> None:
    both = town(["head", "mouth"])
    load(transaction, both, NOON)
    loaded = load(transaction, town(["head"]), NOON)
    assert loaded.rules_retired == 3
    assert rows(transaction, "SELECT id, active FROM stations ORDER BY id") == [("head", True), ("mouth", False)]
    assert set(rulebook.read(transaction).rules) == {"head"}
    assert rows(transaction, "SELECT count(*) FROM devices") == [(2,)]
    load(transaction, both, NOON)
    book = rulebook.read(transaction)
    assert set(book.rules) == {"head", "mouth"}
    assert {rule.version for rule in book.rules["mouth"]} == {2}


def test_only_the_removed_rule_of_a_station_becomes_inactive(transaction: Connection) -> None:
    seed = town(["head"])
    load(transaction, seed, NOON)
    loaded = load(transaction, replace(seed, rules=seed.rules[:1]), NOON)
    assert loaded.rules_retired == 2
    assert [rule.id for rule in rulebook.read(transaction).rules["head"]] == ["head.stage"]


def test_stations_of_another_city_do_not_change(transaction: Connection) -> None:
    load(transaction, read_seed(LA_PLATA), NOON)
    load(transaction, town(["head"]), NOON)
    assert rows(transaction, "SELECT count(*) FROM stations WHERE NOT active") == [(0,)]


def test_a_device_known_only_by_its_readings_gets_its_station(transaction: Connection) -> None:
    sender = ("azul", "river", "head")
    (stranger,) = DeviceRegistry().resolve(transaction, [sender], NOON).values()
    assert stranger.station is None
    load(transaction, town(["head"]), NOON)
    (known,) = DeviceRegistry().resolve(transaction, [sender], NOON).values()
    assert (known.id, known.station) == (stranger.id, "head")
    assert rows(transaction, "SELECT first_seen_at, registered_at FROM devices") == [(NOON, NOON)]


def test_a_removed_device_is_no_longer_registered_at_its_station(transaction: Connection) -> None:
    seed = town(["head"])
    load(transaction, seed, NOON)
    (device,) = seed.city.devices
    city = replace(seed.city, devices=(replace(device, code="head-2"),))
    load(transaction, replace(seed, city=city), NOON)
    senders = [("azul", "river", "head"), ("azul", "river", "head-2")]
    old, new = (DeviceRegistry().resolve(transaction, [sender], NOON)[sender] for sender in senders)
    assert (old.station, new.station) == (None, "head")
    assert rows(transaction, "SELECT code FROM devices WHERE registered_at IS NULL") == [("head",)]
    load(transaction, seed, NOON)
    assert DeviceRegistry().resolve(transaction, senders[:1], NOON)[senders[0]].station == "head"


def test_a_station_counts_as_judged_when_it_is_loaded(transaction: Connection) -> None:
    load(transaction, town(["head"]), NOON)
    assert rows(transaction, "SELECT subject, judged_at, states::text FROM subject_states") == [("head", NOON, "{}")]


def test_the_limits_of_a_street_are_stored_with_their_hours() -> None:
    streets = {station.street for station in read_seed(LA_PLATA).city.stations if station.street}
    kept = [speed_limits_row(street) for street in streets]
    assert speed_limits_row(None) is None
    assert all(one is not None and one["limit_kmh"] in (20, 40, 60) for one in kept)
    windows: list[Any] = [window for one in kept if one for window in one["windows"]]  # type: ignore[attr-defined]
    assert windows
    assert all(set(window) == {"days", "start", "end", "limit_kmh"} for window in windows)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sets(st.sampled_from(["a", "b", "c"])), st.sampled_from([1.0, 1.2])), max_size=5))
def test_after_any_history_the_last_seed_is_in_force(
    transaction: Connection, history: list[tuple[set[str], float]]
) -> None:
    with transaction.begin_nested() as savepoint:
        for names, first_m in history:
            load(transaction, town(sorted(names), thresholds_m=(first_m, 1.5, 2.0)), NOON)
            book = rulebook.read(transaction)
            assert set(book.rules) == names
            judgements = [rule.judgement for rules in book.rules.values() for rule in rules]
            assert {one.thresholds_m[0] for one in judgements if isinstance(one, Stage)} <= {first_m}
            assert sum(isinstance(one, Silence) for one in judgements) == len(names)
        savepoint.rollback()


@pytest.mark.parametrize("table", ["rules", "stations", "devices"])
def test_nothing_is_ever_deleted(transaction: Connection, table: str) -> None:
    load(transaction, town(["head", "mouth"]), NOON)
    before = rows(transaction, f"SELECT count(*) FROM {table}")
    load(transaction, town([]), NOON)
    assert rows(transaction, f"SELECT count(*) FROM {table}") == before
