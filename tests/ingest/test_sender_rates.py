"""A sender above its rate is split off, in order; one that empties a day's buffer, or shares a backlog, is not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.sender_rates import MAX_SENDERS, NO_DEVICE, UNREGISTERED, SenderRates, sending_rate
from models.kinds import KINDS
from models.reading import Message

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
FLOODER, GAUGE = "vigia/v1/laplata/river/flooder", "vigia/v1/laplata/river/gauge"


def messages(topic: str, count: int, at: datetime = NOON) -> list[Message]:
    """So many different messages."""
    return [Message(topic, str(number).encode(), at) for number in range(count)]


def test_what_a_device_sends_above_its_rate_is_split_off_and_what_others_send_is_not() -> None:
    rates = SenderRates()
    rates.split(messages(FLOODER, sending_rate(FLOODER).burst))
    now, excess = rates.split([*messages(FLOODER, 500), *messages(GAUGE, 3), *messages(FLOODER, 500)])
    assert [message.topic for message in now] == [GAUGE] * 3
    assert [message.payload for _, message in excess] == [str(number).encode() for number in range(500)] * 2


def test_every_kind_may_empty_the_buffer_of_a_day_at_once() -> None:
    for kind in KINDS:
        topic = f"vigia/v1/laplata/{kind.name}/one"
        buffered = min(86_400 // kind.period_s, kind.rate.burst)
        assert SenderRates().split(messages(topic, buffered))[1] == ()
        assert kind.rate.burst >= 2_000


def test_after_a_pause_a_device_may_send_as_much_again() -> None:
    rates, burst = SenderRates(), sending_rate(GAUGE).burst
    rates.split(messages(GAUGE, burst))
    later = NOON + timedelta(seconds=burst / sending_rate(GAUGE).per_s)
    assert rates.split(messages(GAUGE, burst, later))[1] == ()


def test_a_backlog_of_all_devices_postpones_none_of_them() -> None:
    rates = SenderRates()
    topics = [f"{GAUGE}-{number}" for number in range(50)]
    for _ in range(200):
        assert rates.split([message for topic in topics for message in messages(topic, 20)])[1] == ()


def test_messages_behind_postponed_ones_of_their_sender_wait_too_until_those_are_processed() -> None:
    rates = SenderRates()
    rates.split(messages(FLOODER, sending_rate(FLOODER).burst))
    _, excess = rates.split(messages(FLOODER, 1_000))
    later = NOON + timedelta(days=1)
    assert len(rates.split(messages(FLOODER, 1, later))[1]) == 1
    rates.mark_stored([*excess, *excess[:1]], excess)
    assert len(rates.split(messages(FLOODER, 1, later))[1]) == 1
    rates.mark_stored(excess[:1], ())
    rates.mark_processed(FLOODER, 1_000)
    assert rates.split(messages(FLOODER, 1, later))[1] == ()


def test_devices_that_nobody_registered_are_one_sender_and_so_are_topics_without_a_device() -> None:
    rates = SenderRates(registered={GAUGE: None})
    assert rates.sender(GAUGE) == rates.sender(f"{GAUGE}/status").removesuffix("/status") == GAUGE
    assert rates.sender(FLOODER) == UNREGISTERED
    assert rates.unregistered_topic == FLOODER
    assert rates.sender("vigia/v1/x") == rates.sender("vigia/v1/" + "x" * 60_000) == NO_DEVICE
    assert rates.sender("/hfp/v2/journey/ongoing/vp/bus/0018/423/2550/1") == "/hfp/v2/journey/ongoing/vp/bus/0018/423"
    invented = [message for number in range(40_000) for message in messages(f"{FLOODER}-{number}", 1)]
    rates.split(invented[:20_000])
    now, _ = rates.split([*invented[20_000:], *messages(GAUGE, 2)])
    assert {message.topic for message in now} == {GAUGE}
    assert len(rates.buckets) == 2


def test_senders_fill_no_memory() -> None:
    rates = SenderRates()
    for number in range(MAX_SENDERS + 10):
        rates.split(messages(f"{GAUGE}-{number}", 1))
    assert len(rates.buckets) <= MAX_SENDERS


@given(st.lists(st.lists(st.tuples(st.sampled_from([GAUGE, FLOODER]), st.integers(1, 3_000)), min_size=1), max_size=6))
def test_nothing_is_lost_and_each_senders_order_stays(received: Sequence[Sequence[tuple[str, int]]]) -> None:
    rates, at = SenderRates(), NOON
    for batch in received:
        sent = [message for topic, count in batch for message in messages(topic, count, at)]
        now, excess = rates.split(sent)
        for topic in (GAUGE, FLOODER):
            ways = [[m for m in now if m.topic == topic], [m for _, m in excess if m.topic == topic]]
            assert [] in ways
            assert ways[0] + ways[1] == [message for message in sent if message.topic == topic]
        at += timedelta(seconds=1)
