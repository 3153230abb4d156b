"""The documents derived from the kinds: in step with the code, and true."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.decode import MAX_PAYLOAD_BYTES
from ingest.formats.vigia_json import MAX_READINGS
from models.kinds import KINDS
from models.reading import Flag, Reason
from services.__main__ import main
from services.asyncapi import document
from services.upkeep.data_register import register_page

DOCS = Path(__file__).parents[2] / "docs"


def references(part: object) -> list[str]:
    """Every $ref of a document, however deep."""
    match part:
        case dict():
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for value in part.values() for found in references(value)]
        case list():
            return [found for value in part for found in references(value)]
    return []


def test_the_kept_document_is_the_generated_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asyncapi"]) == 0
    kept = (DOCS / "asyncapi.json").read_text(encoding="utf-8")
    assert capsys.readouterr().out == kept, "docs/asyncapi.json is stale: vigia asyncapi > docs/asyncapi.json"


def test_the_kept_register_is_the_generated_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["register"]) == 0
    kept = (DOCS / "data-register.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == kept, "docs/data-register.md is stale: vigia register > docs/data-register.md"


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    found = references(whole)
    assert found
    for reference in found:
        part: Any = whole
        for key in reference.removeprefix("#/").split("/"):
            part = part[key]


def test_every_kind_has_its_channels_and_its_lines_in_the_register() -> None:
    whole, register = document(), register_page()
    for kind in KINDS:
        assert whole["channels"][kind.name]["address"] == f"vigia/v1/{{municipality}}/{kind.name}/{{device}}"
        assert f"{kind.name}-status" in whole["channels"]
        assert f"(`{kind.name}`)" in register
        assert all(f"| `{name}` |" in register for name in kind.columns)
    assert json.loads(json.dumps(whole)) == whole


def test_the_page_on_the_wire_names_every_kind_field_reason_and_flag() -> None:
    wire = (DOCS / "wire.md").read_text(encoding="utf-8")
    assert f"{MAX_READINGS:,} such objects" in wire
    assert f"{MAX_PAYLOAD_BYTES:,} bytes at most" in wire
    for kind in KINDS:
        assert f"`{kind.name}`" in wire
        assert [name for name in kind.columns if f"`{name}`" not in wire] == []
        assert [name for name in kind.senml if f"`{name}`" not in wire] == []
    assert [reason.value for reason in Reason if f"`{reason.value}`" not in wire] == []
    assert [flag.name for flag in Flag if flag and f"`{flag.name}`" not in wire] == []
