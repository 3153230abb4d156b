"""API route of a station's series as CSV, for spreadsheets."""

import csv
import io
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from services.queries.stations.series import RAW
from services.web.access import PUBLIC
from services.web.api.parameters import Id
from services.web.api.stations.stations import Cursor, RequestedPeriod, Resolution, Series, series
from services.web.context import DatabaseSnapshot
from services.web.routes import PreparedRoute

MEDIA_TYPE = "text/csv"
EXAMPLE = (
    "at,received_at,device,seq,level_m,quality,flags\r\n"
    "2026-04-02T12:00:00Z,2026-04-02T12:00:01Z,gato-143-524,8127,1.42,1,\r\n"
    "2026-04-02T12:01:00Z,2026-04-02T12:01:01Z,gato-143-524,8128,4.6,3,jump spike\r\n"
)

router = APIRouter(tags=["stations"], dependencies=[PUBLIC], route_class=PreparedRoute)


@router.get(
    "/stations/{station_id}/series.csv",
    response_class=Response,
    responses={
        200: {
            "description": "CSV (RFC 4180) with a head, named after its content; `Link` has the next page",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}},
        }
    },
)
def series_csv(
    request: Request,
    snapshot: DatabaseSnapshot,
    station_id: Id,
    requested_period: RequestedPeriod,
    resolution: Resolution = "raw",
    cursor: Cursor = None,
) -> Response:
    """The same as `/series`, as CSV: readings with quality and the names of their flags, or intervals.

    Times are in UTC, decimals have a point; several flags are separated by a space.
    """
    found = series(request, snapshot, station_id, requested_period, resolution, cursor)
    name = f"{station_id}_{found.measure}_{found.start:%Y%m%dT%H%MZ}_{found.end:%Y%m%dT%H%MZ}_{found.resolution}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if found.next is not None:
        headers["Link"] = f'<{found.next}>; rel="next"'
    return Response(_text(found), media_type=MEDIA_TYPE, headers=headers)


def _text(found: Series) -> str:
    written = io.StringIO()
    rows = csv.writer(written)
    if found.resolution == RAW:
        rows.writerow(("at", "received_at", "device", "seq", found.measure, "quality", "flags"))
        rows.writerows(
            (
                _time(one.at),
                _time(one.received_at),
                one.device,
                one.seq,
                one.value,
                int(one.quality),
                " ".join(one.flags),
            )
            for one in found.readings
        )
    else:
        rows.writerow(("at", "count", "min", "mean", "max", "total"))
        rows.writerows((_time(one.at), one.count, one.min, one.mean, one.max, one.total) for one in found.intervals)
    return written.getvalue()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
