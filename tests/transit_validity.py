"""What an independent validator finds wrong with our GTFS-realtime: rules of its own, on the timetable's own files."""

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
Told = dict[FeedKind, bytes]


def prepared(gtfs: Path) -> PreparedFeed:
    """A timetable read once, for many validations."""
    return prepare_feed(gtfs, mode=Mode.MODERN)


def told(view: TransitSnapshot, now: float) -> Told:
    """All three feeds of one moment, as they are served."""
    return {part: feed_message(view, part, now).SerializeToString() for part in FeedKind}


def errors(feed: PreparedFeed, moments: Sequence[tuple[float, Told]]) -> list[str]:
    """Every finding of severity error in the feeds of successive moments: the rule, and what it says of what."""
    cycles = tuple(
        tuple(Source(f"{role}@{at:.0f}", role, fetch=partial(parts.__getitem__, part)) for role, part in ROLES.items())
        for at, parts in moments
    )
    end = datetime.fromtimestamp(moments[-1][0], UTC)
    run = validate(Request(Mode.MODERN, feed, Inputs(cycles, False), at=end)).run
    assert run.messages_validated == len(ROLES) * len(moments)
    return [f"{one.rule_id} {one.prefix}" for one in run.notices.in_order() if severity_for(one.rule_id) == "ERROR"]
