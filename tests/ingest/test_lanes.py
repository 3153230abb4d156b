"""Every topic belongs to one lane, and long topics use no memory."""

import pytest

from ingest.lanes import belongs_to_lane, lane_topics, topic_lane
from models.kind import Lane


@pytest.mark.parametrize(
    ("topic", "lane"),
    [
        ("vigia/v1/laplata/river/gato-7", Lane.CRITICAL),
        ("vigia/v1/laplata/rain/sky/status", Lane.CRITICAL),
        ("vigia/v1/laplata/bus/307-12", Lane.BULK),
        ("vigia/v1/laplata/teapot/7", Lane.BULK),
        ("vigia/v1", Lane.BULK),
        ("/hfp/v2/journey/ongoing/vp/bus/0018/423", Lane.BULK),
        ("vigia/v1/laplata/river/gato-7/command", None),
    ],
)
def test_a_message_is_one_lanes_to_keep_and_a_command_nobodys(topic: str, lane: Lane | None) -> None:
    assert [one for one in Lane if belongs_to_lane(one, topic)] == [one for one in (lane,) if one]
    assert belongs_to_lane(None, topic) == (lane is not None)


def test_between_them_the_lanes_hear_everything_and_foreign_topics_only_where_asked() -> None:
    assert "vigia/v1/+/river/#" in lane_topics(Lane.CRITICAL, foreign=True)
    assert lane_topics(Lane.BULK, foreign=False) == ("vigia/v1/#", "vigia/canary/bulk")
    assert lane_topics(None, foreign=False) == ("vigia/v1/#", "vigia/canary/+")
    assert any(topic.startswith("/hfp/") for topic in lane_topics(Lane.BULK, foreign=True))


@pytest.mark.parametrize("lane", list(Lane))
def test_topics_of_any_length_fill_no_memory_and_are_one_lanes_to_reject(lane: Lane) -> None:
    remembered = topic_lane.cache_info().currsize
    wanted = {belongs_to_lane(lane, f"vigia/v1/{number}{'x' * 30_000}/river/gato-7") for number in range(100)}
    assert wanted == {lane is Lane.BULK}
    assert topic_lane.cache_info().currsize == remembered
