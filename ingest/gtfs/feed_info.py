"""Read who publishes a GTFS feed, and under which licence. All of it is optional and none of it is refused."""

from ingest.gtfs.files import FeedFiles
from models.network import FeedInfo

LONGEST_FIELD = 255
LONGEST_LICENCE = 255
COLUMNS = (
    "feed_publisher_name",
    "feed_publisher_url",
    "feed_lang",
    "feed_version",
    "feed_contact_email",
    "feed_contact_url",
)


def read_feed_info(feed: FeedFiles) -> tuple[FeedInfo, ...]:
    """The first row of feed_info.txt and the text of license.txt; nothing where the feed has neither."""
    licence = " ".join(feed.text("license.txt").split())[:LONGEST_LICENCE]
    for _, fields in feed.rows("feed_info.txt", *COLUMNS):
        return (FeedInfo(*(field[:LONGEST_FIELD] for field in (*fields, licence))),)
    return (FeedInfo(licence=licence),) if licence else ()
