"""A coordinator's list as files: a table for a spreadsheet, and the receipts. Made while it is sent, so that it may be of any length.

No name of a file stands in either, for none is here: the page adds names itself, in the browser (static/pages/export.js, ADR 0036).
"""

import zipfile
from collections.abc import Iterable, Iterator

from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from web_app.collections.media_types import in_words
from web_app.config.tables import Passing, csv_of
from web_app.grants.models import StoredUpload

COLUMNS = (
    _("Person"), _("Person's id"), _("Collection"), _("State"), _("When (UTC)"), _("Bytes"), _("Type"), _("Media type"), "SHA-256",
    _("Upload"), _("Permission"),
)


def table(rows: Iterable[dict]) -> Iterator[bytes]:
    return csv_of(COLUMNS, map(_cells, rows))


def _cells(row: dict) -> tuple:
    media_type = row["media_type"] or ""
    return (
        row["uploader"].username,
        row["uploader"].uploader_id,
        row["collection"],
        row["state_text"],
        f"{row['moment']:%Y-%m-%d %H:%M:%S}",
        "" if row["size"] is None else row["size"],
        gettext(in_words(media_type)) if media_type else "",
        media_type,
        row["sha256"] or "",
        row["upload_id"] or "",
        row["grant_id"],
    )


def receipts(stored: QuerySet[StoredUpload]) -> Iterator[bytes]:
    """A ZIP of one file for each receipt, as the page that verifies them takes it."""
    passing = Passing()
    found = stored.values_list("upload_id", "receipt", "durable_at").order_by("durable_at", "upload_id")
    with zipfile.ZipFile(passing, "w", zipfile.ZIP_STORED) as archive:
        for upload_id, receipt, durable_at in found.iterator(chunk_size=500):
            archive.writestr(zipfile.ZipInfo(f"receipt-{upload_id}.jws", durable_at.timetuple()[:6]), receipt)
            yield b"".join(passing.taken())
    yield b"".join(passing.taken())
