"""Settings of a process, read once from the environment variables `VIGIA_*`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which and what to do."""


class Settings(BaseSettings):
    """All settings. Each field is read from the variable `VIGIA_` plus its name in capitals.

    Printed settings show secrets as stars. An empty variable counts as unset.
    """

    model_config = SettingsConfigDict(env_prefix="VIGIA_", frozen=True, extra="ignore", env_ignore_empty=True)

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
    public_url: str | None = Field(default=None, description="Public address of the API, behind a proxy")
    clock: str | None = Field(default=None, description="Simulated clock, START@FACTOR; only with embedded parts")
    webhook_url: SecretStr | None = Field(
        default=None, description="Address to which notices are posted, besides the console"
    )
    batch: int = Field(default=1000, ge=1, le=10_000, description="Maximum of messages in one transaction")
    statement_timeout_s: int = Field(default=5, ge=1, le=600, description="Longest run of an API query")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe level that is logged"
    )
