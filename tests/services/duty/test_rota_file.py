"""Tests of the file of the rota: what it says, and how each problem is named."""

from datetime import date, time
from pathlib import Path

import pytest

from models.alert import NAR
from services.city.seed import LA_PLATA
from services.duty.rota_file import ANY_MONDAY, RotaFileError, read_rota_file

NIGHT_OF_THE_DEMO = date(2013, 4, 2)
TURN = 'zone = "municipality:azul"\nposition = "operator"\nperson = "ana"\nfrom = "20:00"\nto = "08:00"\n'


def written(folder: Path, text: str) -> Path:
    """A file with this text."""
    file = folder / "rota.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_rota_of_the_demo_is_valid() -> None:
    file = read_rota_file(LA_PLATA / "rota.toml")
    assert [(one.person, one.position, one.cycle[1:]) for one in file.shifts] == [
        ("ana", "operator", (7, (0, 1, 2, 3, 4, 5, 6))),
        ("bruno", "second", (7, (0, 1, 2, 3, 4, 5, 6))),
        ("carla", "chief", (7, (0, 1, 2, 3, 4, 5, 6))),
    ]
    assert [one.number for one in file.phones] == ["103", "911", "100"]
    assert all(one.cycle[0] < NIGHT_OF_THE_DEMO for one in file.shifts)


def test_a_week_and_a_cycle_of_days_are_the_same_kind_of_pattern(tmp_path: Path) -> None:
    week = f'[[shift]]\n{TURN}weekdays = ["mié", "sat"]\n'
    cycle = f"[[shift]]\n{TURN}cycle_days = 6\ndays = [1, 0]\nfirst_day = 2026-12-03\nlast_day = 2027-01-31\n"
    from_thursday = f'[[shift]]\n{TURN}weekdays = ["jue", "mon"]\nfirst_day = 2026-12-03\n'
    file = read_rota_file(written(tmp_path, week + cycle + from_thursday))
    assert [one.cycle for one in file.shifts] == [
        (ANY_MONDAY, 7, (2, 5)),
        (date(2026, 12, 3), 6, (0, 1)),
        (date(2026, 12, 3), 7, (0, 4)),
    ]
    assert (ANY_MONDAY.weekday(), file.shifts[0].times) == (0, (time(20), time(8)))


def test_the_steps_of_each_colour_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    text = """
        [[step]]
        municipality = "azul"
        colours = ["naranja", "rojo"]
        after_s = 90
        position = "everybody"
        all_answer = true
        [[step]]
        municipality = "azul"
        colours = ["rojo"]
        after_s = 0
        position = "chief"
    """
    found = [
        (municipality, nar, [(one.after_s, one.position, one.all_answer) for one in steps])
        for municipality, nar, steps in read_rota_file(written(tmp_path, text)).steps_by_colour()
    ]
    assert found == [
        ("azul", NAR.NARANJA, [(90, "everybody", True)]),
        ("azul", NAR.ROJO, [(0, "chief", False), (90, "everybody", True)]),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"[[shift]]\n{TURN}", "say either weekdays, or cycle_days"),
        (f'[[shift]]\n{TURN}weekdays = ["lunes", "someday"]\n', "unknown weekdays ['someday']"),
        (f"[[shift]]\n{TURN}cycle_days = 6\ndays = [6]\nfirst_day = 2026-12-03\n", "days are 0 to 5"),
        (f"[[shift]]\n{TURN}cycle_days = 6\n", "needs days"),
        ('[[shift]]\nzone = "laplata"\n', "number 1: zone"),
        (f'[[shift]]\n{TURN.replace("20:00", "8 pm")}weekdays = ["mon"]\n', "number 1: from"),
        (f'[[shift]]\n{TURN}weekdays = ["mon"]\nperson_id = 4\n', "person_id: Extra inputs"),
        ('[[phone]]\nmunicipality = "azul"\nname = "x"\nnumber = "call me"\n', "[[phone]] number 1: number"),
        ("[[telephone]]\n", "unknown table [[telephone]]"),
        ("[[shift\n", "rota.toml"),
    ],
)
def test_each_problem_says_where_it_is_and_what_to_do(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(RotaFileError) as error:
        read_rota_file(written(tmp_path, text))
    assert problem in str(error.value)
