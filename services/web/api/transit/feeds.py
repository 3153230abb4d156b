"""GTFS feeds over HTTP: realtime, at its own URLs and at those of OneBusAway, and the timetable that it refers to."""

from email.utils import formatdate
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.runtime.problem import NotFound
from services.transit.serving.feed_cache import EncodedFeed
from services.transit.serving.gtfs_realtime import FeedKind
from services.web.access import PUBLIC
from services.web.api.root import SCHEDULE_PATH
from services.web.context import CurrentTransitSnapshot, Now, context_of
from services.web.http.etags import CACHE_BRIEFLY
from services.web.routes import BoundedRoute, PreparedRoute

CACHE_SCHEDULE = "public, max-age=300"
"""A new version of the timetable reaches clients of a cache within five minutes."""
PROTOBUF = "application/x-protobuf"
LONGEST_ID = 200

router = APIRouter(tags=["transit"], dependencies=[PUBLIC], include_in_schema=False, route_class=PreparedRoute)

# Not prepared for all: the answer depends on what the client has, and may be large.
schedule_router = APIRouter(tags=["transit"], dependencies=[PUBLIC], include_in_schema=False, route_class=BoundedRoute)

AgencyId = Annotated[str, Path(max_length=LONGEST_ID)]


class NoSuchAgency(NotFound):
    """No existe esa empresa. / There is no such agency."""


@router.get("/gtfs-rt/{part}.pb")
def protobuf(request: Request, snapshot: CurrentTransitSnapshot, now: Now, part: FeedKind) -> Response:
    """One feed as protobuf, as every GTFS-realtime client reads it."""
    feed = context_of(request).feed_cache.feed(part, snapshot, now.timestamp())
    return _feed_response(feed, feed.protobuf, PROTOBUF)


@router.get("/gtfs-rt/{part}.json")
def json(request: Request, snapshot: CurrentTransitSnapshot, now: Now, part: FeedKind) -> Response:
    """The same feed as JSON, with the names of the specification."""
    feed = context_of(request).feed_cache.feed(part, snapshot, now.timestamp())
    return _feed_response(feed, feed.json, "application/json")


@router.get("/api/gtfs_realtime/{part}-for-agency/{agency_id}.pb")
def for_agency(
    request: Request, snapshot: CurrentTransitSnapshot, now: Now, part: FeedKind, agency_id: AgencyId
) -> Response:
    """OneBusAway's URL: the feed of the whole city, whichever of its agencies is given."""
    if agency_id not in snapshot.network.agencies:
        raise NoSuchAgency
    return protobuf(request, snapshot, now, part)


@schedule_router.get(SCHEDULE_PATH)
def schedule(request: Request, snapshot: CurrentTransitSnapshot) -> Response:
    """The timetable in force as GTFS Schedule, all feeds as one, with the ids that the realtime feeds use."""
    feed = context_of(request).schedule_feed.feed(snapshot.network)
    headers = {
        "Cache-Control": CACHE_SCHEDULE,
        "ETag": feed.etag,
        "Content-Disposition": 'attachment; filename="gtfs.zip"',
        "Link": '</api/v1/>; rel="license"',
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if feed.etag in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(feed.content, media_type="application/zip", headers=headers)


def _feed_response(feed: EncodedFeed, body: bytes, media_type: str) -> Response:
    headers = {"Cache-Control": CACHE_BRIEFLY, "Last-Modified": formatdate(feed.at, usegmt=True)}
    return Response(body, media_type=media_type, headers=headers)
