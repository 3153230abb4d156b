"""GTFS-realtime feeds over HTTP, at their own URLs and at those of OneBusAway. Encoded once, served as bytes."""

from email.utils import formatdate
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.runtime.problem import NotFound
from services.transit.serving.feed_cache import EncodedFeed
from services.transit.serving.gtfs_realtime import FeedKind
from services.web.access import PUBLIC
from services.web.context import CurrentTransitSnapshot, Now, context_of
from services.web.http.etags import CACHE_BRIEFLY
from services.web.routes import PreparedRoute

PROTOBUF = "application/x-protobuf"
LONGEST_ID = 200

router = APIRouter(tags=["transit"], dependencies=[PUBLIC], include_in_schema=False, route_class=PreparedRoute)

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


def _feed_response(feed: EncodedFeed, body: bytes, media_type: str) -> Response:
    headers = {"Cache-Control": CACHE_BRIEFLY, "Last-Modified": formatdate(feed.at, usegmt=True)}
    return Response(body, media_type=media_type, headers=headers)
