"""`vigia devices` and `vigia certificates` with a running broker: the installed Mosquitto and 2.1."""

import getpass
import multiprocessing
import os
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from services.__main__ import main
from services.broker_access.accounts import AccountError, Company, Device, Registry, require_name
from services.broker_access.certificate_ends import certificate_ends
from services.broker_access.certificates import AUTHORITY, REVOKED, Authority, require_host
from services.broker_access.files import read_registry
from services.commands.devices import keep_certificates
from services.runtime.clock import wall_clock
from tests.deploy.conftest import (
    DEPLOYED,
    PASSWORDS,
    Mosquitto,
    broker_access,
    create_secrets,
    free_port,
    move,
    program,
)
from tests.deploy.test_broker import NOT_AUTHORIZED, WAIT_S, Client
from tests.deploy.test_broker_tls import admitted
from tests.deploy.test_broker_whole import PLUGIN, PROGRAM
from tests.waiting import wait_until

KINDS_OF_BROKER = ["installed", pytest.param("2.1", marks=pytest.mark.skipif(not PROGRAM, reason="none is named"))]
ALLOWED = {0, 16}
"""16: taken, and nobody subscribed to it."""
OTHER_VEHICLE = "vigia/v1/laplata/bus/bus-8"


@pytest.fixture(params=KINDS_OF_BROKER)
def access_broker(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mosquitto]:
    """A running broker with the files that `vigia devices setup` writes, TLS too; the commands know it by settings."""
    newest = request.param == "2.1"
    if newest:
        monkeypatch.setenv("PATH", f"{Path(PROGRAM).parent}:{os.environ['PATH']}")
    program("mosquitto")
    folder = tmp_path / "broker"
    (folder / "conf.d").mkdir(parents=True)
    monkeypatch.setenv("VIGIA_BROKER_DIR", str(folder / "users"))
    monkeypatch.setenv("VIGIA_BROKER_TLS_DIR", str(folder / "tls"))
    monkeypatch.setenv("VIGIA_AUTHORITY_DIR", str(folder / "authority"))
    lanes = {f"MQTT_{lane.upper()}_PASSWORD": PASSWORDS[f"pipeline-{lane}"] for lane in ("critical", "bulk")}
    secrets = create_secrets(tmp_path, lanes | {"MQTT_BUSES_PASSWORD": "poll-secret"})
    assert main(["devices", "setup", "--secrets", str(secrets)]) == 0
    assert main(["certificates", "create", "127.0.0.1", "localhost"]) == 0
    server = Mosquitto(folder, free_port())
    server.tls_port = free_port()
    here = folder / "conf.d"
    move(DEPLOYED / "conf.d" / "limits.conf", here, "allow_anonymous false", "allow_anonymous false")
    move(DEPLOYED / "conf.d" / "listener.conf", here, "listener 1883\n", f"listener {server.port} 127.0.0.1\n")
    move(DEPLOYED / "tls" / "devices.conf", here, "listener 8883\n", f"listener {server.tls_port} 127.0.0.1\n")
    move(here / "devices.conf", here, "/mosquitto/tls/", f"{folder}/tls/")
    text = f"password_file {folder}/users/passwords\nacl_file {folder}/users/acl\n"
    if newest:
        plugins = str(Path(PLUGIN).parent)
        text = "".join(
            f"global_plugin {plugins}/mosquitto_{name}_file.so\nplugin_opt_{name}_file {folder}/users/{file}\n"
            for name, file in (("password", "passwords"), ("acl", "acl"))
        )
    own = f"user {getpass.getuser()}\n{text}include_dir {folder}/conf.d\n"
    (folder / "mosquitto.conf").write_text(own, encoding="utf-8")
    server.start()
    assert server.process is not None
    monkeypatch.setenv("VIGIA_BROKER_PID", str(server.process.pid))
    monkeypatch.setenv("VIGIA_MQTT_URL", f"mqtt://127.0.0.1:{server.port}")
    yield server
    server.stop()


def added(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    """Run `vigia devices ...`; the passwords it printed."""
    capsys.readouterr()
    assert main(["devices", *words]) == 0
    return dict(line.split(",") for line in capsys.readouterr().out.splitlines())


def test_a_device_writes_its_own_topic_in_its_own_town_and_of_its_own_kind_only(
    access_broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    password = added(capsys, "add", "--municipality", "laplata", "--kind", "river", "gauge-9")["gauge-9"]
    with Client(access_broker, "gauge-9", password=password) as gauge:
        assert gauge.publish("vigia/v1/laplata/river/gauge-9") in ALLOWED
        assert gauge.publish("vigia/v1/laplata/river/gauge-9/status") in ALLOWED
        for topic in (
            "vigia/v1/ensenada/river/gauge-9",
            "vigia/v1/laplata/rain/gauge-9",
            "vigia/v1/laplata/river/gauge-8",
            "/gtfsrt/vp/poll/",
        ):
            assert gauge.publish(topic) == NOT_AUTHORIZED


def test_a_company_writes_its_own_vehicles_and_no_other_companys(
    access_broker: Mosquitto, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    vehicles = tmp_path / "vehicles"
    vehicles.write_text("bus-7\n", encoding="utf-8")
    of_oeste = ("company", "oeste", "--municipality", "laplata", "--vehicles", str(vehicles), "--operator", "0022")
    oeste = added(capsys, *of_oeste)["oeste"]
    este = added(capsys, "company", "este", "--municipality", "laplata", "--operator", "0023", "--feed", "este")["este"]
    hfp = "/hfp/v2/journey/ongoing/vp/bus/{}/00817"
    with Client(access_broker, "oeste", password=oeste) as gateway:
        mine = ["vigia/v1/laplata/bus/bus-7", "vigia/v1/laplata/bus/bus-7/status", hfp.format("0022")]
        assert {gateway.publish(topic) for topic in mine} <= ALLOWED
        others = [
            OTHER_VEHICLE,
            "vigia/v1/ensenada/bus/bus-7",
            hfp.format("0023"),
            "/gtfsrt/vp/este/",
            "/gtfsrt/vp/poll/",
        ]
        assert {gateway.publish(topic) for topic in others} == {NOT_AUTHORIZED}
        vehicles.write_text("bus-7\nbus-8\n", encoding="utf-8")
        assert added(capsys, *of_oeste) == {}  # a longer list, the same password
        wait_until(lambda: gateway.publish(OTHER_VEHICLE) in ALLOWED)
    with Client(access_broker, "este", password=este) as gateway:
        assert gateway.publish("/gtfsrt/vp/este/") in ALLOWED
        assert gateway.publish(hfp.format("0022")) == NOT_AUTHORIZED


def test_the_parts_of_vigia_and_dashboards_have_only_what_they_need(
    access_broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    wall = added(capsys, "reader", "wall", "--municipality", "laplata")["wall"]
    gauge = added(capsys, "add", "--municipality", "laplata", "--kind", "river", "gauge-9")["gauge-9"]
    other = added(capsys, "add", "--municipality", "ensenada", "--kind", "river", "gauge-e")["gauge-e"]
    with (
        Client(access_broker, "buses", password="poll-secret") as poll,
        Client(access_broker, "wall", password=wall).listen("vigia/v1/#", "$SYS/#") as dashboard,
        Client(access_broker, "gauge-9", password=gauge) as sender,
        Client(access_broker, "gauge-e", password=other) as elsewhere,
    ):
        assert poll.publish("/gtfsrt/vp/poll/") in ALLOWED
        assert {poll.publish(topic) for topic in (OTHER_VEHICLE, "/gtfsrt/vp/este/")} == {NOT_AUTHORIZED}
        assert dashboard.publish("vigia/v1/laplata/river/gauge-9") == NOT_AUTHORIZED
        assert sender.publish("vigia/v1/laplata/river/gauge-9") in ALLOWED
        assert elsewhere.publish("vigia/v1/ensenada/river/gauge-e") in ALLOWED
        assert set(dashboard.hears(1)) == {"vigia/v1/laplata/river/gauge-9"}


def test_a_device_with_a_certificate_is_cut_off_when_it_is_revoked(access_broker: Mosquitto, tmp_path: Path) -> None:
    given = tmp_path / "given"
    add = ["devices", "add", "--municipality", "laplata", "--kind", "river", "--certificates", str(given)]
    assert main([*add, "gauge-8", "gauge-9"]) == 0
    assert {file.stat().st_mode & 0o777 for file in given.glob("gauge-*")} == {0o600}
    port = access_broker.tls_port
    assert port is not None
    with Client(access_broker, None, port=port, tls=identity(given, "gauge-9")) as gauge:
        assert gauge.publish("vigia/v1/laplata/river/gauge-9") in ALLOWED
        assert gauge.publish("vigia/v1/laplata/river/gauge-8") == NOT_AUTHORIZED
        assert main(["devices", "revoke", "gauge-9"]) == 0
        gauge.left.get(timeout=WAIT_S)
    assert not admitted(port, identity(given, "gauge-9"))
    assert admitted(port, identity(given, "gauge-8"))
    assert "gauge-9" not in (access_broker.folder / "users" / "passwords").read_text(encoding="utf-8")


def test_no_vehicle_is_named_as_those_of_another_companys_feed_or_operator(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del settings
    company = ["devices", "company", "--municipality", "laplata"]
    assert main([*company, "oeste", "--operator", "0022", "--feed", "Oeste"]) == 0
    for name in ("oeste-car-1", "22-101"):
        vehicles = tmp_path / name
        vehicles.write_text(name, encoding="utf-8")
        assert main([*company, "este", "--vehicles", str(vehicles)]) == 1
        assert f"{name} belongs to oeste already" in capsys.readouterr().err
        assert main(["devices", "add", "--municipality", "laplata", "--kind", "bus", name]) == 1
        assert f"{name} is a vehicle of oeste already" in capsys.readouterr().err
    vehicles.write_text("car-1", encoding="utf-8")
    assert main([*company, "este", "--vehicles", str(vehicles)]) == 0


def test_a_broker_that_is_not_there_is_said_and_the_files_are_written(
    access_broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIGIA_BROKER_PID", str(os.getpid()))  # not the broker: it must not be signalled
    assert main(["devices", "add", "--municipality", "laplata", "--kind", "river", "gauge-9"]) == 1
    said = capsys.readouterr()
    assert "not mosquitto" in said.err
    assert said.out.startswith("gauge-9,")  # the password is given all the same: it is given only once
    assert "gauge-9" in read_registry(access_broker.folder / "users").devices


def identity(given: Path, name: str) -> ssl.SSLContext:
    """The TLS context of a device with what it was given."""
    context = ssl.create_default_context(cafile=str(given / "devices-ca.crt"))
    context.load_cert_chain(given / f"{name}.crt", given / f"{name}.key")
    return context


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders without a broker."""
    for name in ("BROKER_DIR", "BROKER_TLS_DIR", "AUTHORITY_DIR"):
        monkeypatch.setenv(f"VIGIA_{name}", str(tmp_path / name.lower()))
    return tmp_path / "broker_dir"


@pytest.mark.parametrize(
    "name", ["two words", "a+b", "a#b", "a/b", "a:b", "a\nb", "a\n", "Ñandú", "", "x" * 65, "buses"]
)
def test_a_name_that_would_not_be_a_topic_is_refused(
    settings: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["devices", "add", "--municipality", "laplata", "--kind", "river", name]) == 1
    assert repr(name) in capsys.readouterr().err
    assert not (settings / "passwords").exists()


def test_a_file_with_one_bad_line_changes_nothing_and_each_is_named(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "names"
    file.write_text("gauge-1\nbad name\ngauge-1\ngauge-2,laplata,snow\n", encoding="utf-8")
    assert main(["devices", "add", "--municipality", "laplata", "--kind", "river", "--file", str(file)]) == 1
    said = capsys.readouterr().err
    assert all(part in said for part in ("line 2", "line 3: gauge-1 stands in the file twice", "line 4: kind 'snow'"))
    assert not (settings / "passwords").exists()


def test_passwords_are_never_written_over_a_file(settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("earlier", encoding="utf-8")
    add = ["devices", "add", "--municipality", "laplata", "--kind", "river", "gauge-1", "--out", str(out)]
    assert main(add) == 1
    assert out.read_text(encoding="utf-8") == "earlier"
    assert not (settings / "passwords").exists()


def test_a_vehicle_or_a_prefix_of_names_belongs_to_one_company(settings: Path, tmp_path: Path) -> None:
    vehicles = tmp_path / "vehicles"
    vehicles.write_text("bus-7\n", encoding="utf-8")
    company = ["devices", "company", "--municipality", "laplata"]
    assert main([*company, "oeste", "--vehicles", str(vehicles), "--operator", "22"]) == 0
    assert main([*company, "este", "--vehicles", str(vehicles)]) == 1
    assert main([*company, "este", "--operator", "22-5"]) == 1
    assert main([*company, "este", "--feed", "poll"]) == 1
    assert main([*company, "este", "--operator", "+"]) == 1
    assert main(["devices", "add", "--municipality", "laplata", "--kind", "bus", "bus-7"]) == 1
    assert list(read_registry(settings).companies) == ["oeste"]


def add_one(folder: Path, name: str) -> None:
    """One command of two at once."""
    access = broker_access(folder)
    access.add_devices({name: Device(municipality="laplata", kind="river")}, lambda _: None)


def test_two_commands_at_once_lose_no_device(tmp_path: Path) -> None:
    names = [f"gauge-{number}" for number in range(6)]
    fork = multiprocessing.get_context("fork")
    at_once = [fork.Process(target=add_one, args=(tmp_path, name)) for name in names]
    for one in at_once:
        one.start()
    for one in at_once:
        one.join()
    assert sorted(read_registry(tmp_path).devices) == names
    assert len((tmp_path / "passwords").read_text(encoding="utf-8").splitlines()) == len(names)


def test_after_a_crash_between_two_files_the_next_start_writes_them_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = broker_access(tmp_path)
    access.add_devices({"gauge-1": Device(municipality="laplata", kind="river")}, lambda _: None)
    before = {name: (tmp_path / name).read_bytes() for name in ("passwords", "acl")}

    def crash(path: Path, to: Path) -> Path:
        if to.name == "passwords":
            raise KeyboardInterrupt
        return real(path, to)

    real = Path.replace
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            access.revoke(["gauge-1"], wall_clock())
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    access.set_up({})
    assert "gauge-1" not in (tmp_path / "passwords").read_text() + (tmp_path / "acl").read_text()


def test_an_earlier_versions_devices_keep_their_passwords_and_wider_rules_until_strict(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("gauge-1:$7$101$aa$bb\nold:$7$101$cc$dd\n", encoding="utf-8")
    access = broker_access(tmp_path)
    access.set_up({"pipeline-critical": "secret"})
    assert "pattern write vigia/v1/+/+/%u" in (tmp_path / "acl").read_text()
    access.add_devices({"gauge-1": Device(municipality="laplata", kind="river")}, lambda _: None, keep_passwords=True)
    assert "gauge-1:$7$101$aa$bb\n" in (tmp_path / "passwords").read_text()
    assert access.hold_strictly() == ["old"]
    assert "pattern" not in (tmp_path / "acl").read_text()
    assert "old" not in (tmp_path / "passwords").read_text()


def test_certificates_that_end_within_30_days_are_named_and_renewed(tmp_path: Path) -> None:
    now = wall_clock()
    authority = Authority(tmp_path / "authority", tmp_path / "tls")
    authority.create(["127.0.0.1"], now)
    authority.issue(["gauge-1"], lambda _: None, now)

    def near(then: datetime) -> list[str]:
        return [end.name for end in certificate_ends(tmp_path / "tls") if end.near(then)]

    assert near(now) == []
    assert near(now + timedelta(days=336)) == [REVOKED]
    authority.renew(now + timedelta(days=336))
    assert near(now + timedelta(days=336)) == []
    assert near(now + timedelta(days=701)) == [REVOKED, "broker.crt", "device/gauge-1"]
    assert authority.renew(now + timedelta(days=701)) == [REVOKED, "broker.crt", "broker.key"]
    assert near(now + timedelta(days=701)) == ["device/gauge-1"]


def test_a_certificate_that_could_not_be_kept_was_never_issued(tmp_path: Path) -> None:
    access = broker_access(tmp_path)
    access.set_up({"pipeline-critical": "secret"})
    authority = access.authority
    authority.create(["127.0.0.1"], wall_clock())
    (tmp_path / "given").mkdir()
    device = {"gauge-6": Device(municipality="laplata", kind="river")}
    keep = partial(keep_certificates, tmp_path / "given", tmp_path / "tls" / AUTHORITY)
    with pytest.raises(AccountError, match="name a new folder"):
        access.certify_devices(device, keep, wall_clock())
    assert authority.issued().certificates == []
    assert "gauge-6" not in (tmp_path / "acl").read_text()


@pytest.mark.parametrize("host", ["bad host", "", "-a", "a-", "a..b", "ñandú.example", "http://a", "1" * 64])
def test_what_is_no_host_name_is_refused(host: str) -> None:
    with pytest.raises(AccountError, match="neither a host name"):
        require_host(host)


@pytest.mark.parametrize("host", ["broker", "broker.example.org", "10.0.0.5", "fd00::1"])
def test_host_names_and_addresses_are_taken(host: str) -> None:
    assert require_host(host) == host


def test_a_wrong_name_of_the_broker_is_mended_and_the_devices_keep_their_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority", tmp_path / "tls")
    authority.create(["broker.exmaple.org"], wall_clock())
    trusted = (tmp_path / "tls" / AUTHORITY).read_bytes()
    assert authority.renew(wall_clock(), ["broker.example.org", "10.0.0.5"]) == [REVOKED, "broker.crt", "broker.key"]
    broker = x509.load_pem_x509_certificate((tmp_path / "tls" / "broker.crt").read_bytes())
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5"]
    assert (tmp_path / "tls" / AUTHORITY).read_bytes() == trusted


def test_companies_and_devices_survive_being_stored() -> None:
    registry = Registry(
        devices={"gauge-1": Device(municipality="laplata", kind="river")},
        companies={"oeste": Company(municipality="laplata", vehicles=("bus-7",))},
        passwords={"gauge-1": "x"},
    )
    assert Registry.model_validate_json(registry.model_dump_json()) == registry


@pytest.mark.parametrize("name", ["-x", "--", "-"])
def test_a_name_that_a_command_would_take_for_an_option_is_refused(name: str) -> None:
    with pytest.raises(AccountError, match="not beginning with -"):
        require_name(name)
