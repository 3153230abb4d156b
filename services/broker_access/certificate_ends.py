"""Expiry dates of the certificates and of the list of revoked ones, read from the broker's folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from services.broker_access.certificates import AUTHORITY, BROKER, REVOKED, read_issued

ANNOUNCED_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class End:
    """`name`: the file, or `device/ID`. `all_devices`: its end shuts out every device."""

    name: str
    ends_at: datetime
    all_devices: bool

    def near(self, now: datetime) -> bool:
        """Whether it is to be announced."""
        return self.ends_at - now <= ANNOUNCED_BEFORE


def certificate_ends(folder: Path) -> list[End]:
    """All ends, the nearest first; none where the folder has no certificates. Raises ValueError for a damaged file."""
    return sorted(_ends(folder), key=lambda end: end.ends_at)


def _ends(folder: Path) -> Iterator[End]:
    for name in (AUTHORITY, BROKER):
        if (folder / name).exists():
            certificate = x509.load_pem_x509_certificate((folder / name).read_bytes())
            yield End(name, certificate.not_valid_after_utc, all_devices=True)
    if (folder / REVOKED).exists():
        listed = x509.load_pem_x509_crl((folder / REVOKED).read_bytes())
        if listed.next_update_utc is not None:
            yield End(REVOKED, listed.next_update_utc, all_devices=True)
    latest: dict[str, datetime] = {}
    for one in read_issued(folder).certificates:
        if one.revoked_at is None:
            latest[one.name] = max(one.ends_at, latest.get(one.name, one.ends_at))
    yield from (End(f"device/{name}", ends_at, all_devices=False) for name, ends_at in latest.items())
