"""Every answer is one text message in its alphabet, whatever the names, and agrees with the arrivals."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.transit.model.prediction import Basis
from services.transit.rider.displayed_time import (
    ArrivingNow,
    DisplayedArrival,
    Headway,
    LineAtStop,
    MinuteInterval,
    RoughTime,
    ScheduledTime,
    ServiceState,
)
from services.transit.rider.gsm7 import ALPHABET, MOST_SEPTETS, septet_count, to_gsm7
from services.transit.rider.sms import (
    MOST_WORDS,
    help_text,
    line_answer,
    no_such_stop,
    no_timetable,
    not_served,
    parse_query,
    stop_answer,
    which_stop,
)

NOW = datetime(2026, 3, 2, 17, 32, tzinfo=UTC).timestamp()
"""14:32 in the city."""
AT = "LP1912 14:32"


def clock(at: float) -> str:
    """Hour and minute in the city."""
    return f"{datetime.fromtimestamp(at - 3 * 3600, UTC):%H:%M}"


def displayed_arrival(minute: float, basis: Basis = Basis.LIVE, **more: object) -> DisplayedArrival:
    """A bus scheduled `minute` minutes from now."""
    scheduled_at = NOW + 60 * minute
    values = {
        "journey_key": ("t", "20260302", 0),
        "destination": "Gonnet",
        "scheduled_at": scheduled_at,
        "basis": basis,
    }
    return DisplayedArrival(**(values | {"be_there_at": scheduled_at} | more))  # type: ignore[arg-type]


def running(name: str, *arrivals: DisplayedArrival) -> LineAtStop:
    """A line with a bus on its way."""
    return LineAtStop(name, ServiceState.RUNNING, arrivals)


times = st.floats(-3600, 1e5).map(lambda s: NOW + s)
waits = (
    st.none()
    | st.just(ArrivingNow())
    | st.builds(MinuteInterval, st.integers(0, 90), st.integers(90, 999))
    | st.builds(RoughTime, times)
    | st.builds(ScheduledTime, times)
)
displayed_arrivals = st.builds(
    DisplayedArrival,
    journey_key=st.just(("t", "20260302", 0)),
    destination=st.text(),
    scheduled_at=times,
    basis=st.sampled_from(Basis),
    time=waits,
    be_there_at=st.none() | times,
    last_report_at=st.none() | times,
    step_free=st.sampled_from([None, True, False]),
)
some_arrivals = st.lists(displayed_arrivals, max_size=5).map(tuple)
headways = st.none() | st.builds(Headway, st.integers(1, 60), st.integers(60, 240), times)
lines = st.builds(
    LineAtStop, st.text(), st.sampled_from(ServiceState), some_arrivals, some_arrivals, st.none() | times, headways
)


def assert_one_message(text: str) -> None:
    """It can be sent as it is."""
    assert 0 < septet_count(text) <= MOST_SEPTETS
    assert not {"\n", "\r"} & set(text)


@given(st.text(), st.lists(lines, max_size=15), st.text())
def test_an_answer_about_a_stop_is_one_message_whatever_the_names(
    code: str, some: list[LineAtStop], notice: str
) -> None:
    assert_one_message(stop_answer(code, NOW, some, clock, notice))


@given(st.text(), lines, st.text())
def test_an_answer_about_a_line_is_one_message_whatever_the_names(code: str, line: LineAtStop, notice: str) -> None:
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
    assert to_gsm7(to_gsm7(text)) == to_gsm7(text)
    assert set(to_gsm7(text)) <= set(ALPHABET) - set("\n\r")


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
        to_gsm7("¿Añadió José pingüinos a la línea? ¡Sí! «4–7 min»")
        == '¿Añadio José pingüinos a la linea? ¡Si! "4-7 min"'
    )


def test_the_lines_of_a_stop_are_in_order_of_arrival() -> None:
    norte = running("Norte", displayed_arrival(14, Basis.SCHEDULE, time=MinuteInterval(12, 16)))
    fast = running("307", displayed_arrival(5, time=MinuteInterval(4, 7), step_free=True))
    assert stop_answer(
        "LP1912", NOW, [LineAtStop("Oeste", ServiceState.NO_DATA), norte, fast], clock, "desvío por 7"
    ) == (f"{AT} 307:4-7min(adapt) Norte:12-16min(hor) Oeste:s/datos. AVISO: desvio por 7")


def test_lines_that_do_not_fit_are_counted() -> None:
    many = [running(f"Línea {n}", displayed_arrival(n, time=MinuteInterval(n, n + 3))) for n in range(1, 20)]
    text = stop_answer("LP1912", NOW, many, clock)
    told = text.count("min")
    assert told >= 6
    assert text.endswith(f"+{19 - told}")


def test_a_withdrawn_journey_is_in_the_answer() -> None:
    gone = displayed_arrival(-12, Basis.NOT_COMING)
    line = LineAtStop("307", ServiceState.RUNNING, (displayed_arrival(13, time=MinuteInterval(11, 15)),), (gone,))
    assert line_answer("LP1912", NOW, line, clock) == f"{AT} 307 de 14:20 no viene; prox 11-15min"
    alone = LineAtStop("307", ServiceState.NO_BUS, (), (gone,), NOW + 13 * 60)
    assert line_answer("LP1912", NOW, alone, clock) == f"{AT} 307 de 14:20 no viene; prox 14:45(hor)"


def test_a_silent_bus_never_has_a_time_to_the_minute() -> None:
    silent = displayed_arrival(5, Basis.NOT_REPORTING, time=RoughTime(NOW + 480), last_report_at=NOW - 1800)
    assert line_answer("LP1912", NOW, running("307", silent), clock) == f"{AT} 307: aprox 14:40(sin señal 14:02)"
    lost = displayed_arrival(5, Basis.NOT_REPORTING, time=None, last_report_at=NOW - 1800)
    assert "sin señal desde 14:02" in line_answer("LP1912", NOW, running("307", lost), clock)


def test_the_reasons_for_nothing_differ() -> None:
    answers = {
        service: line_answer("LP1912", NOW, LineAtStop("307", service, next_departure_at=NOW + 3600), clock)
        for service in (ServiceState.NO_BUS, ServiceState.NOT_NOW, ServiceState.NO_DATA)
    }
    assert "ninguno en camino, prox 15:32(hor)" in answers[ServiceState.NO_BUS]
    assert "no circula, prox 15:32(hor)" in answers[ServiceState.NOT_NOW]
    assert "s/datos" in answers[ServiceState.NO_DATA]
    assert not_served("LP1912", "999", ["307", "Norte"]) == "999 no para en LP1912. Paran: 307 Norte"


def test_a_text_is_read_whatever_its_case_spaces_accents_and_courtesies() -> None:
    for text in ("LP1912 307", "  lp1912,307 ", "¿Cuándo llega la línea 307 a LP1912?", "PARADA lp1912 - 307"):
        assert set(parse_query(text).words) == {"LP1912", "307"}
    assert parse_query("7 y 50").words == ("7", "50")
    assert parse_query("Ayuda").words == parse_query("¡¿?!").words == ()


@given(st.text(max_size=2000))
def test_reading_is_total_and_bounded(text: str) -> None:
    words = parse_query(text).words
    assert len(words) <= MOST_WORDS
    assert all(word.isascii() and word.isalnum() for word in words)
