"""A judge's copy of the record proves itself: what was withheld, erased, altered, removed or cut, and who signed it."""

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from alerts.record import Entry, record
from services.__main__ import main
from services.commands.log import KEY_FILE
from services.record.chain_writer import ChainWriter

NOON = datetime(2026, 4, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def exported(database: Engine, migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The export of three hours of five, in which one content was erased."""
    monkeypatch.setenv("VIGIA_DATABASE_URL", migrated_url)
    monkeypatch.setenv("VIGIA_DATA_DIR", str(tmp_path))
    with database.begin() as transaction:
        for hour, name in enumerate(("Ana", "Luis", "Eva", "Juan", "Ana")):
            record(transaction, Entry("shift.taken", "shift:1", name, {"note": "río «alto»"}), NOON + hour * HOUR)
        transaction.execute(text("SELECT erase_log_content(id) FROM log_entries WHERE actor = 'Eva'"))
    ChainWriter(database).chain_all()
    out = tmp_path / "record.jsonl"
    words = ["--from", str(NOON + HOUR), "--to", str(NOON + 4 * HOUR), "--by", "Eva", "--reason", "causa 77"]
    assert main(["log", "export", *words, "--out", str(out)]) == 0
    return out


def test_an_export_holds_the_period_and_is_recorded(exported: Path, database: Engine, tmp_path: Path) -> None:
    title, *links = map(json.loads, exported.read_text().splitlines())
    assert (title["first"], title["last"], title["by"], title["reason"]) == (2, 4, "Eva", "causa 77")
    assert title["head"].startswith("5:")
    assert [json.loads(link["content"])["actor"] if "content" in link else None for link in links] == [
        "Luis",
        None,
        "Juan",
    ]
    assert links[1]["erased"] is True
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    with database.begin() as transaction:
        newest = text("SELECT what, actor, details ->> 'reason' FROM log_entries ORDER BY id DESC LIMIT 1")
        assert tuple(transaction.execute(newest).one()) == ("record.exported", "Eva", "causa 77")


def test_an_export_is_checked_without_a_database(
    exported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VIGIA_DATABASE_URL")
    assert main(["log", "check", str(exported)]) == 0
    key = json.loads(exported.read_text().splitlines()[0])["public_key"]
    assert key in capsys.readouterr().out
    assert main(["log", "check", str(exported), "--public-key", key]) == 0
    assert main(["log", "check", str(exported), "--public-key", "00" * 32]) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [*lines[:3], lines[3].replace("Juan", "Juana")], "entry 4 fue alterado"),
        (lambda lines: [*lines[:2], *lines[3:]], "entry 3 fue quitado"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "entry 2 fue quitado"),
        (lambda lines: lines[:3], "CUT OFF: 3 de / of 4"),
        (lambda lines: [lines[0].replace("causa 77", "causa 78"), *lines[1:]], "SIGNATURE"),
        (lambda _: ["no export\n"], "not an export"),
    ],
)
def test_whatever_is_done_to_an_export_is_told(
    exported: Path, change: Callable[[list[str]], list[str]], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exported.write_text("".join(change(exported.read_text().splitlines(keepends=True))))
    assert main(["log", "check", str(exported)]) == 1
    printed = capsys.readouterr()
    assert told in printed.out + printed.err


def test_a_key_that_others_may_read_signs_nothing(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / KEY_FILE).chmod(0o644)
    words = ["--from", str(NOON), "--to", str(NOON + HOUR), "--by", "Eva", "--reason", "x", "--out", "other.jsonl"]
    assert main(["log", "export", *words]) == 2
    assert "chmod 600" in capsys.readouterr().err
    assert exported.exists()


def test_the_content_of_an_entry_is_erased_by_its_number_with_who_and_why(
    exported: Path, database: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported.exists()
    words = ["log", "erase", "2", "--by", "Eva", "--reason", "Ley 25.326 art. 16"]
    assert main(words) == 0
    assert main(words) == 1
    ChainWriter(database).chain_all()
    capsys.readouterr()
    assert main(["log", "verify"]) == 0
    assert "2 con el contenido borrado" in capsys.readouterr().out
    with database.begin() as transaction:
        erased = text("SELECT about, actor FROM log_entries WHERE what = 'record.erased'")
        assert transaction.execute(erased).all() == [("record:2", "Eva")]
        assert transaction.execute(text("SELECT actor FROM log_entries WHERE id = 2")).scalar_one() is None
