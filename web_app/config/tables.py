"""Tables for a spreadsheet, made while they are sent, so that they may be of any length: CSV (RFC 4180) in which nothing is run."""

import csv
from collections.abc import Iterable, Iterator

# A spreadsheet takes a cell that begins with one of these for a formula, and runs it (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Passing:
    """A file for writers of files: what was written since it was asked for last."""

    def __init__(self):
        self._parts: list[bytes | str] = []

    def write(self, part: bytes | str) -> int:
        self._parts.append(part)
        return len(part)

    def flush(self) -> None:
        pass

    def taken(self) -> list[bytes | str]:
        parts, self._parts = self._parts, []
        return parts


def csv_of(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """In UTF-8, with the mark by which spreadsheets know that."""
    passing = Passing()
    writer = csv.writer(passing)
    yield "\ufeff".encode()
    writer.writerow(columns)
    for row in rows:
        writer.writerow([harmless(cell) for cell in row])
        yield "".join(passing.taken()).encode()
    yield "".join(passing.taken()).encode()


def harmless(cell: object) -> str:
    """Text that no spreadsheet runs: an apostrophe in front says that it is text. pages/static/pages/export.js has the same rule."""
    text = str(cell)
    return f"'{text}" if text.lstrip(" \u00a0\ufeff").startswith(_FORMULA) or text.startswith(_FORMULA) else text
