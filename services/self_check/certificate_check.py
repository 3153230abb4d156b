"""Check that no certificate of broker or devices, and no list of revoked ones, ends soon. Pure but for one reader."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from alerts.system_faults import SystemFault
from models.alert import NAR, Cause
from services.broker_access.certificate_ends import End, certificate_ends

CERTIFICATE = "certificate"
DEVICES, FILES = f"{CERTIFICATE}/devices", f"{CERTIFICATE}/files"
URGENT_BEFORE = timedelta(days=7)
"""From here on NARANJA, where every device would be shut out."""
MAX_NAMED = 20


def read_certificate_faults(folder: Path, now: datetime) -> list[SystemFault]:
    """One state for each file in the broker's folder and one for all devices; none where there are no certificates."""
    try:
        ends = certificate_ends(folder)
    except (ValueError, OSError) as error:
        return [SystemFault(FILES, NAR.NARANJA, Cause.CERTIFICATE, {"file": str(error)})]
    return [*certificate_faults(ends, now), SystemFault(FILES, NAR.VERDE, Cause.CERTIFICATE)] if ends else []


def certificate_faults(ends: Sequence[End], now: datetime) -> Iterator[SystemFault]:
    """AMARILLO 30 days before an end, NARANJA seven days before one that shuts out every device."""
    for end in ends:
        if end.all_devices:
            urgent = end.ends_at - now <= URGENT_BEFORE
            nar = NAR.NARANJA if urgent else NAR.AMARILLO if end.near(now) else NAR.VERDE
            evidence = {"file": end.name, "ends_at": end.ends_at.isoformat()}
            yield SystemFault(f"{CERTIFICATE}/{end.name}", nar, Cause.CERTIFICATE, evidence)
    near = [end for end in ends if not end.all_devices and end.near(now)]
    names = [end.name.removeprefix("device/") for end in near]
    evidence = {"devices": " ".join(names[:MAX_NAMED]), "ends_at": near[0].ends_at.isoformat()} if near else {}
    yield SystemFault(DEVICES, NAR.AMARILLO if near else NAR.VERDE, Cause.CERTIFICATE, evidence)
