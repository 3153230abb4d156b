"""Requests drawn from the OpenAPI description, as each role: no error of ours, no answer beyond the role."""

from collections import Counter
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from services.people.roles import Role
from services.web.access import roles_of
from tests.services.web.api.conftest import City
from tests.services.web.api.test_contract import every_route
from tests.services.web.api.test_roles import city as city  # noqa: PLC0414 - the fixture under its own name
from tests.services.web.api.test_roles import fits
from tests.services.web.api.test_roles import walkers as walkers  # noqa: PLC0414

EXAMPLES = 20
STREAM = "/api/v1/live"


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_no_drawn_request_gets_an_error_or_an_answer_beyond_its_role(
    city: City, walkers: dict[Role, httpx.Client]
) -> None:
    city.flood()
    needed = {
        (method, path): roles_of(dependant) for path, methods, dependant in every_route(city.app) for method in methods
    }
    schema = schemathesis.openapi.from_dict(city.app.openapi())
    asked: Counter[str] = Counter()
    wrong: list[tuple[str, str, str, int]] = []

    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation: Any = result.ok()
        if operation.path == STREAM:
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), role=st.sampled_from(list(Role)))
        def ask(case: Any, role: Role) -> None:
            request = case.as_transport_kwargs(base_url=str(city.client.base_url).rstrip("/"))
            request.pop("cookies", None)
            request["headers"] = {
                name: value for name, value in (request.get("headers") or {}).items() if name.lower() != "authorization"
            } | {"Origin": walkers[role].headers["origin"], "User-Agent": walkers[role].headers["user-agent"]}
            status = walkers[role].request(**request).status_code
            asked[role] += 1
            roles = needed[case.operation.method.upper(), case.operation.path]
            assert roles is not None
            if status >= 500 or not fits(status, role, roles):
                wrong.append((case.operation.method, case.operation.path, role.value, status))

        ask()
    for role, count in sorted(asked.items()):
        print(f"{role:16} {count:5} requests")
    assert not wrong, "\n".join(map(str, wrong))
