"""Certificates of the broker and of devices: the authority, what it issues and the list of revoked ones.

Two folders. The authority's holds its private key, and only `vigia devices` and `vigia certificates` see it. The
broker's holds what the broker reads: `devices-ca.crt`, `devices.crl`, `broker.crt`, `broker.key`, and `issued.json`
with all ends; only the broker's key is secret.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import BaseModel, ConfigDict

from services.broker_access.accounts import AccountError
from services.broker_access.files import locked, replace_file

AUTHORITY_KEY = "devices-ca.key"
AUTHORITY, REVOKED, BROKER, BROKER_KEY, ISSUED = (
    "devices-ca.crt",
    "devices.crl",
    "broker.crt",
    "broker.key",
    "issued.json",
)
AUTHORITY_PERIOD = timedelta(days=3650)
CERTIFICATE_PERIOD = timedelta(days=730)
REVOKED_PERIOD = timedelta(days=365)
"""How long the list of revoked certificates holds. The broker refuses every device once it has ended."""
RENEW_BEFORE = timedelta(days=90)
RENEW_AUTHORITY_BEFORE = CERTIFICATE_PERIOD
"""No certificate outlives the authority that issued it."""
CLOCK_TOLERANCE = timedelta(days=1)
"""A certificate begins so long before it is made, for devices whose clock is behind."""
PUBLIC = 0o644
HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
"""A host name: labels of letters, digits and hyphens (RFC 1123)."""
MAX_HOST_CHARS = 253


class Certificate(BaseModel):
    """One that was issued to a device. `serial` is decimal text, since it is longer than a JSON number."""

    model_config = ConfigDict(frozen=True)

    name: str
    serial: str
    ends_at: datetime
    revoked_at: datetime | None = None


class IssuedCertificates(BaseModel):
    """All certificates that were issued to devices and have not ended."""

    certificates: list[Certificate] = []


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """A new certificate and its key, in PEM; the key is stored nowhere else."""

    name: str
    certificate: bytes
    key: bytes


def require_host(host: str) -> str:
    """A host name or an IP address, as a certificate names it. Raises AccountError."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if len(host) <= MAX_HOST_CHARS and HOST.fullmatch(host):
            return host
    raise AccountError(f"{host!r} is neither a host name, such as broker.example.org, nor an address, such as 10.0.0.5")


class Authority:
    """The authority of the folders `private` and `public`. One command at a time should work on them."""

    def __init__(self, private: Path, public: Path) -> None:
        self._private, self._public = private, public

    def create(self, hosts: list[str], now: datetime) -> None:
        """Make the authority, the broker's certificate for these host names and addresses, and an empty list.

        Raises AccountError where there is an authority already: a new one would shut out every device.
        """
        self._public.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked(self._private):
            if (self._private / AUTHORITY_KEY).exists() or (self._public / AUTHORITY).exists():
                raise AccountError("there is an authority already: `vigia certificates renew` prolongs it")
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _sign_authority(key, _name("Vigía devices"), now)
            replace_file(self._public / AUTHORITY, _pem(certificate), PUBLIC)
            self._certify_broker(key, certificate, hosts, now)
            self._list_revoked(key, certificate, IssuedCertificates(), now)
            replace_file(self._private / AUTHORITY_KEY, _key_pem(key))  # last: without it, creation can be repeated

    def issue(self, names: list[str], keep: Callable[[list[DeviceCertificate]], None], now: datetime) -> None:
        """New certificates for devices, besides those that they have. Raises AccountError without an authority.

        `keep` stores them, before they are listed as issued. Where it raises, none is.
        """
        with locked(self._private):
            key, authority = self._load()
            issued = self.issued()
            made = []
            for name in names:
                own = ec.generate_private_key(ec.SECP256R1())
                certificate = _sign(own, authority, key, _name(name), now, ExtendedKeyUsageOID.CLIENT_AUTH, hosts=[])
                made.append(DeviceCertificate(name, _pem(certificate), _key_pem(own)))
                issued.certificates.append(
                    Certificate(
                        name=name, serial=str(certificate.serial_number), ends_at=certificate.not_valid_after_utc
                    )
                )
            keep(made)
            self._write_issued(issued, now)

    def revoke(self, names: list[str], now: datetime) -> list[str]:
        """Put all certificates of these devices on the list. Returns the devices that had one."""
        if not self.exists():
            return []
        with locked(self._private):
            key, authority = self._load()
            issued = self.issued()
            concerned = {one.serial for one in issued.certificates if one.name in names and one.revoked_at is None}
            had = sorted({one.name for one in issued.certificates if one.serial in concerned})
            issued.certificates = [
                one.model_copy(update={"revoked_at": now}) if one.serial in concerned else one
                for one in issued.certificates
            ]
            self._write_issued(issued, now)
            self._list_revoked(key, authority, issued, now)
            return had

    def renew(self, now: datetime, hosts: Sequence[str] = ()) -> list[str]:
        """Prolong the list, and the broker's and the authority's certificates where their end is near.

        `hosts`: the broker's new names and addresses, where those of its certificate are wrong. The authority keeps its
        key, so that the devices' certificates stay valid. Returns the files that changed.
        """
        with locked(self._private):
            key, authority = self._load()
            changed = [REVOKED]
            if authority.not_valid_after_utc - now < RENEW_AUTHORITY_BEFORE:
                authority = _sign_authority(key, authority.subject, now)
                replace_file(self._public / AUTHORITY, _pem(authority), PUBLIC)
                changed.append(AUTHORITY)
            broker = x509.load_pem_x509_certificate((self._public / BROKER).read_bytes())
            if hosts or broker.not_valid_after_utc - now < RENEW_BEFORE:
                self._certify_broker(key, authority, [*hosts] or _hosts(broker), now)
                changed += [BROKER, BROKER_KEY]
            self._list_revoked(key, authority, self.issued(), now)
            return changed

    def exists(self) -> bool:
        """Whether this city has an authority."""
        return (self._private / AUTHORITY_KEY).exists()

    def issued(self) -> IssuedCertificates:
        """What was issued to devices."""
        return read_issued(self._public)

    def _load(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        try:
            key = serialization.load_pem_private_key((self._private / AUTHORITY_KEY).read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate((self._public / AUTHORITY).read_bytes())
        except FileNotFoundError as error:
            raise AccountError(f"{error.filename} is missing: `vigia certificates create` makes an authority") from None
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key, certificate

    def _certify_broker(
        self, key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, hosts: list[str], now: datetime
    ) -> None:
        own = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(own, authority, key, _name(hosts[0]), now, ExtendedKeyUsageOID.SERVER_AUTH, hosts)
        # A reload between the two would find a key of another certificate: the broker keeps the old pair then.
        replace_file(self._public / BROKER_KEY, _key_pem(own))
        replace_file(self._public / BROKER, _pem(certificate), PUBLIC)

    def _write_issued(self, issued: IssuedCertificates, now: datetime) -> None:
        issued.certificates = [one for one in issued.certificates if one.ends_at > now - CLOCK_TOLERANCE]
        replace_file(self._public / ISSUED, issued.model_dump_json(indent=1), PUBLIC)

    def _list_revoked(
        self,
        key: ec.EllipticCurvePrivateKey,
        authority: x509.Certificate,
        issued: IssuedCertificates,
        now: datetime,
    ) -> None:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.subject)
            .last_update(now - CLOCK_TOLERANCE)
            .next_update(now + REVOKED_PERIOD)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        for one in issued.certificates:
            if one.revoked_at is not None:
                entry = x509.RevokedCertificateBuilder().serial_number(int(one.serial))
                builder = builder.add_revoked_certificate(entry.revocation_date(one.revoked_at).build())
        listed = builder.sign(key, hashes.SHA256())
        replace_file(self._public / REVOKED, listed.public_bytes(serialization.Encoding.PEM), PUBLIC)


def read_issued(public: Path) -> IssuedCertificates:
    """What was issued to devices, from the broker's folder."""
    try:
        return IssuedCertificates.model_validate_json((public / ISSUED).read_bytes())
    except FileNotFoundError:
        return IssuedCertificates()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _sign_authority(key: ec.EllipticCurvePrivateKey, subject: x509.Name, now: datetime) -> x509.Certificate:
    builder = _builder(key, subject, subject, now, AUTHORITY_PERIOD)
    usage = _usage(signs_certificates=True)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def _sign(
    own: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    now: datetime,
    purpose: x509.ObjectIdentifier,
    hosts: list[str],
) -> x509.Certificate:
    builder = _builder(own, subject, authority.subject, now, CERTIFICATE_PERIOD)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    own: ec.EllipticCurvePrivateKey, subject: x509.Name, issuer: x509.Name, now: datetime, period: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_TOLERANCE)
        .not_valid_after(now + period)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _hosts(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
