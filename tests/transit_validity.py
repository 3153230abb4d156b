"""Validation of published GTFS-realtime feeds by an independent validator, on the timetable's own files."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gtfs_rt_validator.api import Inputs, Mode, PreparedFeed, Request, prepare_feed, validate
from gtfs_rt_validator.rules.registry import severity_for
from gtfs_rt_validator.runner.sources import Source

from services.transit.serving.gtfs_realtime import FeedKind, feed_message
from services.transit.serving.snapshot import TransitSnapshot

ROLES = {"tu": FeedKind.TRIP_UPDATES, "vp": FeedKind.VEHICLE_POSITIONS, "sa": FeedKind.ALERTS}
FeedsOfMoment = dict[FeedKind, bytes]


def prepared_timetable(gtfs: Path) -> PreparedFeed:
    """A timetable prepared once for many validations."""
    return prepare_feed(gtfs, mode=Mode.MODERN)


def feeds_of_moment(snapshot: TransitSnapshot, now: float) -> FeedsOfMoment:
    """All three feeds of one moment, as they are published."""
    return {kind: feed_message(snapshot, kind, now).SerializeToString() for kind in FeedKind}


def validation_errors(feed: PreparedFeed, moments: Sequence[tuple[float, FeedsOfMoment]]) -> list[str]:
    """Findings of severity error in the feeds of successive moments: rule and text."""
    cycles = tuple(
        tuple(Source(f"{role}@{at:.0f}", role, fetch=partial(feeds.__getitem__, kind)) for role, kind in ROLES.items())
        for at, feeds in moments
    )
    end = datetime.fromtimestamp(moments[-1][0], UTC)
    run = validate(Request(Mode.MODERN, feed, Inputs(cycles, False), at=end)).run
    assert run.messages_validated == len(ROLES) * len(moments)
    return [f"{one.rule_id} {one.prefix}" for one in run.notices.in_order() if severity_for(one.rule_id) == "ERROR"]
