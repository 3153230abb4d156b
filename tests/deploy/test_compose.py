"""docker-compose.yml agrees with the program: commands, settings, files, and no default secrets."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.__main__ import parser
from services.broker_access.accounts import Registry
from services.broker_access.rules import access_rules
from services.commands import devices
from services.runtime.settings import Settings, secret_names
from tests.architecture.repository import FLOORS, ROOT
from tests.deploy.conftest import create_secrets

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WITH_TLS: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text(encoding="utf-8"))["services"]
WITH_PROXY: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.proxy.yml").read_text(encoding="utf-8"))["services"]
WITH_MONITORING: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.monitoring.yml").read_text(encoding="utf-8"))
PROMETHEUS: dict[str, Any] = WITH_MONITORING["services"]["prometheus"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
BEATING = ("pipeline-critical", "pipeline-bulk", "notifier", "upkeep", "api")
"""The services that write heartbeats, which have the names of their processes. `poll` has no database."""
EXAMPLE = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))


def variables() -> list[str]:
    """All uses of variables of .env, as written between the braces."""
    return re.findall(r"\$\{([^}]+)\}", f"{SERVICES} {WITH_TLS} {WITH_PROXY}")


def words(service: dict[str, Any]) -> list[str]:
    """What `vigia` is told by a service."""
    return [*service.get("entrypoint", ["vigia"])[1:], *service["command"]]


def test_the_services_are_those_of_the_architecture() -> None:
    copied = "".join(f" --file=/city/{name}" for name in (".env", "secrets", "deploy", "broker", "access"))
    assert {" ".join(words(service)) for service in OURS.values()} == {
        "migrate",
        "pipeline --lane critical",
        "pipeline --lane bulk",
        "notifier",
        "upkeep",
        "api",
        "poll",
        "devices setup",
        "devices list",
        f"backup /backups --dated{copied}",
        "restore --files-into /city --help",
    }
    by_hand = ["access", "backup", "restore", "poll"]
    assert [name for name, service in SERVICES.items() if "profiles" in service] == by_hand


def test_every_process_with_heartbeats_is_expected_by_those_that_check() -> None:
    assert set(BEATING) == {name for name, service in OURS.items() if service["restart"] != "no"} - {"poll"}
    for name in ("notifier", "upkeep", "api"):
        assert OURS[name]["environment"]["VIGIA_EXPECTED_PROCESSES"] == ",".join(BEATING)


def test_every_process_has_a_health_check() -> None:
    assert [name for name, service in SERVICES.items() if "test" not in service.get("healthcheck", {})] == [
        "roles",
        "broker-users",
        "access",
        "migrate",
        "backup",
        "restore",
    ]


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_ours(name: str) -> None:
    told = ["/backups/name" if word == "--help" else word for word in words(OURS[name])]
    assert parser().parse_args(told).run


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    settings = {f"VIGIA_{field.upper()}" for field in Settings.model_fields}
    settings |= {f"{secret}_FILE" for secret in secret_names()}
    assert set(OURS[name]["environment"]) <= settings


def test_every_variable_is_in_the_example_and_none_is_unused() -> None:
    assert {re.split(r"[:?-]", variable)[0] for variable in variables()} == set(EXAMPLE)


def test_the_example_holds_no_value() -> None:
    assert {name: value for name, value in EXAMPLE.items() if value} == {}


def test_nothing_starts_without_its_address() -> None:
    optional = {"BACKUP_DIR", "BACKUP_WITHIN_H", "FOREIGN_BUSES", "VIGIA_COMMIT"}
    demanded = {use.split(":?")[0] for use in variables() if ":?" in use}
    spared = {use.split(":-")[0] for use in variables() if ":-" in use}
    assert (demanded, spared) == (set(EXAMPLE) - optional, optional)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of secrets as deploy/secrets.sh creates it for a new city."""
    return create_secrets(tmp_path_factory.mktemp("new"), {})


def test_no_secret_stands_in_a_variable() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            secret = (
                re.search("PASSWORD|TOKEN", variable) or variable in secret_names() or re.search("://.*@", str(value))
            )
            assert not secret or str(value).startswith("/run/secrets/"), (name, variable)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_sees_the_secrets_it_uses_and_no_other(name: str) -> None:
    service = SERVICES[name]
    named = {value.removeprefix("/run/secrets/") for value in map(str, service.get("environment", {}).values())}
    roles = (ROOT / "deploy/postgres/roles.sql").read_text(encoding="utf-8")
    roles += str(service["command"]) if name == "roles" else ""
    read = {"roles": roles, "broker-users": f"{devices.SECRETS}"}.get(name, "")
    used = {one for one in COMPOSE["secrets"] if one in named or one in read}
    assert set(service.get("secrets", [])) == used


def test_the_script_creates_every_secret_once_for_the_containers_only(secrets: Path) -> None:
    created = {file.name: file.read_text(encoding="utf-8") for file in secrets.iterdir()}
    assert {f"./secrets/{name}" for name in COMPOSE["secrets"]} == {one["file"] for one in COMPOSE["secrets"].values()}
    assert set(COMPOSE["secrets"]) == set(created)
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in secrets.iterdir()} == {0o444}
    passwords = [value for name, value in created.items() if name.endswith("_password")]
    assert all(re.fullmatch("[0-9a-f]{48}", one) for one in passwords)
    assert len(set(passwords)) == len(passwords)
    create_secrets(secrets.parent, {"DATABASE_API_PASSWORD": "another"})
    assert {file.name: file.read_text(encoding="utf-8") for file in secrets.iterdir()} == created


def test_the_script_takes_over_what_an_earlier_version_kept_in_env(tmp_path: Path) -> None:
    known = {"DATABASE_API_PASSWORD": "abc123", "MQTT_BULK_PASSWORD": "def456", "WEBHOOK_URL": "http://hook.test/?k=1"}
    folder = create_secrets(tmp_path, known)
    assert (folder / "database_api_url").read_text() == "postgresql://vigia_api:abc123@database:5432/vigia"
    assert (folder / "mqtt_bulk_password").read_text() == "def456"
    assert (folder / "webhook_url").read_text() == "http://hook.test/?k=1"
    assert (folder / "poll_url").read_text() == ""


def test_each_part_has_its_own_role_in_the_database_and_user_at_the_broker(secrets: Path) -> None:
    parts = {
        "migrate": "owner",
        "pipeline-critical": "pipeline",
        "pipeline-bulk": "pipeline",
        "notifier": "notifier",
        "upkeep": "upkeep",
        "api": "api",
    }
    for name, part in parts.items():
        file = OURS[name]["environment"]["VIGIA_DATABASE_URL_FILE"]
        assert f"//vigia_{part}:" in (secrets / Path(file).name).read_text()
    acl = access_rules(Registry())
    for name, user in (("pipeline-critical",) * 2, ("pipeline-bulk",) * 2, ("poll", "buses")):
        file = OURS[name]["environment"]["VIGIA_MQTT_URL_FILE"]
        assert f"//{user}:" in (secrets / Path(file).name).read_text()
        assert f"user {user}\n" in acl


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["restart"]
    assert service["logging"]["options"]["max-size"]
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_unneeded_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_table_of_images_names_each_with_its_tag_and_publisher() -> None:
    page = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `([\w./-]+:[\w.-]+)` \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE))
    services = [*SERVICES.values(), *WITH_PROXY.values(), PROMETHEUS]
    used = {str(service["image"]).split("@")[0] for service in services}
    used |= set(re.findall(r"^ARG \w+_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    assert table == used


def test_the_page_names_every_compose_file_and_no_other() -> None:
    page = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(docker-compose[\w.]*)` \|", page, re.MULTILINE)
    used = {name for line in re.findall(r"COMPOSE_FILE=(\S+)", page) for name in line.split(":")}
    assert sorted(named) == sorted(path.name for path in ROOT.glob("docker-compose*.yml"))
    assert used <= set(named)


def test_every_image_is_pinned_by_an_exact_tag() -> None:
    for name, service in (SERVICES | WITH_PROXY | {"prometheus": PROMETHEUS}).items():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", service["image"]), name


def test_every_mounted_file_is_there() -> None:
    services = [*SERVICES.values(), *WITH_TLS.values(), *WITH_PROXY.values(), PROMETHEUS]
    sources = [volume.split(":")[0] for service in services for volume in service.get("volumes", [])]
    for source in sources:
        if source.startswith("$"):
            continue
        if source in {"./secrets", "./.env"}:  # made at the first start
            continue
        volumes = COMPOSE["volumes"].keys() | WITH_MONITORING["volumes"].keys()
        assert (ROOT / source).exists() if source.startswith("./") else source in volumes, source


def test_the_broker_stores_acknowledged_messages() -> None:
    lines = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8").splitlines()
    plugin = lines.index("global_plugin /usr/lib/mosquitto_persist_sqlite.so")
    assert lines[plugin + 1 : plugin + 3] == ["plugin_opt_flush_period 0", "plugin_opt_sync full"]
    assert not [line for line in lines if line.startswith(("persistence ", "autosave"))]


def test_the_image_is_built_from_the_locks_and_the_five_packages() -> None:
    steps = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"^COPY (\w+) \1$", steps, re.MULTILINE)) == set(FLOORS)
    assert re.findall(r"--requirement (\S+)", steps) == ["requirements/${REQUIREMENTS}", "requirements/build.txt"]
    assert "ARG REQUIREMENTS=server.txt" in steps
    for name in ("backup", "restore"):
        assert SERVICES[name]["build"]["args"]["REQUIREMENTS"] == "run.txt"
    assert steps.count("--require-hashes --only-binary :all:") == 2
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}/" for name in (*FLOORS, "requirements")} | {"!LICENSE", "!pyproject.toml"} <= set(allowed)


def test_the_api_trusts_the_network_that_only_its_proxy_shares_with_it() -> None:
    (network,) = COMPOSE["networks"]["edge"]["ipam"]["config"]
    assert SERVICES["api"]["environment"]["VIGIA_TRUSTED_PROXIES"] == network["subnet"]
    members = [name for name, service in (SERVICES | WITH_PROXY).items() if "edge" in service.get("networks", [])]
    assert members == ["api", "proxy"]
    assert WITH_PROXY["proxy"]["networks"] == ["edge"]


@pytest.mark.parametrize("service", [WITH_PROXY["proxy"], PROMETHEUS], ids=["proxy", "prometheus"])
def test_proxy_and_monitoring_have_no_unneeded_rights_and_limits(service: dict[str, Any]) -> None:
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert not service["user"].startswith("0")


def test_monitoring_is_on_this_machine_and_shares_a_network_with_the_api_only() -> None:
    assert PROMETHEUS["ports"] == ["127.0.0.1:9090:9090"]
    members = [name for name, service in WITH_MONITORING["services"].items() if "monitoring" in service["networks"]]
    assert members == ["api", "prometheus"]
