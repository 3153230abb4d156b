"""The broker's access rules, written from the accounts, in the format of Mosquitto's acl_file. Pure."""

from collections.abc import Iterator

from services.broker_access.accounts import ACTUATORS, POLL_FEED, Company, Device, Reader, Registry

HEADER = """\
# Written by `vigia devices`: changes made here are lost. Anything that no line allows is forbidden.

# One user for each pipeline, so that each keeps its own queue. They write nothing.
user pipeline-critical
topic read vigia/v1/#
topic read vigia/canary/#
topic read $SYS/broker/#

user pipeline-bulk
topic read vigia/v1/#
topic read /hfp/v2/#
topic read /gtfsrt/vp/#
topic read vigia/canary/#
topic read $SYS/broker/#

# `vigia sirens`: the orders of people to sirens and signs, and their answers.
user actuators
topic write vigia/actuators/v1/+/+/+/command
topic read vigia/actuators/v1/+/+/+/state

# Upkeep: the broker's figures, and a test message for each lane.
user canary
topic write vigia/canary/critical
topic write vigia/canary/bulk
topic read $SYS/broker/#
"""
POLL = f"""
# `vigia poll` with its own feed name. A vendor's gateway is a company.
user buses
topic write /gtfsrt/vp/{POLL_FEED}/#
"""
EARLIER = """
# Rules of an earlier version, for devices that are not registered yet; `vigia devices strict` removes them.
user buses
topic write vigia/v1/+/bus/+
topic write vigia/v1/+/bus/+/status
topic write /hfp/v2/#
topic write /gtfsrt/vp/#

pattern write vigia/v1/+/+/%u
pattern write vigia/v1/+/+/%u/status
pattern read vigia/v1/+/+/%u/command
"""


def access_rules(registry: Registry) -> str:
    """The whole file."""
    parts = [HEADER, EARLIER if registry.earlier_rules else POLL]
    for name, device in sorted(registry.devices.items()):
        parts.append("\n".join(_device(name, device)) + "\n")
    for name, company in sorted(registry.companies.items()):
        parts.append("\n".join(_company(name, company)) + "\n")
    for name, reader in sorted(registry.readers.items()):
        parts.append("\n".join(_reader(name, reader)) + "\n")
    return "".join(parts)


def _device(name: str, device: Device) -> Iterator[str]:
    if device.kind in ACTUATORS:
        topic = f"vigia/actuators/v1/{device.municipality}/{device.kind}/{name}"
        yield from ("", f"user {name}", f"topic write {topic}/state", f"topic read {topic}/command")
        return
    topic = f"vigia/v1/{device.municipality}/{device.kind}/{name}"
    yield from ("", f"user {name}", f"topic write {topic}", f"topic write {topic}/status")
    yield f"topic read {topic}/command"


def _company(name: str, company: Company) -> Iterator[str]:
    yield from ("", f"user {name}")
    for vehicle in company.vehicles:
        topic = f"vigia/v1/{company.municipality}/bus/{vehicle}"
        yield from (f"topic write {topic}", f"topic write {topic}/status")
    for operator in company.operators:
        yield f"topic write /hfp/v2/+/+/+/+/{operator}/#"
    for feed in company.feeds:
        yield f"topic write /gtfsrt/vp/{feed}/#"


def _reader(name: str, reader: Reader) -> Iterator[str]:
    yield from ("", f"user {name}", f"topic read vigia/v1/{reader.municipality}/#")
