"""Tests of changes of the rota, of hand-overs and of the loaded file, on the tables."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from services.city.load import load
from services.duty.changes import (
    AlreadyOnDuty,
    ChangeIsOver,
    NewChange,
    NoSuchZone,
    NotOnDutyThen,
    NotYourChange,
    Post,
    WrongPeriod,
    accept_change,
    ask_cover,
    order_change,
    take_watch,
    withdraw_change,
)
from services.duty.handover import (
    HandoverAlreadyTaken,
    OwnHandover,
    acknowledge_handover,
    hand_over,
    latest_handovers,
)
from services.duty.overview import read_duty
from services.duty.rota import Period, Position
from services.duty.rota_file import RotaFileError
from services.duty.rota_load import load_rota
from services.duty.rota_rows import NotAPerson, person_named
from services.record.logbook import current_shift
from tests.alerts.town import NOON, town
from tests.services.duty.rota_town import TOWN, add_chain
from tests.services.notices.people import add_alert, add_incident, add_person

WATCH = Post(TOWN, Position.OPERATOR)
HOUR = timedelta(hours=1)


def on_watch(transaction: Connection, hours: float = 0) -> list[str]:
    """The names of the operators on duty, so many hours after noon."""
    now = read_duty(transaction, NOON + hours * HOUR).now
    return [person.name for watch in now if watch.position == "operator" for person in watch.people]


def test_whoever_takes_the_watch_has_it_at_once_until_the_turn_ends(transaction: Connection) -> None:
    add_chain(transaction)  # turns begin at 8:00 in the city, 11:00 UTC
    take_watch(transaction, WATCH, by="Bruno Díaz", now=NOON)
    assert [on_watch(transaction, hours) for hours in (0, 22.9, 23.1)] == [["Bruno Díaz"], ["Bruno Díaz"], ["Ana Sosa"]]
    with pytest.raises(AlreadyOnDuty):
        take_watch(transaction, WATCH, by="Bruno Díaz", now=NOON)
    with pytest.raises(NotAPerson):
        take_watch(transaction, WATCH, by="a key of a program", now=NOON)
    with pytest.raises(NoSuchZone):
        take_watch(transaction, Post("municipality:elsewhere", Position.CHIEF), by="Bruno Díaz", now=NOON)


def test_a_swap_is_asked_accepted_and_withdrawn(transaction: Connection) -> None:
    add_chain(transaction)
    bruno = person_named(transaction, "bruno díaz")
    wanted = NewChange(WATCH, Period(NOON + HOUR, NOON + 3 * HOUR), bruno, "Médico")
    number = ask_cover(transaction, wanted, by="Ana Sosa", now=NOON)
    assert on_watch(transaction, 2) == ["Ana Sosa"], "nothing changes before the other accepts"
    with pytest.raises(NotYourChange):
        accept_change(transaction, number, by="Carla Funes", now=NOON)
    accept_change(transaction, number, by="Bruno Díaz", now=NOON)
    assert [on_watch(transaction, hours) for hours in (0, 2, 3)] == [["Ana Sosa"], ["Bruno Díaz"], ["Ana Sosa"]]
    with pytest.raises(ChangeIsOver):
        accept_change(transaction, number, by="Bruno Díaz", now=NOON)
    withdraw_change(transaction, number, by="Ana Sosa", now=NOON)
    assert on_watch(transaction, 2) == ["Ana Sosa"]
    recorded = transaction.execute(text("SELECT what, actor FROM log_entries ORDER BY id")).all()
    assert [tuple(one) for one in recorded][-3:] == [
        ("shift.asked", "Ana Sosa"),
        ("shift.accepted", "Bruno Díaz"),
        ("shift.withdrawn", "Ana Sosa"),
    ]


def test_one_asks_only_for_ones_own_turns_and_for_a_time_to_come(transaction: Connection) -> None:
    add_chain(transaction)
    carla = person_named(transaction, "Carla Funes")
    with pytest.raises(NotOnDutyThen):
        ask_cover(transaction, NewChange(WATCH, Period(NOON, NOON + HOUR), carla), by="Bruno Díaz", now=NOON)
    with pytest.raises(WrongPeriod):
        ask_cover(transaction, NewChange(WATCH, Period(NOON - 2 * HOUR, NOON), carla), by="Ana Sosa", now=NOON)
    order_change(transaction, NewChange(WATCH, Period(NOON, NOON + HOUR), carla), by="Supervisor", now=NOON)
    assert on_watch(transaction) == ["Carla Funes"]


def test_the_watch_is_handed_over_with_what_is_open_and_acknowledged_by_another(transaction: Connection) -> None:
    add_chain(transaction)
    incident = add_incident(transaction, [2, 3])
    add_alert(transaction, incident, "mouth", 3)
    transaction.execute(text("UPDATE alerts SET judgement = 'silence' WHERE subject = 'mouth'"))
    number = hand_over(transaction, TOWN, by="Ana Sosa", note="Mirar el puente.", now=NOON)
    (given,) = latest_handovers(transaction)
    assert (given.note, given.summary["incident_count"], given.summary["unanswered"]) == ("Mirar el puente.", 1, 3)
    assert [one["id"] for one in given.summary["silent"]] == ["mouth"]
    assert [(one["id"], one["nar"], one["area_name"]) for one in given.summary["incidents"]] == [(incident, 3, "Azul")]
    with pytest.raises(OwnHandover):
        acknowledge_handover(transaction, number, by="Ana Sosa", now=NOON)
    acknowledge_handover(transaction, number, by="Bruno Díaz", now=NOON + HOUR)
    with pytest.raises(HandoverAlreadyTaken):
        acknowledge_handover(transaction, number, by="Carla Funes", now=NOON + HOUR)
    recorded = transaction.execute(text("SELECT what, at FROM log_entries WHERE about LIKE 'handover:%' ORDER BY id"))
    assert [tuple(row) for row in recorded] == [("shift.handed_over", NOON), ("shift.taken", NOON + HOUR)]
    assert current_shift(transaction, NOON + 2 * HOUR)[0] == NOON + HOUR, "the logbook's shift begins there"


def test_loading_a_file_again_changes_nothing_and_what_it_leaves_out_ends(
    transaction: Connection, tmp_path: Path
) -> None:
    load(transaction, town(["head"]), NOON)
    add_person(transaction, "Ana", ["console"])
    add_person(transaction, "Bruno", ["console"])
    shift = (
        '[[shift]]\nzone = "municipality:azul"\nposition = "{}"\nperson = "{}"\nfrom = "08:00"\nto = "08:00"\n'
        'weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]\n'
    )
    phone = '[[phone]]\nmunicipality = "azul"\nname = "Defensa Civil"\nnumber = "103"\n'
    step = '[[step]]\nmunicipality = "azul"\ncolours = ["rojo"]\nafter_s = 0\nposition = "everybody"\n'
    file = tmp_path / "rota.toml"
    file.write_text(shift.format("operator", "ana") + shift.format("second", "bruno") + phone + step)
    first = load_rota(transaction, file, by="terminal", now=NOON)
    again = load_rota(transaction, file, by="terminal", now=NOON + HOUR)
    assert [(one.added, one.ended, one.steps, one.phones) for one in (first, again)] == [(2, 0, 1, 1), (0, 0, 1, 1)]
    file.write_text(shift.format("operator", "bruno"))
    less = load_rota(transaction, file, by="terminal", now=NOON + 2 * HOUR)
    assert (less.added, less.ended, on_watch(transaction, 1), on_watch(transaction, 3)) == (1, 2, ["Ana"], ["Bruno"])
    assert transaction.execute(text("SELECT count(*) FROM phone_tree WHERE ended_at IS NULL")).scalar_one() == 0
    file.write_text(shift.format("operator", "nobody") + phone.replace("azul", "elsewhere"))
    with pytest.raises(RotaFileError) as error:
        load_rota(transaction, file, by="terminal", now=NOON)
    assert ["no account 'nobody'" in str(error.value), "no 'elsewhere'" in str(error.value)] == [True, True]
