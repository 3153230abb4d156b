"""A person of the municipality signs in with the account they have at its identity provider, and nobody else does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey, OctKey
from pydantic import SecretStr
from sqlalchemy import Engine, delete, select, update

from models.tables.people import oidc_sign_ins, people, sessions
from models.tables.record import log_entries
from services.people.accounts import NewPerson, add_person, disable_person, find_person
from services.people.oidc.links import IdentityTaken, link_person, unlink_person
from services.people.oidc.provider import Provider, client_of_settings
from services.people.roles import Role
from services.runtime.settings import Settings
from services.web.app import create_app
from tests.databases import open_copy
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, identity_provider
from tests.services.web.pages.site import Site

NOW = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
COOKIE = "vigia_entrada"


@pytest.fixture(scope="module")
def running() -> Iterator[IdentityProvider]:
    with identity_provider(NOW) as provider:
        yield provider


@pytest.fixture
def provider(running: IdentityProvider) -> IdentityProvider:
    """The provider as it is when nobody tampers with it."""
    running.key = ECKey.generate_key("P-256", {"kid": "one"})
    running.published = [running.key.as_dict(private=False)]
    running.claims, running.header, running.description = {}, {"alg": "ES256", "kid": "one"}, {}
    running.asked.clear()
    return running


@pytest.fixture(scope="module")
def town(database_url: str, migrated_name: str) -> Iterator[Engine]:
    """A database with the accounts of Ana and Beto."""
    with open_copy(database_url, migrated_name) as engine:
        with engine.begin() as transaction:
            for login, name in (("ana", "Ana Pérez"), ("beto", "Beto Díaz")):
                add_person(transaction, NewPerson(login, name, frozenset({Role.OPERATOR})), by="console", now=NOW)
        yield engine


@pytest.fixture
def ana(town: Engine, provider: IdentityProvider) -> Engine:
    """The database, in which Ana's account is linked to sub-1, and nobody has signed in."""
    with town.begin() as transaction:
        for table in (sessions, oidc_sign_ins):
            transaction.execute(delete(table))
        transaction.execute(update(people).values(oidc_issuer=None, oidc_subject=None, disabled_at=None))
        link_person(transaction, "ana", (provider.issuer, "sub-1"), by="console", now=NOW)
    return town


@pytest.fixture(scope="module")
def town_app(town: Engine) -> FastAPI:
    """Vigía without a provider: making the application takes longer than a sign-in."""
    return create_app(Settings(), town, lambda: NOW)


def use(app: FastAPI, provider: IdentityProvider, **changed: Any) -> FastAPI:
    """The application with settings that name the provider, of which it knows nothing yet."""
    settings = Settings(
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=SecretStr(CLIENT_SECRET),
        oidc_name="la Municipalidad",
        **changed,
    )
    client = client_of_settings(settings)
    assert client is not None
    app.state.context = replace(app.state.context, settings=settings, provider=Provider(client))
    return app


@pytest.fixture
def app(ana: Engine, town_app: FastAPI, provider: IdentityProvider) -> FastAPI:
    del ana
    return use(town_app, provider)


@pytest.fixture
def browser(app: FastAPI) -> Iterator[Site]:
    with Site(app) as opened:
        yield opened


def begin(browser: Site) -> str:
    """Press the button; returns where the browser is sent."""
    answer = browser.get("/entrar/proveedor")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come_back(browser: Site, address: str) -> httpx.Response:
    return browser.get(address.removeprefix("http://127.0.0.1:8013"))


def refused(answer: httpx.Response, status: int = 401) -> bool:
    """Whether the answer says no, and nobody is signed in by it."""
    return answer.status_code == status and "vigia_operator" not in answer.headers.get("set-cookie", "")


def opened(database: Engine) -> int:
    with database.connect() as connection:
        return len(connection.execute(select(sessions.c.id)).all())


def test_who_is_known_signs_in_and_acts_under_their_name(
    browser: Site, ana: Engine, provider: IdentityProvider
) -> None:
    page = browser.page("/entrar")
    assert "Entrar con la Municipalidad" in page.text
    answer = come_back(browser, provider.sign_in(begin(browser)))
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/">' in answer.text
    assert "no-store" in answer.headers["cache-control"]
    assert "Ana Pérez" in browser.page("/").text
    with ana.connect() as connection:
        assert connection.execute(select(sessions.c.method)).scalars().all() == ["oidc"]
        assert connection.execute(select(oidc_sign_ins)).all() == []


def test_the_alert_from_which_somebody_came_is_shown_afterwards(browser: Site, provider: IdentityProvider) -> None:
    assert 'href="/entrar/proveedor?alerta=7"' in browser.page("/entrar?alerta=7").html
    address = browser.get("/entrar/proveedor?alerta=7").headers["location"]
    assert "url=/alerta/7" in come_back(browser, provider.sign_in(address)).text


def test_the_cookie_of_a_sign_in_is_the_browsers_alone(browser: Site, app: FastAPI) -> None:
    cookie = browser.get("/entrar/proveedor").headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"))
    with Site(app) as other:
        assert begin(browser) != begin(other)  # anonymous visitors of one second share pages, never this


def test_with_tls_the_cookie_is_bound_to_this_host(app: FastAPI, provider: IdentityProvider) -> None:
    with Site(use(app, provider, public_url="https://vigia.example")) as browser:
        answer = browser.get("/entrar/proveedor")
    assert answer.headers["set-cookie"].startswith(f"__Host-{COOKIE}=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "redirect_uri=https%3A%2F%2Fvigia.example%2Fentrar%2Fproveedor%2Fvuelta" in answer.headers["location"]


def test_a_wrong_verifier_is_refused_by_the_provider(browser: Site, ana: Engine, provider: IdentityProvider) -> None:
    back = provider.sign_in(begin(browser))
    with ana.begin() as transaction:
        transaction.execute(update(oidc_sign_ins).values(code_verifier="another" * 8))
    assert refused(come_back(browser, back))
    assert provider.asked
    assert opened(ana) == 0


def test_a_state_works_once(browser: Site, ana: Engine, provider: IdentityProvider) -> None:
    cookie = browser.get("/entrar/proveedor").headers
    back = provider.sign_in(str(cookie["location"]))
    assert come_back(browser, back).status_code == 200
    kept = cookie["set-cookie"].split(";")[0]
    again = browser.get(back.removeprefix("http://127.0.0.1:8013"), cookie=kept)
    assert refused(again)
    assert opened(ana) == 1


def test_a_way_back_without_the_cookie_is_refused(
    browser: Site, app: FastAPI, ana: Engine, provider: IdentityProvider
) -> None:
    back = provider.sign_in(begin(browser))
    with Site(app) as other:
        assert refused(come_back(other, back))
        begin(other)
        assert refused(come_back(other, back))  # with the cookie of its own sign-in, which is used up by it
        assert refused(come_back(other, back))
    assert opened(ana) == 0
    assert not provider.asked


def test_a_wrong_state_uses_the_sign_in_up(browser: Site, ana: Engine, provider: IdentityProvider) -> None:
    back = provider.sign_in(begin(browser))
    assert refused(browser.get("/entrar/proveedor/vuelta?state=guessed&code=x"))
    assert refused(come_back(browser, back))
    assert opened(ana) == 0


def test_a_sign_in_that_took_longer_than_ten_minutes_is_over(
    browser: Site, ana: Engine, provider: IdentityProvider
) -> None:
    back = provider.sign_in(begin(browser))
    with ana.begin() as transaction:
        transaction.execute(update(oidc_sign_ins).values(expires_at=NOW - timedelta(seconds=1)))
    assert refused(come_back(browser, back))


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://elsewhere.example"},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"]},
        {"azp": "another client"},
        {"exp": NOW_S - 120},
        {"exp": None},
        {"iat": NOW_S - 3600},
        {"iat": NOW_S + 3600},
        {"nbf": NOW_S + 3600},
        {"sub": ""},
        {"sub": 5},
    ],
    ids=str,
)
def test_a_token_that_says_something_else_is_refused(
    browser: Site, ana: Engine, provider: IdentityProvider, claims: dict[str, object]
) -> None:
    back = provider.sign_in(begin(browser))
    provider.claims = claims
    assert refused(come_back(browser, back))
    assert opened(ana) == 0


@pytest.mark.parametrize("forgery", ["none", "HS256 by our secret", "HS256 by the public key", "another's key"])
def test_a_token_that_the_provider_did_not_sign_is_refused(
    browser: Site, ana: Engine, provider: IdentityProvider, forgery: str
) -> None:
    back = provider.sign_in(begin(browser))
    match forgery:
        case "none":
            provider.header = {"alg": "none", "kid": "one"}
        case "HS256 by our secret":
            provider.header, provider.key = {"alg": "HS256", "kid": "one"}, OctKey.import_key(CLIENT_SECRET)
        case "HS256 by the public key":
            provider.header = {"alg": "HS256", "kid": "one"}
            assert isinstance(provider.key, ECKey)
            provider.key = OctKey.import_key(str(provider.published[0]["x"]) * 2)
        case _:
            provider.key = ECKey.generate_key("P-256", {"kid": "one"})
    assert refused(come_back(browser, back))
    assert opened(ana) == 0


def test_another_issuer_on_the_way_back_is_refused(browser: Site, provider: IdentityProvider) -> None:
    back = provider.sign_in(begin(browser)).replace("iss=", "iss=https%3A%2F%2Felsewhere.example%2F")
    assert refused(come_back(browser, back))
    assert not provider.asked


def test_a_person_who_said_no_at_the_provider_gets_the_form_again(browser: Site) -> None:
    state = httpx.URL(begin(browser)).params["state"]
    answer = browser.get(f"/entrar/proveedor/vuelta?error=access_denied&state={state}")
    assert refused(answer)
    assert "empezá de nuevo" in answer.text
    assert 'name="password"' in answer.text


def test_a_disabled_person_is_refused_and_their_session_ends(
    browser: Site, ana: Engine, provider: IdentityProvider
) -> None:
    come_back(browser, provider.sign_in(begin(browser)))
    with ana.begin() as transaction:
        disable_person(transaction, find_person(transaction, "ana"), by="console", now=NOW)
    assert "Ana Pérez" not in browser.page("/").text
    assert refused(come_back(browser, provider.sign_in(begin(browser))), 403)


def test_a_stranger_is_told_their_identifier_and_is_not_let_in(
    browser: Site, ana: Engine, provider: IdentityProvider
) -> None:
    back = provider.sign_in(begin(browser), "sub-9<b>", preferred_username="beto")
    answer = come_back(browser, back)
    assert refused(answer, 403)
    assert "sub-9&lt;b&gt;" in answer.text
    assert opened(ana) == 0


@pytest.mark.parametrize(
    ("settings", "claims", "status"),
    [
        ({}, {"preferred_username": "Beto"}, 200),
        ({}, {"preferred_username": "nobody"}, 403),
        ({}, {"preferred_username": "ana"}, 403),  # she has another identity
        ({"oidc_login_claim": "email"}, {"email": "beto", "email_verified": True}, 200),
        ({"oidc_login_claim": "email"}, {"email": "beto"}, 403),
    ],
)
def test_where_an_administrator_allows_it_the_login_links_a_person_once(
    app: FastAPI,
    ana: Engine,
    provider: IdentityProvider,
    settings: dict[str, Any],
    claims: dict[str, object],
    status: int,
) -> None:
    with Site(use(app, provider, oidc_link_by_login=True, **settings)) as browser:
        assert come_back(browser, provider.sign_in(begin(browser), "sub-2", **claims)).status_code == status
    with ana.connect() as connection:
        linked = connection.execute(select(people.c.oidc_subject).where(people.c.login == "beto")).scalar()
        said = (
            connection.execute(select(log_entries.c.actor).where(log_entries.c.what == "person.linked")).scalars().all()
        )
    assert status != 200 or "Beto Díaz" in said
    assert linked == ("sub-2" if status == 200 else None)


def test_an_identity_is_one_persons_and_can_be_taken_away(
    browser: Site, ana: Engine, provider: IdentityProvider
) -> None:
    come_back(browser, provider.sign_in(begin(browser)))
    with ana.begin() as transaction, pytest.raises(IdentityTaken):
        link_person(transaction, "beto", (provider.issuer, "sub-1"), by="console", now=NOW)
    with ana.begin() as transaction:
        unlink_person(transaction, "ana", by="console", now=NOW)
    assert "Ana Pérez" not in browser.page("/").text
    assert refused(come_back(browser, provider.sign_in(begin(browser))), 403)


def test_the_keys_of_a_provider_may_change(browser: Site, ana: Engine, provider: IdentityProvider) -> None:
    come_back(browser, provider.sign_in(begin(browser)))
    provider.key = ECKey.generate_key("P-256", {"kid": "two"})
    provider.published = [provider.key.as_dict(private=False)]
    provider.header = {"alg": "ES256", "kid": "two"}
    assert refused(come_back(browser, provider.sign_in(begin(browser))))  # asked for a moment ago
    assert opened(ana) == 1


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://elsewhere.example"},
        {"authorization_endpoint": "http://elsewhere.example/authorize"},
        {"token_endpoint": 5},
        {"code_challenge_methods_supported": ["plain"]},
    ],
    ids=str,
)
def test_a_provider_that_describes_itself_wrongly_is_not_asked(
    browser: Site, provider: IdentityProvider, described: dict[str, object]
) -> None:
    provider.description = described
    answer = browser.get("/entrar/proveedor")
    assert answer.status_code == 503
    assert "no contesta bien" in answer.text
    assert 'name="password"' in answer.text


def test_a_flood_of_begun_sign_ins_takes_a_bounded_number_of_rows(
    browser: Site, ana: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.people.oidc.sign_in.MAX_PENDING", 3)
    assert [browser.get("/entrar/proveedor").status_code for _ in range(5)] == [303, 303, 303, 503, 503]
    with ana.begin() as transaction:
        transaction.execute(update(oidc_sign_ins).values(expires_at=NOW))
    assert browser.get("/entrar/proveedor").status_code == 303


def test_without_a_provider_there_is_no_button_and_no_way(town_app: FastAPI) -> None:
    town_app.state.context = replace(town_app.state.context, provider=None)
    with Site(town_app) as browser:
        assert "/entrar/proveedor" not in browser.page("/entrar").html
        assert browser.get("/entrar/proveedor").status_code == 404
