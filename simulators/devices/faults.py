"""Faults of sensors, devices and the network. Each fault is a function from a stream of messages to another.

Random faults take a seeded `Random`; faults of a single device take its topic. Faults can be combined: those of sensors
first, then of devices, then of the network. Births and wills are not changed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial, reduce
from random import Random

from models.kinds import KINDS_BY_NAME
from models.place import City, Device
from simulators.devices.message import SimulatedMessage
from simulators.devices.payload import (
    Reboots,
    is_fixed_sensor,
    is_level,
    is_reading,
    newest_value,
    status_message,
    with_records_changed,
    with_time_shifted,
    with_values_changed,
)
from simulators.devices.sensors import device_topic

MessageStream = Iterator[SimulatedMessage]
Fault = Callable[[MessageStream], MessageStream]

SENTINEL = -9999.0


def combine(faults: Sequence[Fault]) -> Fault:
    """One fault that applies all faults, in their order."""
    return lambda messages: reduce(lambda stream, fault: fault(stream), faults, messages)


# ---------------------------------------------------------------- the network


def delayed(
    messages: MessageStream, random: Random, *, share: float, least_s: float = 30.0, most_s: float = 900.0
) -> MessageStream:
    """A share of the messages is delayed by `least_s` to `most_s`."""
    for message in messages:
        if is_reading(message) and random.random() < share:
            wait = timedelta(seconds=random.uniform(least_s, most_s))
            yield replace(message, due_at=message.due_at + wait)
        else:
            yield message


def duplicated(messages: MessageStream, random: Random, *, share: float, most_s: float = 60.0) -> MessageStream:
    """A share of the messages is sent twice, byte for byte, as QoS 1 does after a lost acknowledgement."""
    for message in messages:
        yield message
        if is_reading(message) and random.random() < share:
            yield replace(message, due_at=message.due_at + timedelta(seconds=random.uniform(0.0, most_s)))


def out_of_order(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """A share of the messages is swapped with the next message of the same device."""
    waiting: dict[str, SimulatedMessage] = {}
    for message in messages:
        if message.topic in waiting:
            earlier = waiting.pop(message.topic)
            yield message
            yield replace(earlier, created_at=message.created_at, due_at=message.due_at + timedelta(milliseconds=1))
        elif is_reading(message) and random.random() < share:
            waiting[message.topic] = message
        else:
            yield message
    yield from waiting.values()


def lost(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """A share of the messages is never sent; their `seq` stays missing."""
    return (message for message in messages if not is_reading(message) or random.random() >= share)


def garbage(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """A share of the messages is cut short or replaced by random bytes."""
    for message in messages:
        if is_reading(message) and random.random() < share:
            cut = message.payload[: random.randrange(1, len(message.payload))]
            yield replace(message, payload=cut if random.random() < 0.5 else random.randbytes(len(cut)))
        else:
            yield message


# ---------------------------------------------------------------- sensors


def spikes(messages: MessageStream, random: Random, *, share: float, height: float = 1.5) -> MessageStream:
    """A share of the levels has an error of up to `height`; the next level is right again."""
    for message in messages:
        if is_level(message) and random.random() < share:
            error = random.choice((-1, 1)) * random.uniform(0.3, 1.0) * height
            yield with_values_changed(message, partial(_add_error, by=error))
        else:
            yield message


def dropouts(messages: MessageStream, random: Random, *, share: float, rest: float = 0.0) -> MessageStream:
    """A share of the levels is `rest`, the value of a sensor that receives no echo."""
    for message in messages:
        yield (
            with_values_changed(message, partial(_replace_value, rest))
            if is_level(message) and random.random() < share
            else message
        )


def sentinels(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """A share of the values is the number that data loggers write for "no value"."""
    for message in messages:
        yield (
            with_values_changed(message, partial(_replace_value, SENTINEL))
            if is_fixed_sensor(message) and random.random() < share
            else message
        )


def stuck_sensor(messages: MessageStream, topic: str, *, after: timedelta, lasting: timedelta) -> MessageStream:
    """One sensor repeats the same value, from `after` the start of the stream, for `lasting`."""
    started_at: datetime | None = None
    value: float | None = None
    for message in messages:
        started_at = started_at or message.created_at
        if message.topic != topic or not after <= message.created_at - started_at < after + lasting:
            yield message
            continue
        value = newest_value(message) if value is None else value
        yield message if value is None else with_values_changed(message, partial(_replace_value, value))


def drifting_clock(messages: MessageStream, topic: str, *, s_per_day: float) -> MessageStream:
    """The clock of one device gains (or loses) so many seconds per day."""
    started_at: datetime | None = None
    for message in messages:
        started_at = started_at or message.created_at
        if message.topic == topic:
            offset = (message.created_at - started_at) / timedelta(days=1) * s_per_day
            yield with_records_changed(message, partial(with_time_shifted, offset=timedelta(seconds=offset)))
        else:
            yield message


# ---------------------------------------------------------------- devices


def reboots(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """Devices reboot before a share of their messages: another `boot`, and `seq` from 0."""
    reboots_seen = Reboots()
    for message in messages:
        if is_fixed_sensor(message) and random.random() < share:
            reboots_seen.restart(message)
        yield reboots_seen.renumbered(message)


def dying_sensor(messages: MessageStream, topic: str, *, above: float, replaced_after: timedelta) -> MessageStream:
    """One sensor stops at its first value of at least `above`, when it matters most; another replaces it later.

    The broker publishes its will 90 s after its last message; the new sensor publishes a birth.
    """
    died: SimulatedMessage | None = None
    is_replaced = False
    reboots_seen = Reboots()
    for message in messages:
        if message.topic != topic or is_replaced:
            yield reboots_seen.renumbered(message)
        elif died is None:
            yield message
            value = newest_value(message)
            if value is not None and value >= above:
                died = message
                yield status_message(message, timedelta(seconds=90), online=False)
        elif message.created_at - died.created_at >= replaced_after:
            is_replaced = True
            reboots_seen.restart(message)
            yield status_message(reboots_seen.renumbered(message), timedelta(0), online=True)
            yield reboots_seen.renumbered(message)


def vandalised_device(messages: MessageStream, topic: str, *, after: timedelta) -> MessageStream:
    """One device reports that it was opened, and then sends nothing more."""
    started_at: datetime | None = None
    opened = False
    for message in messages:
        started_at = started_at or message.created_at
        if message.topic != topic or (not opened and message.created_at - started_at < after):
            yield message
        elif not opened:
            opened = True
            yield with_records_changed(message, lambda record: record | {"tamper": True})
            yield status_message(message, timedelta(seconds=90), online=False)


# ---------------------------------------------------------------- a city's usual troubles


def usual_faults(city: City, seed: int, often: float = 1.0) -> Fault:
    """All faults: rare random ones on any device, and single devices that die, get stuck, drift or are vandalised.

    `often` multiplies the shares. The dying sensor stops when its stream overflows, and is replaced 9 h later.
    """

    def by_chance(seed_name: str, fault: Callable[..., MessageStream], share: float) -> Fault:
        random = Random(f"{seed}/{seed_name}")
        return lambda messages: fault(messages, random, share=min(share * often, 0.5))

    return combine(
        [
            *_single_device_faults(city, Random(f"{seed}/unlucky")),
            by_chance("spikes", spikes, 0.0008),
            by_chance("dropouts", dropouts, 0.0004),
            by_chance("sentinels", sentinels, 0.0006),
            by_chance("reboots", reboots, 0.0004),
            by_chance("lost", lost, 0.002),
            by_chance("garbage", garbage, 0.0006),
            by_chance("twice", duplicated, 0.006),
            by_chance("out_of_order", out_of_order, 0.004),
            by_chance("late", delayed, 0.006),
        ]
    )


def _single_device_faults(city: City, random: Random) -> Iterator[Fault]:
    """The faults of single devices, each on a random device."""
    bankfull_by_station = {one.id: one.catchment.bankfull_m for one in city.stations if one.catchment and one.upstream}
    rivers = [one for one in city.devices if one.station in bankfull_by_station]
    if rivers:
        dying = random.choice(rivers)
        bankfull_m = bankfull_by_station[dying.station]
        yield lambda messages: dying_sensor(
            messages, device_topic(dying), above=1.15 * bankfull_m, replaced_after=timedelta(hours=9)
        )
        rivers.remove(dying)
    if rivers:
        topic = device_topic(random.choice(rivers))
        yield lambda messages: stuck_sensor(messages, topic, after=timedelta(hours=20), lasting=timedelta(hours=8))
    rains = [device_topic(one) for one in city.devices if _signal_source(one) == "rain"]
    if rains:
        drifting = random.choice(rains)
        yield lambda messages: drifting_clock(messages, drifting, s_per_day=-240.0)
    radars = [device_topic(one) for one in city.devices if _signal_source(one) == "traffic"]
    if radars:
        vandalised = random.choice(radars)
        yield lambda messages: vandalised_device(messages, vandalised, after=timedelta(hours=3))


def _signal_source(device: Device) -> str:
    return KINDS_BY_NAME[device.kind].signal.source


def _replace_value(value: float, _: float) -> float:
    return value


def _add_error(value: float, by: float) -> float:
    return round(value + by, 3)
