"""Pages of the record (registro), of the shift logbook (libro de guardia), and of the city's own skill (desempeño)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from services.queries.city.city import current_city
from services.record import logbook
from services.record.entries import Reader, RecordFilter, read_entries
from services.report.report_source import read_skill
from services.report.skill_report import MonthSkill, by_month, months_back, to_csv
from services.runtime.problem import HttpProblem
from services.web.access import Auditor, Operator, Viewer
from services.web.context import Now, context_of
from services.web.pages.people.forms import NO_NUL, redirect
from services.web.pages.rendering import PageRoute, brief_visit, render_page

PAGE = 100
router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

Filter = Annotated[str, Query(max_length=100, pattern=NO_NUL)]
Day = Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
Month = Literal["1", "3", "6", "12"]
MONTHS = get_args(Month)
Months = Annotated[Month, Query(alias="meses")]
Minute = Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})?$")]


class NoSuchDay(HttpProblem):
    """Ese día no existe en el calendario. / There is no such day."""

    status = 409


@dataclass(frozen=True, slots=True)
class FilterForm:
    """What the auditor looks for. Days are of the city."""

    what: Annotated[Filter, Query(alias="que")] = ""
    about: Annotated[Filter, Query(alias="sobre")] = ""
    by: Annotated[Filter, Query(alias="quien")] = ""
    first: Annotated[Day, Query(alias="desde")] = ""
    last: Annotated[Day, Query(alias="hasta")] = ""


@router.get("/registro")
def record_page(
    auditor: Auditor,
    request: Request,
    now: Now,
    form: Annotated[FilterForm, Depends()],
    before: Annotated[int | None, Query(alias="antes", ge=1, le=2**63 - 1)] = None,
) -> HTMLResponse:
    """Entries of the record, the newest first. Who reads it is recorded."""
    with context_of(request).engine.begin() as transaction:
        zone = current_city(transaction).zone
        wanted = RecordFilter(
            what=form.what.strip(),
            about=form.about.strip(),
            by=form.by.strip(),
            since=_midnight(form.first, zone),
            until=_midnight(form.last, zone, days=1),
        )
        entries = read_entries(transaction, wanted, Reader(auditor, now), after=before, limit=PAGE + 1)
    asked = {"que": form.what, "sobre": form.about, "quien": form.by, "desde": form.first, "hasta": form.last}
    older = urlencode({**asked, "antes": entries[PAGE - 1].id}) if len(entries) > PAGE else None
    return render_page(brief_visit(request), "record/registro.html", entries=entries[:PAGE], asked=asked, older=older)


@router.get("/libro")
def logbook_page(
    _operator: Operator,
    request: Request,
    now: Now,
    start: Annotated[Minute, Query(alias="desde")] = "",
    end: Annotated[Minute, Query(alias="hasta")] = "",
    corrects: Annotated[int | None, Query(alias="corrige", ge=1, le=2**63 - 1)] = None,
) -> HTMLResponse:
    """The logbook of a shift, by default of the one that runs now. Prints on A4."""
    with context_of(request).engine.begin() as transaction:
        zone = current_city(transaction).zone
        running = logbook.current_shift(transaction, now)
        since = _minute(start, zone) or running[0]
        until = _minute(end, zone) or (running[1] if not start else since + logbook.USUAL)
        lines = logbook.read_shift(transaction, since, until)
    return render_page(
        brief_visit(request),
        "record/libro.html",
        lines=lines,
        since=since,
        until=until,
        corrects=corrects,
        MAX_CHARS=logbook.MAX_CHARS,
        full=len(lines) == logbook.MAX_ENTRIES,
    )


@router.get("/desempeno.csv")
def skill_csv(_viewer: Viewer, request: Request, now: Now, months: Months = "3") -> Response:
    """The figures of /desempeno as CSV."""
    name = f"desempeno_{now:%Y%m%d}.csv"
    content = to_csv(_skill(request, now, int(months)))
    return Response(content, media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/desempeno")
def skill_page(_viewer: Viewer, request: Request, now: Now, months: Months = "3") -> HTMLResponse:
    """How often and how early the city warned, how often in vain, and how soon people answered, by month and colour."""
    rows = by_month(_skill(request, now, int(months)))
    return render_page(brief_visit(request), "record/desempeno.html", rows=rows, months=months, MONTHS=MONTHS)


def _skill(request: Request, now: datetime, months: int) -> list[MonthSkill]:
    with context_of(request).engine.connect() as connection:
        zone = current_city(connection).zone
        return read_skill(connection, months_back(now, months, zone), zone)


@router.post("/libro")
def write(
    operator: Operator,
    request: Request,
    now: Now,
    words: Annotated[str, Form(alias="texto", max_length=logbook.MAX_CHARS, pattern=NO_NUL)] = "",
    corrects: Annotated[str, Form(alias="corrige", pattern=r"^\d{0,18}$")] = "",
) -> Response:
    """Write into the logbook, or correct an entry by a new one."""
    with context_of(request).engine.begin() as transaction:
        logbook.write(transaction, words, by=operator, now=now, corrects=int(corrects) if corrects else None)
    return redirect("/libro#escribir")


def _midnight(day: str, zone: tzinfo, *, days: int = 0) -> datetime | None:
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=days), time(), zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NoSuchDay from error


def _minute(at: str, zone: tzinfo) -> datetime | None:
    if not at:
        return None
    try:
        return datetime.fromisoformat(at).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NoSuchDay from error
