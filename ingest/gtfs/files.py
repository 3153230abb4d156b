"""Read the files of a GTFS feed, from a zip or a folder, as rows with line numbers. All sizes are limited.

Real feeds contain zips with an inner folder, byte order marks, lines that end in CR alone, quotes, extra spaces,
unknown columns and text that is not UTF-8. All of that is read. What cannot be read is refused with its place.
"""

import codecs
import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from ingest.gtfs.findings import BadTimetable, Findings

if TYPE_CHECKING:
    from _csv import Reader

FILES = (
    "agency.txt",
    "stops.txt",
    "routes.txt",
    "trips.txt",
    "stop_times.txt",
    "calendar.txt",
    "calendar_dates.txt",
    "shapes.txt",
    "frequencies.txt",
    "feed_info.txt",
    "license.txt",
)
"""The files that are read. All other files of a feed are ignored."""

MAX_UNPACKED_BYTES = 1 << 30
"""Limit of all files together, unpacked: the timetable of a large city has a quarter of it."""
MAX_ROWS = 6_000_000
"""Limit of rows in one file, blank lines included."""
MAX_MEMBERS = 10_000
MAX_TEXT_BYTES = 20_000
"""Limit of what is read of a file that is no table."""
MAX_LINE_LENGTH = 100_000
"""Limit in characters. The limit of the csv module for one field is a little higher."""
CHUNK_BYTES = 1 << 20
PROGRESS_ROWS = 100_000

Progress = Callable[[str, int], None]
"""Called with the name of a file and the number of rows read so far, at intervals and at its end."""

_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # zipfile: the file needs a password
    NotImplementedError,  # zipfile: an unknown compression
    ValueError,  # the text cannot be decoded
    csv.Error,
)


class FeedFiles:
    """An open feed. `rows` reads one file; a missing file has no rows."""

    def __init__(self, path: Path, findings: Findings, progress: Progress) -> None:
        """Find the files. Raises BadTimetable if there is no feed or it is too large."""
        self._findings, self._progress = findings, progress
        with _errors_as_bad_timetable(path.name):
            self._archive = None if path.is_dir() else zipfile.ZipFile(path)
        self._members = self._find_members(path)
        missing = [name for name in FILES[:5] if name not in self._members]
        if not {"calendar.txt", "calendar_dates.txt"} & self._members.keys():
            missing.append("calendar.txt")
        if missing:
            raise BadTimetable([f"{name}: this file is missing; a GTFS feed must have it" for name in missing])

    def close(self) -> None:
        """Close the zip."""
        if self._archive is not None:
            self._archive.close()

    def digest(self) -> str:
        """Hash of the files that are read, which identifies the content of the feed."""
        total = sha256()
        for name in FILES:
            if name in self._members:
                total.update(name.encode())
                with _errors_as_bad_timetable(name), self._open_member(name) as file:
                    while chunk := file.read(CHUNK_BYTES):
                        total.update(chunk)
        return total.hexdigest()

    def has(self, name: str) -> bool:
        """Whether the feed has that file."""
        return name in self._members

    def rows(self, name: str, *columns: str, needed: Sequence[str] = ()) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Line number and fields of each row, in the order of `columns`. A column missing in the file is empty.

        Raises BadTimetable if a needed column is missing, or the file is damaged or too long.
        """
        if name not in self._members:
            return
        with _errors_as_bad_timetable(name), self._open_member(name) as file:
            reader = csv.reader(_lines(name, file, self._encoding(name)), skipinitialspace=True)
            header = [column.strip().lower() for column in next(reader, [])]
            missing = [column for column in needed if column not in header]
            if missing:
                raise BadTimetable([f"{name}:1: no column {column}; this file must have it" for column in missing])
            yield from self._select_columns(name, reader, header, columns)

    def text(self, name: str) -> str:
        """The beginning of a file that is no table; empty where the feed has no such file. Raises BadTimetable."""
        if name not in self._members:
            return ""
        with _errors_as_bad_timetable(name), self._open_member(name) as file:
            return file.read(MAX_TEXT_BYTES).decode(self._encoding(name), "replace").replace("\0", "")

    def _select_columns(
        self, name: str, reader: "Reader", header: list[str], columns: Sequence[str]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        width, count = len(header), 0
        # One empty field after the row is the value of every column missing in the file.
        pick = itemgetter(*(header.index(column) if column in header else width for column in columns))
        for row in reader:
            count += 1  # blank lines too: a zip of them is small, and there is no end to them
            if count % PROGRESS_ROWS == 0:
                self._progress(name, count)
                if count > MAX_ROWS:
                    raise BadTimetable([f"{name}:{reader.line_num}: more than {MAX_ROWS} rows; is this one city?"])
            if len(row) != width:
                if not any(row):
                    continue
                if any(row[width:]):
                    words = f"more fields than the {width} of the header: a field with a comma in it needs quotes"
                    self._findings.refuse(f"{name}:{reader.line_num}", words)
                    continue
                row[:] = [*row[:width], *[""] * (width - len(row))]
            row.append("")
            yield reader.line_num, tuple(map(str.strip, pick(row)))
        self._progress(name, count)

    def _find_members(self, path: Path) -> dict[str, str]:
        """The path of each file by its name. If a zip has several folders, the one with most of the files is used."""
        if self._archive is None:
            sizes = {str(file): file.stat().st_size for file in path.iterdir() if file.is_file()}
        else:
            members = self._archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise BadTimetable([f"{path.name}: {len(members)} files inside; this is no GTFS feed"])
            # Not with `is_dir`, which fails on an empty name.
            sizes = {member.filename: member.file_size for member in members if not member.filename.endswith("/")}
        folders: dict[str, dict[str, str]] = {}
        for path_inside in sizes:
            inside = PurePosixPath(path_inside.replace("\\", "/"))
            if inside.name.lower() in FILES:
                folders.setdefault(str(inside.parent), {})[inside.name.lower()] = path_inside
        members_by_name = max(folders.values(), key=len, default={})
        if sum(sizes[path_inside] for path_inside in members_by_name.values()) > MAX_UNPACKED_BYTES:
            raise BadTimetable([f"{path.name}: unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB; is this one city?"])
        return members_by_name

    def _open_member(self, name: str) -> IO[bytes]:
        path = self._members[name]
        return Path(path).open("rb") if self._archive is None else self._archive.open(path)

    def _encoding(self, name: str) -> str:
        """UTF-8, with or without a byte order mark, or UTF-16. Other text is read as Windows-1252, with a warning."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        with self._open_member(name) as file:
            try:
                if file.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
                    return "utf-16"
                file.seek(0)
                while chunk := file.read(CHUNK_BYTES):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                self._findings.warn("the text is not UTF-8 and was read as Windows-1252", f"{name}:1")
                return "cp1252"
        return "utf-8-sig"


def _lines(name: str, file: IO[bytes], encoding: str) -> Iterator[str]:
    """Lines with their ends: LF, CR LF or CR. At most one chunk and one line are in memory."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest, size = "", 0
    while chunk := file.read(CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_UNPACKED_BYTES:
            raise BadTimetable([f"{name}: unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB"])
        # The last line is kept back even if it ends in CR: its LF may be the first character of the next chunk.
        text = decoder.decode(chunk)
        if "\0" in text:
            raise BadTimetable([f"{name}: holds zero bytes; this is no text"])
        lines = list(io.StringIO(rest + text, newline=""))
        rest = lines.pop() if lines else ""
        if len(rest) > MAX_LINE_LENGTH:
            raise BadTimetable([f"{name}: a line longer than {MAX_LINE_LENGTH} characters; this is no GTFS file"])
        yield from lines
    yield from io.StringIO(rest + decoder.decode(b"", final=True), newline="")


@contextmanager
def _errors_as_bad_timetable(name: str) -> Iterator[None]:
    """Turn errors of reading into BadTimetable with a sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise BadTimetable([f"{name}: there is no such file or folder"]) from error
    except _READ_ERRORS as error:
        raise BadTimetable([f"{name}: cannot be read ({error}); is it a GTFS zip, whole?"]) from error
