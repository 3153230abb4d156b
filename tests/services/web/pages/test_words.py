"""Both dictionaries have all texts of the pages and the rules, and no others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import alerts
import services
import services.web.pages
from alerts.declared.level import Act
from alerts.rulebook import JUDGEMENT_NAMES
from models.alert import NAR, Cause, Change
from models.kinds import KINDS
from models.reading import Flag
from services.actuators.messages import State
from services.queries.watch.condition import Course, Health, Outage
from services.web.pages.language import LANGUAGES, PUBLIC, dictionary

FOLDER = Path(services.web.pages.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").rglob("*.html"))
SOURCES = [*TEMPLATES, *sorted(FOLDER.rglob("*.py")), *sorted((FOLDER / "static").glob("*.js"))]
NEITHER_LANGUAGE = {"m", "h", "mm", "km", "P", "vigia", "load", "m/h"}
"""Units, names and commands that may stand in a template as they are."""


def test_both_languages_have_the_same_words_and_fill_in_the_same_values() -> None:
    spanish, english = (dictionary(language) for language in LANGUAGES)
    assert spanish.keys() == english.keys()
    for key, words in spanish.items():
        assert set(re.findall(r"\{\w+\}", words)) == set(re.findall(r"\{\w+\}", english[key])), key


def test_everything_the_program_can_say_has_words() -> None:
    said = {
        *(f"nar.{nar.name.lower()}" for nar in NAR),
        *(f"cause.{cause}" for cause in Cause),
        *(f"change.{change}" for change in Change),
        *(f"flag.{flag.name}".lower() for flag in Flag),
        *(f"health.{health}" for health in Health),
        *(f"course.{course}" for course in Course),
        *(f"outage.{trouble}" for trouble in Outage),
        *(f"judgement.{JUDGEMENT_NAMES[type(judgement)]}" for kind in KINDS for judgement in kind.judgements),
    }
    assert said <= dictionary("es").keys()


def recorded(source: Path) -> Iterator[str]:
    """Every name of an entry of the record that a module writes as a constant."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="Entry"), args=[ast.Constant(value=str(what)), *_]):
                yield what


def test_everything_that_is_recorded_has_words() -> None:
    sources = [path for package in (alerts, services) for path in Path(package.__path__[0]).rglob("*.py")]
    said = {f"record.what_{what.replace('.', '_')}" for source in sources for what in recorded(source)}
    said |= {f"record.what_level_{act}" for act in Act} | {f"record.what_siren_{state}" for state in State}
    assert len(said) > len(Act) + len(State)
    assert said <= dictionary("es").keys()


def evidence_keys(source: Path) -> Iterator[str]:
    """Every key that a module writes into the evidence of a transition, as constants of dictionaries."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="evidence")], value=ast.Dict() as written)
                | ast.AnnAssign(target=ast.Name(id="evidence"), value=ast.Dict() as written)
                | ast.AugAssign(target=ast.Name(id="evidence"), value=ast.Dict() as written)
                | ast.keyword(arg="evidence", value=ast.Dict() as written)
            ):
                yield from (str(key.value) for key in written.keys if isinstance(key, ast.Constant))


def test_everything_a_rule_gives_as_evidence_has_a_name() -> None:
    keys = {key for source in Path(alerts.__file__).parent.rglob("*.py") for key in evidence_keys(source)}
    assert {"least_chance", "trouble", "level_m"} <= keys
    of_areas = {"cause"}  # what moved a basin's colour; no alert shows it
    assert {f"evidence.{key}" for key in keys - of_areas} <= dictionary("es").keys()


def test_no_words_are_unused() -> None:
    source = "\n".join(path.read_text("utf-8") for path in SOURCES)
    made = {prefix for _, prefix in re.findall(r"""(["'])([a-z_]+\.(?:[a-z]+_)?)(?:\1 ?~|\{)""", source)}
    for key in dictionary("es"):
        key = key.removeprefix(PUBLIC)  # noqa: PLW2901 - a text for the public is said where that of staff is
        name = key.removeprefix("live.").removeprefix("span.").removeprefix("sound.")
        said = (f'"{key}"', f"'{key}'", f"words.{name}", f'fill("{name}"')
        assert any(one in source for one in said) or any(key.startswith(one) for one in made), key


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_words_of_its_own(path: Path) -> None:
    plain = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", path.read_text("utf-8"), flags=re.DOTALL)
    seen = re.sub(r"<[^>]*>|[\w-]+=\"[^\"]*\"", " ", plain)
    assert set(re.findall(r"[^\W\d_]+(?:/[^\W\d_]+)?", seen)) <= NEITHER_LANGUAGE


FORMAL = (
    r"\b(?:[Uu]sted|[Aa]priete|[Aa]vise|[Cc]onfirme|[Ee]spere|[Ii]ngrese|[Ii]ntente|[Pp]resione|[Rr]ecargue|[Tt]oque"
    r"|[Vv]uelva|Abra|Agregue|Borre|Busque|Cargue|Cierre|Consulte|Copie|Corrija|Cuente|Deje|Elija|Entre|Env[ií]e|Escriba"
    r"|Guarde|Haga|Instale|Llame|Mande|Mire|Pegue|Pida|Ponga|Pruebe|Reinicie|Revise|Siga|Use|Vaya|Vea|Verifique)\b"
)
"""Imperatives of usted, of which some may also be subjunctives inside a sentence. Texts in Spanish say vos."""
ROOT = FOLDER.parents[2]
ENGLISH_TOO = r"\b(?:Use)\b"
"""What is an imperative in English as well, in files that have both languages."""


def test_nobody_is_called_usted_on_any_page() -> None:
    said = dictionary("es")
    assert {key: text for key, text in said.items() if re.search(FORMAL, text)} == {}
    assert "Avisá" in said["outage.do"]


@pytest.mark.parametrize("place", ["services", "docs", "deploy", "."])
def test_nobody_is_called_usted_by_commands_answers_and_docs(place: str) -> None:
    files = sorted((ROOT / place).glob("*.md"))
    if place != ".":
        files = [one for ending in ("py", "md", "html", "js") for one in (ROOT / place).rglob(f"*.{ending}")]
    found = []
    for path in files:
        text = re.sub(ENGLISH_TOO, "", path.read_text("utf-8"))
        found += [f"{path.name}: {one[0]}" for one in re.finditer(FORMAL, text)]
    assert files
    assert found == []
