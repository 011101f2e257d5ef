"""How much arrived from whom, month by month: the figures of the coordinator's picture."""

import datetime
from dataclasses import dataclass, field

from django.db.models import Case, Count, Max, Min, QuerySet, Sum, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from web_app.accounts.models import User
from web_app.grants.models import StoredUpload
from web_app.pages import zones

MONTHS = 12  # columns; what is older stands together in one before them
PEOPLE = 20  # rows; the others stand together in one
BAR = 64  # the longest, in units of the picture


@dataclass
class Cell:
    files: int = 0
    size: int = 0
    bar: int = 0  # of BAR

    def add(self, files: int, size: int) -> None:
        self.files += files
        self.size += size


@dataclass
class Row:
    name: str
    cells: list[Cell]
    total: Cell = field(default_factory=Cell)


@dataclass
class Totals:
    """`months`: the first day of each, None for all before. By their sum the largest row comes first; the last one is of all."""

    months: list[datetime.date | None]
    rows: list[Row]
    all: Row


def totals(stored: QuerySet[StoredUpload], zone: str) -> Totals:
    months = _months(stored, zone)
    by_person: dict[str, Row] = {}
    everybody = _row(_("Everybody"), months)
    for name, month, files, size in _counted(stored, months, zone):
        row = by_person.setdefault(name, _row(name, months))
        for each in (row, everybody):
            each.cells[month].add(files, size)
            each.total.add(files, size)
    rows = sorted(by_person.values(), key=lambda row: (-row.total.size, row.name))
    if len(rows) > PEOPLE:
        rows = [*rows[: PEOPLE - 1], _together(rows[PEOPLE - 1 :], months)]
    most = max((cell.size for row in rows for cell in row.cells), default=0)
    for row in rows:
        for cell in row.cells:
            cell.bar = -(-cell.size * BAR // most) if most else 0
    return Totals(months, rows, everybody)


def _months(stored: QuerySet[StoredUpload], zone: str) -> list[datetime.date | None]:
    """From the first with anything to the last, MONTHS at most; before them None where there is more."""
    ends = stored.aggregate(first=Min("durable_at"), last=Max("durable_at"))
    last = zones.day(ends["last"] or timezone.now(), zone).replace(day=1)
    first = zones.day(ends["first"] or timezone.now(), zone).replace(day=1)
    found = [last]
    while found[0] > first and len(found) < MONTHS:
        found.insert(0, (found[0] - datetime.timedelta(days=1)).replace(day=1))
    return [*([None] if found[0] > first else []), *found]


def _counted(stored: QuerySet[StoredUpload], months: list[datetime.date | None], zone: str):
    """(user name, place of the month, files, bytes). Months begin when they do in `zone`: databases know other lists of zones."""
    begun = [(place, zones.midnight(day, zone)) for place, day in enumerate(months) if day is not None]
    month = Case(*(When(durable_at__gte=moment, then=Value(place)) for place, moment in reversed(begun)), default=Value(0))
    counted = stored.annotate(month=month).values("uploader", "month").order_by().annotate(files=Count("*"), bytes=Sum("size"))
    rows = list(counted.values_list("uploader", "month", "files", "bytes"))
    people = User.objects.in_bulk({person for person, *_ in rows})
    return ((people[person].username, *figures) for person, *figures in rows)


def _row(name: str, months: list) -> Row:
    return Row(name, [Cell() for _ in months])


def _together(rows: list[Row], months: list) -> Row:
    one = _row(ngettext("%(count)s other", "%(count)s others", len(rows)) % {"count": len(rows)}, months)
    for row in rows:
        one.total.add(row.total.files, row.total.size)
        for cell, more in zip(one.cells, row.cells, strict=True):
            cell.add(more.files, more.size)
    return one
