"""Check of the rota: nobody on duty within 14 days, or somebody in it whom no tested channel reaches. Pure.

Names of people stand on the page of the rota, never in an alert: anyone may read alerts.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from alerts.system_faults import SystemFault
from models.alert import NAR, Cause
from services.duty.chain import ChainCheck

DUTY = "duty"
GAPS, UNTESTED = f"{DUTY}/gaps", f"{DUTY}/untested"
SOON = timedelta(hours=24)
"""A gap that begins within this time is naranja: whoever is on duty now can still fill it."""


def duty_faults(check: ChainCheck, now: datetime) -> Iterator[SystemFault]:
    """The state of both checks. Verde where nobody stands in the rota: then nothing is expected of it."""
    if check.gaps:
        first = check.gaps[0].period.start
        colour = NAR.NARANJA if first - now <= SOON else NAR.AMARILLO
        evidence = {"duty_gaps": len(check.gaps), "first_gap_at": first.isoformat()}
        yield SystemFault(GAPS, colour, Cause.DUTY, evidence, closes_itself=True)
    else:
        yield SystemFault(GAPS, NAR.VERDE, Cause.DUTY, closes_itself=True)
    unreachable = len(check.untested)
    evidence = {"people_without_channel": unreachable}
    colour = NAR.AMARILLO if unreachable else NAR.VERDE
    yield SystemFault(UNTESTED, colour, Cause.DUTY, evidence if unreachable else {}, closes_itself=True)
