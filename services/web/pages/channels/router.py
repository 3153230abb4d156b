"""Routes of a person's own channels: the page, its forms, and the script that shows web push."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from models.alert import APPRISE, CHANNELS, CONSOLE, MAX_ADDRESS_CHARS, SMS, WEB_PUSH, WEBHOOK
from services.duty.chain import without_tested_channel
from services.notices import person_channels
from services.notices.person_channels import MAX_CHANNELS, WrongTestCode, channels_of
from services.notices.senders.configured import configured_push_key, configured_services
from services.runtime.clock import credential_clock
from services.web.access import Viewer
from services.web.api.people.person_channels import RealNow, own_number
from services.web.context import Now, Transaction, context_of
from services.web.pages import static_files
from services.web.pages.rendering import PageRoute, Visit, Visitor, render_page

PAGE = "/mis-canales"
PUSH_WORKER = "push_worker.js"
CHOICES = (SMS, APPRISE, WEBHOOK, CONSOLE)
"""What the form offers; a browser subscribes to web push by its button."""

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

ChannelId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get(PAGE)
def mine(name: Viewer, visit: Visitor, transaction: Transaction) -> HTMLResponse:
    """The person's channels, in the order in which they are tried."""
    return _page(visit, transaction, own_number(transaction, name))


@router.get(f"{PAGE}/{PUSH_WORKER}")
def push_worker(_name: Viewer) -> Response:
    """The service worker that shows web push. Its address is its scope, so it is no static file."""
    content, media_type = static_files.FILES[PUSH_WORKER]
    return Response(content, media_type=media_type)


@router.post(f"{PAGE}/agregar")
def add(
    name: Viewer,
    visit: Visitor,
    transaction: Transaction,
    real_now: RealNow,
    channel: Annotated[str, Form(alias="canal", max_length=20)],
    address: Annotated[str, Form(alias="direccion", max_length=MAX_ADDRESS_CHARS)] = "",
    exercises: Annotated[bool, Form(alias="simulacros")] = False,
) -> Response:
    """Add a channel, and send its test at once."""
    person_id = own_number(transaction, name)
    services = configured_services(context_of(visit.request).settings)
    added = person_channels.add_channel(
        transaction, person_id, channel, address, visit.now, told_of_exercises=exercises, services=services
    )
    if channel != CONSOLE:
        person_channels.start_test(transaction, person_id, added, visit.now, real_now)
    return _back(added)


@router.post(f"{PAGE}/{{channel_id}}/probar")
def test(name: Viewer, transaction: Transaction, now: Now, real_now: RealNow, channel_id: ChannelId) -> Response:
    """Send a code by a channel."""
    person_channels.start_test(transaction, own_number(transaction, name), channel_id, now, real_now)
    return _back(channel_id)


@router.post(f"{PAGE}/{{channel_id}}/codigo")
def confirm(
    name: Viewer,
    visit: Visitor,
    transaction: Transaction,
    now: RealNow,
    channel_id: ChannelId,
    code: Annotated[str, Form(alias="codigo", max_length=20)] = "",
) -> Response:
    """Enter the code that came by a channel."""
    person_id = own_number(transaction, name)
    if not person_channels.confirm_test(transaction, person_id, channel_id, code, now):
        return _page(visit, transaction, person_id, wrong_id=channel_id)
    return _back(channel_id)


@router.post(f"{PAGE}/{{channel_id}}/primero")
def first(name: Viewer, transaction: Transaction, channel_id: ChannelId) -> Response:
    """Try a channel before the others."""
    person_channels.put_first(transaction, own_number(transaction, name), channel_id)
    return _back(channel_id)


@router.post(f"{PAGE}/{{channel_id}}/simulacros")
def exercises(
    name: Viewer,
    transaction: Transaction,
    channel_id: ChannelId,
    told: Annotated[bool, Form(alias="avisar")] = False,
) -> Response:
    """Say whether drills and training come by a channel."""
    person_channels.set_exercises(transaction, own_number(transaction, name), channel_id, told=told)
    return _back(channel_id)


@router.post(f"{PAGE}/{{channel_id}}/quitar")
def end(name: Viewer, transaction: Transaction, now: Now, channel_id: ChannelId) -> Response:
    """Send nothing by a channel any more."""
    person_channels.end_channel(transaction, own_number(transaction, name), channel_id, now)
    return _back(None)


def _page(visit: Visit, transaction: Transaction, person_id: int, *, wrong_id: int | None = None) -> HTMLResponse:
    context = context_of(visit.request)
    settings = context.settings
    push_key = configured_push_key(settings)
    return render_page(
        visit,
        "channels/mine.html",
        channels=channels_of(transaction, person_id),
        unreached=bool(without_tested_channel(transaction, [person_id])),
        choices=[one for one in CHOICES if one != SMS or settings.sms_gateway_url is not None],
        services=sorted(configured_services(settings)),
        push_key=None if push_key is None else push_key.public,
        web_push=WEB_PUSH,
        known=CHANNELS,
        most=MAX_CHANNELS,
        wrong_id=wrong_id,
        real_now=credential_clock(context.clock)(),
        wrong=str(WrongTestCode()),
        MAX_ADDRESS_CHARS=MAX_ADDRESS_CHARS,
    )


def _back(channel_id: int | None) -> Response:
    return RedirectResponse(PAGE if channel_id is None else f"{PAGE}#canal-{channel_id}", status_code=303)
