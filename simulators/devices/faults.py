"""What goes wrong between a sensor and the broker, each sort a small transformer of a stream of parcels.

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
from simulators.devices.message import Parcel
from simulators.devices.payload import (
    Boots,
    is_gauge,
    is_reading,
    is_standing,
    newest_value,
    revalued,
    rewritten,
    shifted,
    status,
)
from simulators.devices.sensors import topic_of

Stream = Iterator[Parcel]
Fault = Callable[[Stream], Stream]

SENTINEL = -9999.0


def combined(faults: Sequence[Fault]) -> Fault:
    """One fault that applies all of them, the first first."""
    return lambda parcels: reduce(lambda stream, fault: fault(stream), faults, parcels)


# ---------------------------------------------------------------- the network


def late(parcels: Stream, random: Random, *, share: float, least_s: float = 30.0, most_s: float = 900.0) -> Stream:
    """A share of the parcels comes that much later."""
    for parcel in parcels:
        if is_reading(parcel) and random.random() < share:
            wait = timedelta(seconds=random.uniform(least_s, most_s))
            yield replace(parcel, due_at=parcel.due_at + wait)
        else:
            yield parcel


def twice(parcels: Stream, random: Random, *, share: float, most_s: float = 60.0) -> Stream:
    """A share comes a second time, byte for byte, somewhat later: what QoS 1 does after a lost acknowledgement."""
    for parcel in parcels:
        yield parcel
        if is_reading(parcel) and random.random() < share:
            yield replace(parcel, due_at=parcel.due_at + timedelta(seconds=random.uniform(0.0, most_s)))


def out_of_order(parcels: Stream, random: Random, *, share: float) -> Stream:
    """A share changes places with the next parcel of its device."""
    held: dict[str, Parcel] = {}
    for parcel in parcels:
        if parcel.topic in held:
            earlier = held.pop(parcel.topic)
            yield parcel
            yield replace(earlier, made_at=parcel.made_at, due_at=parcel.due_at + timedelta(milliseconds=1))
        elif is_reading(parcel) and random.random() < share:
            held[parcel.topic] = parcel
        else:
            yield parcel
    yield from held.values()


def lost(parcels: Stream, random: Random, *, share: float) -> Stream:
    """A share never comes; its `seq` is missing for ever."""
    return (parcel for parcel in parcels if not is_reading(parcel) or random.random() >= share)


def garbage(parcels: Stream, random: Random, *, share: float) -> Stream:
    """A share is cut short, or its bytes are noise."""
    for parcel in parcels:
        if is_reading(parcel) and random.random() < share:
            cut = parcel.payload[: random.randrange(1, len(parcel.payload))]
            yield replace(parcel, payload=cut if random.random() < 0.5 else random.randbytes(len(cut)))
        else:
            yield parcel


# ---------------------------------------------------------------- sensors


def spikes(parcels: Stream, random: Random, *, share: float, height: float = 1.5) -> Stream:
    """A share of the levels jumps up or down by up to `height` and is right again at once."""
    for parcel in parcels:
        if is_gauge(parcel) and random.random() < share:
            error = random.choice((-1, 1)) * random.uniform(0.3, 1.0) * height
            yield revalued(parcel, partial(_raised, by=error))
        else:
            yield parcel


def dropouts(parcels: Stream, random: Random, *, share: float, rest: float = 0.0) -> Stream:
    """A share of the levels is the value of a sensor that hears no echo."""
    for parcel in parcels:
        yield revalued(parcel, partial(_constant, rest)) if is_gauge(parcel) and random.random() < share else parcel


def sentinels(parcels: Stream, random: Random, *, share: float) -> Stream:
    """A share of the values is the number that loggers write for "no value"."""
    for parcel in parcels:
        yield (
            revalued(parcel, partial(_constant, SENTINEL))
            if is_standing(parcel) and random.random() < share
            else parcel
        )


def stuck(parcels: Stream, topic: str, *, after: timedelta, lasting: timedelta) -> Stream:
    """From `after` the stream's beginning on, one sensor says the same value again and again."""
    began: datetime | None = None
    value: float | None = None
    for parcel in parcels:
        began = began or parcel.made_at
        if parcel.topic != topic or not after <= parcel.made_at - began < after + lasting:
            yield parcel
            continue
        value = newest_value(parcel) if value is None else value
        yield parcel if value is None else revalued(parcel, partial(_constant, value))


def drifting_clock(parcels: Stream, topic: str, *, s_per_day: float) -> Stream:
    """One device's clock gains (or loses) that much a day."""
    began: datetime | None = None
    for parcel in parcels:
        began = began or parcel.made_at
        if parcel.topic == topic:
            off = (parcel.made_at - began) / timedelta(days=1) * s_per_day
            yield rewritten(parcel, partial(shifted, off=timedelta(seconds=off)))
        else:
            yield parcel


# ---------------------------------------------------------------- devices


def reboots(parcels: Stream, random: Random, *, share: float) -> Stream:
    """After a share of their parcels devices start anew: another `boot`, `seq` from 0 on."""
    again = Boots()
    for parcel in parcels:
        if is_standing(parcel) and random.random() < share:
            again.start(parcel)
        yield again.renumbered(parcel)


def dies(parcels: Stream, topic: str, *, above: float, gone: timedelta) -> Stream:
    """One sensor falls silent at its first value of at least `above`, when it matters most; replaced after `gone`.

    Its broker says goodbye for it 90 s after its last word; the new one says hello.
    """
    died: Parcel | None = None
    back = False
    again = Boots()
    for parcel in parcels:
        if parcel.topic != topic or back:
            yield again.renumbered(parcel)
        elif died is None:
            yield parcel
            value = newest_value(parcel)
            if value is not None and value >= above:
                died = parcel
                yield status(parcel, timedelta(seconds=90), online=False)
        elif parcel.made_at - died.made_at >= gone:
            back = True
            again.start(parcel)
            yield status(again.renumbered(parcel), timedelta(0), online=True)
            yield again.renumbered(parcel)


def vandalised(parcels: Stream, topic: str, *, after: timedelta) -> Stream:
    """One device reports that it was opened, then nothing any more."""
    began: datetime | None = None
    torn = False
    for parcel in parcels:
        began = began or parcel.made_at
        if parcel.topic != topic or (not torn and parcel.made_at - began < after):
            yield parcel
        elif not torn:
            torn = True
            yield rewritten(parcel, lambda record: record | {"tamper": True})
            yield status(parcel, timedelta(seconds=90), online=False)


# ---------------------------------------------------------------- a city's usual troubles


def usual(city: City, seed: int, often: float = 1.0) -> Fault:
    """Every sort at once: rare ones anywhere, and one device each that dies, sticks, drifts or is vandalised.

    `often` multiplies the shares. The dying sensor goes when its stream leaves its bed and is replaced 9 h later.
    """

    def by_chance(fault: Callable[..., Stream], share: float) -> Fault:
        random = Random(f"{seed}/{fault.__name__}")
        return lambda parcels: fault(parcels, random, share=min(share * often, 0.5))

    return combined(
        [
            *_unlucky(city, Random(f"{seed}/unlucky")),
            by_chance(spikes, 0.0008),
            by_chance(dropouts, 0.0004),
            by_chance(sentinels, 0.0006),
            by_chance(reboots, 0.0004),
            by_chance(lost, 0.002),
            by_chance(garbage, 0.0006),
            by_chance(twice, 0.006),
            by_chance(out_of_order, 0.004),
            by_chance(late, 0.006),
        ]
    )


def _unlucky(city: City, random: Random) -> Iterator[Fault]:
    """One device for each fault that strikes a single one."""
    beds = {one.id: one.catchment.bankfull_m for one in city.stations if one.catchment and one.upstream}
    rivers = [one for one in city.devices if one.station in beds]
    if rivers:
        dying = random.choice(rivers)
        bed_m = beds[dying.station]
        yield lambda parcels: dies(parcels, topic_of(dying), above=1.15 * bed_m, gone=timedelta(hours=9))
        rivers.remove(dying)
    if rivers:
        topic = topic_of(random.choice(rivers))
        yield lambda parcels: stuck(parcels, topic, after=timedelta(hours=20), lasting=timedelta(hours=8))
    rains = [topic_of(one) for one in city.devices if _source(one) == "rain"]
    if rains:
        drifting = random.choice(rains)
        yield lambda parcels: drifting_clock(parcels, drifting, s_per_day=-240.0)
    radars = [topic_of(one) for one in city.devices if _source(one) == "traffic"]
    if radars:
        torn = random.choice(radars)
        yield lambda parcels: vandalised(parcels, torn, after=timedelta(hours=3))


def _source(device: Device) -> str:
    return KINDS_BY_NAME[device.kind].signal.source


def _constant(value: float, _: float) -> float:
    return value


def _raised(value: float, by: float) -> float:
    return round(value + by, 3)
