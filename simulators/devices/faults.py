"""What goes wrong between a sensor and the broker, each sort a small transformer of a stream of messages.

Chance comes in as a seeded `Random`; faults of one device name its topic. They compose: those of sensors first, then
those of devices, then those of the network. Births and wills pass untouched.
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
    """One fault that applies all of them, the first first."""
    return lambda messages: reduce(lambda stream, fault: fault(stream), faults, messages)


# ---------------------------------------------------------------- the network


def delayed(
    messages: MessageStream, random: Random, *, share: float, least_s: float = 30.0, most_s: float = 900.0
) -> MessageStream:
    """A share of the messages comes that much later."""
    for message in messages:
        if is_reading(message) and random.random() < share:
            wait = timedelta(seconds=random.uniform(least_s, most_s))
            yield replace(message, due_at=message.due_at + wait)
        else:
            yield message


def duplicated(messages: MessageStream, random: Random, *, share: float, most_s: float = 60.0) -> MessageStream:
    """A share comes a second time, byte for byte, somewhat later: what QoS 1 does after a lost acknowledgement."""
    for message in messages:
        yield message
        if is_reading(message) and random.random() < share:
            yield replace(message, due_at=message.due_at + timedelta(seconds=random.uniform(0.0, most_s)))


def out_of_order(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """A share changes places with the next message of its device."""
    held: dict[str, SimulatedMessage] = {}
    for message in messages:
        if message.topic in held:
            earlier = held.pop(message.topic)
            yield message
            yield replace(earlier, created_at=message.created_at, due_at=message.due_at + timedelta(milliseconds=1))
        elif is_reading(message) and random.random() < share:
            held[message.topic] = message
        else:
            yield message
    yield from held.values()


def lost(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """A share never comes; its `seq` is missing for ever."""
    return (message for message in messages if not is_reading(message) or random.random() >= share)


def garbage(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """A share is cut short, or its bytes are noise."""
    for message in messages:
        if is_reading(message) and random.random() < share:
            cut = message.payload[: random.randrange(1, len(message.payload))]
            yield replace(message, payload=cut if random.random() < 0.5 else random.randbytes(len(cut)))
        else:
            yield message


# ---------------------------------------------------------------- sensors


def spikes(messages: MessageStream, random: Random, *, share: float, height: float = 1.5) -> MessageStream:
    """A share of the levels jumps up or down by up to `height` and is right again at once."""
    for message in messages:
        if is_level(message) and random.random() < share:
            error = random.choice((-1, 1)) * random.uniform(0.3, 1.0) * height
            yield with_values_changed(message, partial(_add_error, by=error))
        else:
            yield message


def dropouts(messages: MessageStream, random: Random, *, share: float, rest: float = 0.0) -> MessageStream:
    """A share of the levels is the value of a sensor that hears no echo."""
    for message in messages:
        yield (
            with_values_changed(message, partial(_replace_value, rest))
            if is_level(message) and random.random() < share
            else message
        )


def sentinels(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """A share of the values is the number that loggers write for "no value"."""
    for message in messages:
        yield (
            with_values_changed(message, partial(_replace_value, SENTINEL))
            if is_fixed_sensor(message) and random.random() < share
            else message
        )


def stuck_sensor(messages: MessageStream, topic: str, *, after: timedelta, lasting: timedelta) -> MessageStream:
    """From `after` the stream's beginning on, one sensor says the same value again and again."""
    began: datetime | None = None
    value: float | None = None
    for message in messages:
        began = began or message.created_at
        if message.topic != topic or not after <= message.created_at - began < after + lasting:
            yield message
            continue
        value = newest_value(message) if value is None else value
        yield message if value is None else with_values_changed(message, partial(_replace_value, value))


def drifting_clock(messages: MessageStream, topic: str, *, s_per_day: float) -> MessageStream:
    """One device's clock gains (or loses) that much a day."""
    began: datetime | None = None
    for message in messages:
        began = began or message.created_at
        if message.topic == topic:
            off = (message.created_at - began) / timedelta(days=1) * s_per_day
            yield with_records_changed(message, partial(with_time_shifted, off=timedelta(seconds=off)))
        else:
            yield message


# ---------------------------------------------------------------- devices


def reboots(messages: MessageStream, random: Random, *, share: float) -> MessageStream:
    """After a share of their messages devices start anew: another `boot`, `seq` from 0 on."""
    again = Reboots()
    for message in messages:
        if is_fixed_sensor(message) and random.random() < share:
            again.restart(message)
        yield again.renumbered(message)


def dying_sensor(messages: MessageStream, topic: str, *, above: float, gone: timedelta) -> MessageStream:
    """One sensor falls silent at its first value of at least `above`, when it matters most; replaced after `gone`.

    Its broker says goodbye for it 90 s after its last word; the new one says hello.
    """
    died: SimulatedMessage | None = None
    back = False
    again = Reboots()
    for message in messages:
        if message.topic != topic or back:
            yield again.renumbered(message)
        elif died is None:
            yield message
            value = newest_value(message)
            if value is not None and value >= above:
                died = message
                yield status_message(message, timedelta(seconds=90), online=False)
        elif message.created_at - died.created_at >= gone:
            back = True
            again.restart(message)
            yield status_message(again.renumbered(message), timedelta(0), online=True)
            yield again.renumbered(message)


def vandalised_device(messages: MessageStream, topic: str, *, after: timedelta) -> MessageStream:
    """One device reports that it was opened, then nothing any more."""
    began: datetime | None = None
    torn = False
    for message in messages:
        began = began or message.created_at
        if message.topic != topic or (not torn and message.created_at - began < after):
            yield message
        elif not torn:
            torn = True
            yield with_records_changed(message, lambda record: record | {"tamper": True})
            yield status_message(message, timedelta(seconds=90), online=False)


# ---------------------------------------------------------------- a city's usual troubles


def usual_faults(city: City, seed: int, often: float = 1.0) -> Fault:
    """Every sort at once: rare ones anywhere, and one device each that dies, sticks, drifts or is vandalised.

    `often` multiplies the shares. The dying sensor goes when its stream leaves its bed and is replaced 9 h later.
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
    """One device for each fault that strikes a single one."""
    beds = {one.id: one.catchment.bankfull_m for one in city.stations if one.catchment and one.upstream}
    rivers = [one for one in city.devices if one.station in beds]
    if rivers:
        dying = random.choice(rivers)
        bed_m = beds[dying.station]
        yield lambda messages: dying_sensor(messages, device_topic(dying), above=1.15 * bed_m, gone=timedelta(hours=9))
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
        torn = random.choice(radars)
        yield lambda messages: vandalised_device(messages, torn, after=timedelta(hours=3))


def _signal_source(device: Device) -> str:
    return KINDS_BY_NAME[device.kind].signal.source


def _replace_value(value: float, _: float) -> float:
    return value


def _add_error(value: float, by: float) -> float:
    return round(value + by, 3)
