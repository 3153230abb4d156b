"""The root of the API: where everything is, the feeds of public transport above all."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.transit.serving.gtfs_realtime import FeedKind
from services.web.access import PUBLIC
from services.web.context import CurrentTransitSnapshot
from services.web.routes import PreparedRoute

SCHEDULE_PATH = "/gtfs/schedule.zip"
MOST_FEEDS = 100

router = APIRouter(tags=["root"], dependencies=[PUBLIC], route_class=PreparedRoute)

Address = Annotated[str, Field(description="Path on this server")]


class FeedPublisher(BaseModel):
    """Who publishes a timetable in force, as its `feed_info.txt` says. Empty where the feed does not."""

    publisher: str = Field(examples=["Municipalidad de La Plata"])
    publisher_url: str = Field(examples=["https://example.org"])
    language: str = Field(examples=["es"])
    version: str = Field(description="The publisher's own", examples=["2026-03"])
    contact_email: str = Field(examples=["gtfs@example.org"])
    contact_url: str = Field(examples=["https://example.org/gtfs"])
    licence: str = Field(description="Empty: not declared, so ask before using it", examples=["CC-BY-4.0"])


class TransitFeeds(BaseModel):
    """The timetable in force and what is known of it now, each for the other: their ids agree."""

    gtfs_schedule: Address = Field(examples=[SCHEDULE_PATH])
    gtfs_realtime: dict[str, str] = Field(examples=[{"trip-updates": "/gtfs-rt/trip-updates.pb"}])
    onebusaway: Address = Field(examples=["/api/where"])
    version: str = Field(description="Of the timetable here; empty: none is loaded", examples=["12"])
    first_day: date | None = Field(description="On which a service may run")
    last_day: date | None
    publishers: list[FeedPublisher] = Field(max_length=MOST_FEEDS)


class ApiRoot(BaseModel):
    """What this server has, and where."""

    openapi: Address = Field(examples=["/api/v1/openapi.json"])
    health: Address = Field(examples=["/api/v1/health"])
    alerts: Address = Field(examples=["/api/v1/alerts"])
    stations: Address = Field(examples=["/api/v1/stations"])
    live: Address = Field(examples=["/api/v1/live"])
    stops: Address = Field(examples=["/api/v1/transit/stops"])
    feeds: TransitFeeds


@router.get("/")
def root(snapshot: CurrentTransitSnapshot) -> ApiRoot:
    """The addresses of the API and of the transit feeds, with the publisher and licence of the timetable in force."""
    network = snapshot.network
    first_day, last_day = network.service_span if network.services else (None, None)
    return ApiRoot(
        openapi="/api/v1/openapi.json",
        health="/api/v1/health",
        alerts="/api/v1/alerts",
        stations="/api/v1/stations",
        live="/api/v1/live",
        stops="/api/v1/transit/stops",
        feeds=TransitFeeds(
            gtfs_schedule=SCHEDULE_PATH,
            gtfs_realtime={kind.value: f"/gtfs-rt/{kind.value}.pb" for kind in FeedKind},
            onebusaway="/api/where",
            version=network.version,
            first_day=first_day,
            last_day=last_day,
            publishers=[
                FeedPublisher(
                    publisher=one.publisher_name,
                    publisher_url=one.publisher_url,
                    language=one.language,
                    version=one.version,
                    contact_email=one.contact_email,
                    contact_url=one.contact_url,
                    licence=one.licence,
                )
                for one in network.published
            ],
        ),
    )
