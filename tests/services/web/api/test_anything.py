"""Any request gets a documented answer or a problem, never a server error."""

import re
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from services.runtime.clock import wall_clock
from services.runtime.settings import Settings
from services.web.app import create_app
from tests.services.web.api.conftest import City

_DESCRIPTION = create_app(Settings(), create_engine("postgresql+psycopg://"), wall_clock).openapi()  # opens nothing
READING = {
    path: [one["name"] for one in methods["get"].get("parameters", ()) if one["in"] == "query"]
    for path, methods in _DESCRIPTION["paths"].items()
    if "get" in methods and not path.endswith("/live")
}
NUMBERS = st.integers(-(2**70), 2**70).map(str)
MOMENTS = st.datetimes().map(lambda at: f"{at.isoformat()}Z")
ANYTHING = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=60),
    NUMBERS,
    MOMENTS,
    st.sampled_from(
        ["river", "open", "raw", "1d", "auto", "true", "NaN", "'", "%", "\0", "../..", "Nw", "gato-143-524"]
    ),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda version, note: f'{{"version": {version}, "note": "{note}"}}'.encode(), NUMBERS, NUMBERS),
    st.sampled_from([b"[" * 5_000, b'{"version": 1e999}', b'{"version": NaN}', b'{"note": "\\u0000", "version": 1}']),
)
SLOWLY = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A route with any text in its path and any values of some parameters."""
    path = draw(st.sampled_from(sorted(READING)))
    part = draw(st.one_of(st.just("gato-143-524"), ANYTHING))
    asked = draw(st.dictionaries(st.sampled_from(READING[path]), ANYTHING, max_size=3)) if READING[path] else {}
    return re.sub(r"\{\w+\}", lambda _: quote(part, safe=""), path), asked


@SLOWLY
@given(question=questions())
def test_no_read_request_causes_a_server_error(quiet_city: City, question: tuple[str, dict[str, str]]) -> None:
    address, parameters = question
    answer = quiet_city.client.get(address, params=parameters, headers=quiet_city.operator)
    assert answer.status_code < 500, (address, parameters, answer.text)
    assert answer.status_code in {200, 307} or answer.headers["content-type"] == "application/problem+json"


@SLOWLY
@given(action=st.sampled_from(["acknowledge", "comment", "close"]), number=ANYTHING, body=BODIES)
def test_no_action_request_causes_a_server_error(quiet_city: City, action: str, number: str, body: bytes) -> None:
    address = f"/api/v1/alerts/{quote(number, safe='')}/{action}"
    headers = quiet_city.operator | {"Content-Type": "application/json"}
    answer = quiet_city.client.post(address, content=body, headers=headers)
    assert 400 <= answer.status_code < 500, (address, body, answer.text)
