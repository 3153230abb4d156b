"""Text messages: every answer is one message in its alphabet, whatever the names, and says the truth."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.transit.model.prediction import Basis
from services.transit.rider.gsm7 import ALPHABET, MOST_SEPTETS, plain, septets
from services.transit.rider.sms import (
    MOST_TOKENS,
    help_text,
    line_answer,
    no_such_stop,
    no_timetable,
    not_served,
    read,
    stop_answer,
    which_stop,
)
from services.transit.rider.wording import Around, Arriving, Every, LineHere, Minutes, Planned, Service, Told

NOW = datetime(2026, 3, 2, 17, 32, tzinfo=UTC).timestamp()
"""14:32 in the city."""
AT = "LP1912 14:32"


def clock(at: float) -> str:
    """Hour and minute in the city."""
    return f"{datetime.fromtimestamp(at - 3 * 3600, UTC):%H:%M}"


def due(minute: float, basis: Basis = Basis.LIVE, **more: object) -> Told:
    """A bus planned `minute` minutes from now."""
    planned_at = NOW + 60 * minute
    values = {"journey": ("t", "20260302", 0), "destination": "Gonnet", "planned_at": planned_at, "basis": basis}
    return Told(**(values | {"be_there_at": planned_at} | more))  # type: ignore[arg-type]


def running(name: str, *coming: Told) -> LineHere:
    """A line that runs."""
    return LineHere(name, Service.RUNNING, coming)


times = st.floats(-3600, 1e5).map(lambda s: NOW + s)
waits = (
    st.none()
    | st.just(Arriving())
    | st.builds(Minutes, st.integers(0, 90), st.integers(90, 999))
    | st.builds(Around, times)
    | st.builds(Planned, times)
    | st.builds(Every, st.integers(1, 240))
)
dues = st.builds(
    Told,
    journey=st.just(("t", "20260302", 0)),
    destination=st.text(),
    planned_at=times,
    basis=st.sampled_from(Basis),
    wait=waits,
    be_there_at=st.none() | times,
    heard_at=st.none() | times,
    step_free=st.sampled_from([None, True, False]),
)
some_dues = st.lists(dues, max_size=5).map(tuple)
lines = st.builds(LineHere, st.text(), st.sampled_from(Service), some_dues, some_dues, st.none() | times)


def assert_one_message(text: str) -> None:
    """It can be sent as it is."""
    assert 0 < septets(text) <= MOST_SEPTETS
    assert not {"\n", "\r"} & set(text)


@given(st.text(), st.lists(lines, max_size=15), st.text())
def test_an_answer_about_a_stop_is_one_message_whatever_the_names(code: str, some: list[LineHere], notice: str) -> None:
    assert_one_message(stop_answer(code, NOW, some, clock, notice))


@given(st.text(), lines, st.text())
def test_an_answer_about_a_line_is_one_message_whatever_the_names(code: str, line: LineHere, notice: str) -> None:
    assert_one_message(line_answer(code, NOW, line, clock, notice))


@given(st.text(), st.text(), st.lists(st.text(), max_size=30))
def test_every_refusal_is_one_message_whatever_the_names(code: str, asked: str, names: list[str]) -> None:
    for text in (
        not_served(code, asked, names),
        no_such_stop(asked, code),
        help_text(code),
        no_timetable(),
        which_stop(asked, [(code, name) for name in names]),
    ):
        assert_one_message(text)


@given(st.text())
def test_what_is_plain_stays_so(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    assert set(plain(text)) <= set(ALPHABET) - set("\n\r")


def test_the_alphabet_is_that_of_the_standard() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 127
    # 3GPP TS 23.038: characters by their code, without the escape at 1B.
    codes = {character: code + (code >= 0x1B) for code, character in enumerate(ALPHABET)}
    assert [codes[c] for c in "@é\nñÑüÜ¿¡ 0Aaà"] == [
        0,
        5,
        0x0A,
        0x7D,
        0x5D,
        0x7E,
        0x5E,
        0x60,
        0x40,
        0x20,
        0x30,
        0x41,
        0x61,
        0x7F,
    ]


def test_what_has_its_letter_stays_and_the_rest_loses_its_accent() -> None:
    assert (
        plain("¿Añadió José pingüinos a la línea? ¡Sí! «4–7 min»")
        == '¿Añadio José pingüinos a la linea? ¡Si! "4-7 min"'
    )


def test_a_stop_is_told_in_the_order_things_come() -> None:
    norte = running("Norte", due(14, Basis.SCHEDULE, wait=Minutes(12, 16)))
    fast = running("307", due(5, wait=Minutes(4, 7), step_free=True))
    assert stop_answer("LP1912", NOW, [LineHere("Oeste", Service.NO_DATA), norte, fast], clock, "desvío por 7") == (
        f"{AT} 307:4-7min(adapt) Norte:12-16min(hor) Oeste:s/datos. AVISO: desvio por 7"
    )


def test_lines_that_do_not_fit_are_counted() -> None:
    many = [running(f"Línea {n}", due(n, wait=Minutes(n, n + 3))) for n in range(1, 20)]
    text = stop_answer("LP1912", NOW, many, clock)
    told = text.count("min")
    assert told >= 6
    assert text.endswith(f"+{19 - told}")


def test_a_rider_is_told_when_it_will_surely_not_come() -> None:
    gone = due(-12, Basis.NOT_COMING)
    line = LineHere("307", Service.RUNNING, (due(13, wait=Minutes(11, 15)),), (gone,))
    assert line_answer("LP1912", NOW, line, clock) == f"{AT} 307 de 14:20 no viene; prox 11-15min"
    alone = LineHere("307", Service.NO_BUS, (), (gone,), NOW + 13 * 60)
    assert line_answer("LP1912", NOW, alone, clock) == f"{AT} 307 de 14:20 no viene; prox 14:45(hor)"


def test_a_silent_bus_is_never_told_to_the_minute() -> None:
    silent = due(5, Basis.NOT_REPORTING, wait=Around(NOW + 480), heard_at=NOW - 1800)
    assert line_answer("LP1912", NOW, running("307", silent), clock) == f"{AT} 307: aprox 14:40(sin señal 14:02)"
    lost = due(5, Basis.NOT_REPORTING, wait=None, heard_at=NOW - 1800)
    assert "sin señal desde 14:02" in line_answer("LP1912", NOW, running("307", lost), clock)


def test_the_reasons_for_nothing_differ() -> None:
    answers = {
        service: line_answer("LP1912", NOW, LineHere("307", service, next_at=NOW + 3600), clock)
        for service in (Service.NO_BUS, Service.NOT_NOW, Service.NO_DATA)
    }
    assert "ninguno en camino, prox 15:32(hor)" in answers[Service.NO_BUS]
    assert "no circula, prox 15:32(hor)" in answers[Service.NOT_NOW]
    assert "s/datos" in answers[Service.NO_DATA]
    assert not_served("LP1912", "999", ["307", "Norte"]) == "999 no para en LP1912. Paran: 307 Norte"


def test_a_text_is_read_whatever_its_case_spaces_accents_and_courtesies() -> None:
    for text in ("LP1912 307", "  lp1912,307 ", "¿Cuándo llega la línea 307 a LP1912?", "PARADA lp1912 - 307"):
        assert set(read(text).words) == {"LP1912", "307"}
    assert read("7 y 50").words == ("7", "50")
    assert read("Ayuda").words == read("¡¿?!").words == ()


@given(st.text(max_size=2000))
def test_reading_is_total_and_bounded(text: str) -> None:
    words = read(text).words
    assert len(words) <= MOST_TOKENS
    assert all(word.isascii() and word.isalnum() for word in words)
