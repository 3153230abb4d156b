"""Settings of a process, read once from the environment variables `VIGIA_*`, and secrets also from files."""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "VIGIA_"
MAX_SECRET_CHARS = 8_192
"""Limit of a secret in a file: a larger file is another one, named by mistake."""
MAY_BE_EMPTY = frozenset({"VIGIA_POLL_URL", "VIGIA_WEBHOOK_URL"})
"""Secrets whose file may be empty, as the variable may be. Without one of the others, an embedded part would start."""

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})

Network = IPv4Network | IPv6Network


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which and what to do."""


class Settings(BaseSettings):
    """All settings. Each field is read from the variable `VIGIA_` plus its name in capitals.

    Printed settings show secrets as stars. An empty variable counts as unset. A secret may stand in a file instead,
    which the variable with `_FILE` at its end names: a variable is seen by whoever may inspect a container.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr | None = Field(default=None, description="PostgreSQL; the embedded one when unset")
    mqtt_url: SecretStr | None = Field(default=None, description="MQTT broker; the embedded one when unset")
    mqtt_ca_file: Path | None = Field(default=None, description="CA certificate for mqtts://")
    mqtt_cert_file: Path | None = Field(default=None, description="Client certificate for mqtts://")
    mqtt_key_file: Path | None = Field(default=None, description="Key of the client certificate")
    foreign_buses: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,64}$",
        description="Municipality of the buses on /hfp/v2/ and /gtfsrt/vp/; not subscribed when unset",
    )
    poll_url: SecretStr | None = Field(
        default=None, description="Address that `vigia poll` polls, where it holds a key"
    )
    data_dir: Path = Field(default=Path(".vigia"), description="Folder of the embedded database and broker")
    embedded_mqtt_port: int = Field(default=1883, ge=1, le=65535, description="Port of the embedded broker")
    api_host: str = Field(default="127.0.0.1", description="Address the API listens on")
    api_port: int = Field(default=8013, ge=0, le=65535, description="Port the API listens on, 0 for any free one")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#@\s]+/?$",
        description="Public address of the API, behind a proxy",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses and networks of our reverse proxies, by commas: their X-Forwarded-For names the client",
    )
    metrics_from: str = Field(
        default="127.0.0.1,::1",
        description="Addresses and networks that read /metrics and the details of /health without a token",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Token that reads /metrics and the details of /health, and nothing else; none when unset",
    )
    watchdog_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Secret shared with `vigia watchdog`, which asks for signed heartbeats; none are given when unset",
    )
    oidc_issuer: str | None = Field(
        default=None,
        pattern=r"^https?://[^?#\s]+$",
        description="Identity provider by which people may sign in, as its own description names it; none when unset",
    )
    oidc_client_id: str | None = Field(default=None, max_length=500, description="Name of Vigía at that provider")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Secret of Vigía at that provider; none for a client without one"
    )
    oidc_login_claim: str = Field(
        default="preferred_username",
        pattern=r"^[A-Za-z0-9_.:/-]{1,200}$",
        description="Claim of the provider that names a person's login",
    )
    oidc_link_by_login: bool = Field(
        default=False,
        description="Whether that claim links a person to the provider at their first sign-in by it",
    )
    oidc_name: str | None = Field(
        default=None, max_length=60, description="Name of the provider on the button; its host when unset"
    )
    clock: str | None = Field(default=None, description="Simulated clock, START@FACTOR; only with embedded parts")
    simulated_devices: bool = Field(
        default=False, description="The devices of this city are simulated: pages and notices say so"
    )
    webhook_url: SecretStr | None = Field(
        default=None, description="Address to which notices are posted, besides the console"
    )
    webhook_format: Literal["vigia", "cloudevents"] = Field(
        default="vigia", description="What is posted to VIGIA_WEBHOOK_URL: the documented body, or CloudEvents 1.0"
    )
    webhook_keys: SecretStr | None = Field(
        default=None,
        description="Keys that sign what is posted to webhooks, as ID:SECRET; two by comma while one replaces another",
    )
    sms_gateway_url: SecretStr | None = Field(
        default=None,
        description="Telephone that sends text messages, http://USER:PASSWORD@ADDRESS:PORT; none when unset",
    )
    sms_webhook_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key by which the SMS gateway signs the answers it passes on; answers are refused when unset",
    )
    apprise_services: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]{1,32}(,[a-z0-9]{1,32}){0,63}$",
        description="Services of Apprise that people may be told by, with commas between; when unset, those with TLS",
    )
    web_push_key: SecretStr | None = Field(
        default=None,
        description="Private key of web push, EC P-256 in PEM; with embedded parts one is made in VIGIA_DATA_DIR",
    )
    batch: int = Field(default=1000, ge=1, le=10_000, description="Maximum of messages in one transaction")
    statement_timeout_s: int = Field(default=5, ge=1, le=600, description="Longest run of an API query")
    broker_dir: Path = Field(
        default=Path("broker"), description="Folder of the broker's users and rules, which `vigia devices` writes"
    )
    broker_tls_dir: Path = Field(
        default=Path("broker-tls"), description="Folder of the broker's certificates and the list of revoked ones"
    )
    authority_dir: Path = Field(
        default=Path("authority"), description="Folder of the key that signs devices' certificates"
    )
    broker_pid: int | None = Field(
        default=None, ge=1, description="Process of the running Mosquitto, which is told of new users; none when unset"
    )
    commit: str | None = Field(default=None, description="Commit that this program was built from")
    alive_file: Path | None = Field(
        default=None, description="File touched while the process works, for the health check of a container"
    )
    expected_processes: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,64}(,[a-z0-9-]{1,64}){0,31}$",
        description="Processes that must run, with commas between; when unset, those that ever ran",
    )
    watched_disks: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]{1,32}=/[^,=]{0,200}(,[a-z0-9]{1,32}=/[^,=]{0,200}){0,7}$",
        description="Folders whose disks upkeep watches, as name=/folder with commas between",
    )
    backup_within_h: int | None = Field(
        default=None,
        ge=0,
        le=8_760,
        description="Hours within which a backup is expected, 0 for never; when unset, 36 once one was made",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe level that is logged"
    )

    @property
    def expected(self) -> frozenset[str]:
        """The names in `expected_processes`; empty when unset."""
        return frozenset(self.expected_processes.split(",")) if self.expected_processes else frozenset()

    @property
    def disks(self) -> dict[str, str]:
        """The folders in `watched_disks` by name; empty when unset."""
        return dict(one.split("=", 1) for one in self.watched_disks.split(",")) if self.watched_disks else {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before variables before files."""
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @field_validator("trusted_proxies", "metrics_from")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        parse_networks(text)
        return text

    @property
    def public_address(self) -> str | None:
        """Where people reach Vigía, without a slash at the end; None where the port is chosen at the API's start."""
        if self.public_url:
            return self.public_url.rstrip("/")
        return f"http://{self.api_host}:{self.api_port}" if self.api_port else None

    def refuse_open_address(self) -> None:
        """Refuse to listen beyond the loopback without VIGIA_PUBLIC_URL. Raises SettingsError.

        Without it the server could tell neither which host names and forms are its own nor that cookies need TLS.
        """
        if self.api_host not in LOOPBACK_HOSTS and not self.public_url:
            raise SettingsError(
                f"VIGIA_API_HOST={self.api_host} opens the API beyond this machine: set VIGIA_PUBLIC_URL to the "
                "address that people type (https://vigia.example), or listen on 127.0.0.1"
            )


def parse_networks(text: str) -> tuple[Network, ...]:
    """The addresses and networks of a setting, separated by commas. Raises ValueError for anything else."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def secret_names() -> list[str]:
    """The variables that hold secrets. Each may be given as a file, by the same name and `_FILE`."""
    fields = Settings.model_fields.items()
    return [f"{PREFIX}{name.upper()}" for name, field in fields if SecretStr in get_args(field.annotation)]


class _SecretFiles(PydanticBaseSettingsSource):
    """The secrets whose files are named by `VIGIA_..._FILE`. Raises SettingsError for a file that gives none."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: `__call__` reads the files."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        named = {name: os.environ.get(f"{name}_FILE") for name in secret_names()}
        secrets = {name: _read_secret(name, Path(path)) for name, path in named.items() if path}
        return {name.removeprefix(PREFIX).lower(): secret for name, secret in secrets.items() if secret}


def _read_secret(name: str, path: Path) -> str:
    """The content of a file without the spaces and line ends around it."""
    if os.environ.get(name):
        raise SettingsError(f"{name} and {name}_FILE are both set: unset one of them")
    try:
        with path.open(encoding="utf-8") as file:
            secret = file.read(MAX_SECRET_CHARS + 1).strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name}_FILE: {path} is no text in UTF-8") from None
    if not secret and name not in MAY_BE_EMPTY:
        raise SettingsError(f"{name}_FILE: {path} is empty; write the secret into it, or unset {name}_FILE")
    if len(secret) > MAX_SECRET_CHARS:
        raise SettingsError(f"{name}_FILE: {path} holds more than {MAX_SECRET_CHARS:,} characters; is it that file?")
    return secret
