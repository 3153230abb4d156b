"""The files of a GTFS feed, from a zip or a folder, as rows with their line numbers: bounded, whatever was published.

In the wild there are zips with an inner folder, byte order marks, lines that end in CR alone, quotes, stray spaces,
unknown columns and text that is not UTF-8. All of that is read; what cannot be is a refusal that says where.
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
)
"""The files that are read; whatever else a feed holds is left alone."""

MAX_UNPACKED_BYTES = 1 << 30
"""Of all files together, once unpacked: a great city's timetable has a quarter of it."""
MAX_ROWS = 6_000_000
"""Of one file."""
MAX_MEMBERS = 10_000
MAX_LINE_LENGTH = 100_000
"""Characters; csv's own limit of a field is a little above."""
CHUNK_BYTES = 1 << 20
PROGRESS_ROWS = 100_000

Progress = Callable[[str, int], None]
"""Told a file's name and how many rows of it are read, now and then and at its end."""

_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # zipfile: a password is asked for
    NotImplementedError,  # zipfile: a compression it does not know
    ValueError,  # text that is no text
    csv.Error,
)


class FeedFiles:
    """An open feed. `rows` reads one file; a file that is not there has none."""

    def __init__(self, path: Path, findings: Findings, progress: Progress) -> None:
        """Find the files. Raises BadTimetable where there is no feed, or one too large."""
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
        """Let go of the zip."""
        if self._archive is not None:
            self._archive.close()

    def digest(self) -> str:
        """What tells this feed's content from every other: a hash over the files that are read."""
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
        """Line number and fields of each row, in the order of `columns`; a column the file has not is empty.

        Raises BadTimetable where a needed column is missing, or the file is damaged or too long.
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

    def _select_columns(
        self, name: str, reader: "Reader", header: list[str], columns: Sequence[str]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        width, count = len(header), 0
        # One empty field beyond the row stands for every column the file has not.
        pick = itemgetter(*(header.index(column) if column in header else width for column in columns))
        for row in reader:
            if len(row) != width:
                if not any(row):
                    continue
                if any(row[width:]):
                    words = f"more fields than the {width} of the header: a field with a comma in it needs quotes"
                    self._findings.refuse(f"{name}:{reader.line_num}", words)
                    continue
                row[:] = [*row[:width], *[""] * (width - len(row))]
            row.append("")
            count += 1
            if count % PROGRESS_ROWS == 0:
                self._progress(name, count)
                if count > MAX_ROWS:
                    raise BadTimetable([f"{name}:{reader.line_num}: more than {MAX_ROWS} rows; is this one city?"])
            yield reader.line_num, tuple(map(str.strip, pick(row)))
        self._progress(name, count)

    def _find_members(self, path: Path) -> dict[str, str]:
        """By name of file, where it stands. Of several folders inside, the one with most of the files."""
        if self._archive is None:
            sizes = {str(file): file.stat().st_size for file in path.iterdir() if file.is_file()}
        else:
            members = self._archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise BadTimetable([f"{path.name}: {len(members)} files inside; this is no GTFS feed"])
            # Not by `is_dir`, which fails on an empty name.
            sizes = {member.filename: member.file_size for member in members if not member.filename.endswith("/")}
        folders: dict[str, dict[str, str]] = {}
        for place in sizes:
            inside = PurePosixPath(place.replace("\\", "/"))
            if inside.name.lower() in FILES:
                folders.setdefault(str(inside.parent), {})[inside.name.lower()] = place
        found = max(folders.values(), key=len, default={})
        if sum(sizes[place] for place in found.values()) > MAX_UNPACKED_BYTES:
            raise BadTimetable([f"{path.name}: unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB; is this one city?"])
        return found

    def _open_member(self, name: str) -> IO[bytes]:
        place = self._members[name]
        return Path(place).open("rb") if self._archive is None else self._archive.open(place)

    def _encoding(self, name: str) -> str:
        """GTFS is UTF-8, with or without a mark; what is not is taken for Windows' western alphabet, and said."""
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
    """Lines with their ends, be those LF, CR LF or CR; never more than a chunk and a line in memory."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest, size = "", 0
    while chunk := file.read(CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_UNPACKED_BYTES:
            raise BadTimetable([f"{name}: unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB"])
        # The last line is kept back even where it ends in CR: its LF may stand at the head of the next chunk.
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
    """What is broken in the bytes becomes a sentence."""
    try:
        yield
    except FileNotFoundError as trouble:
        raise BadTimetable([f"{name}: there is no such file or folder"]) from trouble
    except _READ_ERRORS as trouble:
        raise BadTimetable([f"{name}: cannot be read ({trouble}); is it a GTFS zip, whole?"]) from trouble
