"""Small GTFS feeds as text, which the tests change."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

FILES = {
    "agency.txt": "agency_id,agency_name,agency_url,agency_timezone\nm,Muni,https://example.org,America/Argentina/Salta\n",
    "stops.txt": (
        "stop_id,stop_code,stop_name,stop_lat,stop_lon\n"
        "A,1,Plaza,-24.7900,-65.4100\n"
        "B,2,Mercado,-24.7900,-65.4050\n"
        "C,3,Hospital,-24.7900,-65.4000\n"
        "D,4,Estadio,-24.7850,-65.4000\n"
    ),
    "routes.txt": "route_id,route_short_name,route_type,route_color\nr1,7,3,1144aa\n",
    "calendar.txt": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "w,1,1,1,1,1,0,0,20260101,20261231\n"
    ),
    "calendar_dates.txt": "service_id,date,exception_type\nw,20260216,2\nw,20260307,1\n",
    "trips.txt": "route_id,service_id,trip_id,direction_id,shape_id,block_id\nr1,w,t1,0,s1,b\nr1,w,t2,0,s1,b\n",
    "stop_times.txt": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "t1,7:00:00,7:00:00,A,1\n"
        "t1,7:02:00,7:02:30,B,2\n"
        "t1,7:04:00,7:04:00,C,3\n"
        "t1,7:06:00,7:06:00,D,4\n"
        "t2,24:10:00,24:10:00,A,1\n"
        "t2,24:12:00,24:12:30,B,2\n"
        "t2,24:14:00,24:14:00,C,3\n"
        "t2,24:16:00,24:16:00,D,4\n"
    ),
    "shapes.txt": (
        "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n"
        "s1,-24.7901,-65.4110,1\ns1,-24.7901,-65.4000,2\ns1,-24.7840,-65.4000,3\n"
    ),
}


def zipped(path: Path, files: Mapping[str, str | bytes | None] | None = None, folder: str = "") -> Path:
    """A feed as a zip: FILES with some of them changed, or left out where None."""
    with zipfile.ZipFile(path / "feed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**FILES, **(files or {})}.items():
            if text is not None:
                archive.writestr(folder + name, text)
    return path / "feed.zip"


def changed(name: str, old: str, new: str) -> dict[str, str]:
    """One file with some text in it replaced."""
    assert old in FILES[name]
    return {name: FILES[name].replace(old, new)}
