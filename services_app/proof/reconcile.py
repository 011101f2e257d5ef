"""Database, ledger, manifests and NAS held against each other, without reading the files' bytes (verify_store does that).

Mended, since nothing is lost by it: a manifest that is missing (from the row, where that agrees with its receipt), a draft of one that
was never finished, a stored file that can be written, a verdict that is missing, on the NAS or in the database, where what is there is
signed, counts of what is stored (quotas.py), and files of a folder that are not beside its archive any more, which the service puts
there again. The rest is told: what look.py names, and

    entry_missing    a stored file whose receipt names no entry of this ledger about it
    entry_differs    the ledger says something else about it than the row
    row_missing      the ledger says that it was stored and not that it was removed, and the database does not have it as stored
    not_deleted      the ledger says that it was removed, and the database that it is stored
    unknown          it lies on the NAS, and the database does not know it: `rebuild` may enter it
    staged_unknown   staged bytes of no upload
"""

import contextlib
import os
import stat
import uuid
from collections import Counter, defaultdict

from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.receipts.read import StatementReader
from services_app.store import folders, walk
from services_app.store.errors import OF_ONE, translated
from services_app.store.nas import BESIDE, COLLECTIONS, LocalFileSystemStorage
from services_app.uploads import actions, quotas, unpack, verdicts
from services_app.uploads.content import manifest
from services_app.uploads.models import Upload
from services_app.uploads.states import Standing, State

from . import entries, look
from .expected import Measure
from .findings import Report

_AT_ONCE = 500


def reconcile(store: LocalFileSystemStorage, reader: StatementReader, report: Report, *, dry_run: bool) -> tuple[int, Counter]:
    """Return how many stored files were compared and what was mended, or with `dry_run` would be. Raises StoreUnavailable."""
    mended, compared, measure = Counter(), 0, Measure(store, reader)
    ids = list(Upload.objects.filter(state=State.COMMITTED).order_by("id").values_list("id", flat=True))
    for begin in range(0, len(ids), _AT_ONCE):
        batch = ids[begin : begin + _AT_ONCE]
        _compare_with_ledger(batch, report)
        for upload_id in batch:
            compared += 1
            _compare_with_store(store, upload_id, measure, report, mended, dry_run)
    entries.tell_lost(report)
    mended["counts"] = quotas.recount(dry_run=dry_run)
    look.tell_strangers(store, report)
    _find_unknown_staging(store, report)
    return compared, mended


def _compare_with_ledger(ids: list[uuid.UUID], report: Report) -> None:
    said = defaultdict(list)
    for entry in Entry.objects.filter(upload_id__in=ids).order_by("seq"):
        said[entry.upload_id].append(entry)
    for upload in Upload.objects.select_related("grant").filter(id__in=ids, state=State.COMMITTED):
        told = [entry for entry in said[upload.id] if entry.event in entries.STORED]
        if not told:
            report.add("entry_missing", upload.id, f"no entry says that upload {upload.id} was stored")
        elif not all(_agrees(entry, upload) for entry in told):
            report.add("entry_differs", upload.id, f"the ledger says something else of upload {upload.id} than its row")
        ends = [entry.event for entry in said[upload.id] if entry.event in ("deleted", record.RESTORED)]
        if ends[-1:] == ["deleted"]:
            report.add("not_deleted", upload.id, f"the ledger says that upload {upload.id} was removed")


def _agrees(entry: Entry, upload: Upload) -> bool:
    said = {"size": upload.size, "sha256": upload.sha256, "collection": upload.grant.collection}
    # To the millisecond: a row that was entered again has what its receipt says.
    same_time = entry.event != entries.COMMITTED or actions.rfc3339(entry.at) == actions.rfc3339(upload.durable_at)
    return isinstance(entry.facts, dict) and entry.facts.items() >= said.items() and entry.grant_id == upload.grant_id and same_time


def _compare_with_store(store, upload_id, measure: Measure, report: Report, mended: Counter, dry_run: bool) -> None:
    found = look.look_at(store, upload_id, measure, None)
    upload = Upload.objects.select_related("grant").get(id=upload_id)
    if upload.state != State.COMMITTED:  # deleted meanwhile
        return
    # Of a row that was changed no manifest is made.
    if "manifest_missing" in found and not {"row_changed", "unvouched", "missing"} & set(found) and (dry_run or manifest.write(upload)):
        del found["manifest_missing"]
        mended["manifest_missing"] += 1
    _mend_verdict(store, upload, measure, found, mended, dry_run)
    if "leftover" in found and _sweep(store, upload, dry_run=dry_run):
        del found["leftover"]
        mended["leftover"] += 1
    if "tree_missing" in found and not {"row_changed", "unvouched", "missing"} & set(found):
        del found["tree_missing"]
        mended["tree_missing"] += 1
        if not dry_run:
            unpack.again(upload)
    if "unreadable" not in found:
        mended["writable"] += _close_to_writing(store, upload, dry_run=dry_run)
    for code, more in found.items():
        report.add(code, upload_id, f"upload {upload_id}" + (f" ({more})" if more else ""))


def _mend_verdict(store, upload: Upload, measure: Measure, found: dict[str, str], mended: Counter, dry_run: bool) -> None:
    """Writes one that is missing; takes one up that the database has forgotten. One that was changed stays, as evidence."""
    if "verdict_missing" in found and not {"row_changed", "unvouched", "missing"} & set(found):
        if not dry_run:
            verdicts.put(upload, Standing(upload.verdict), by=entries.who_gave(upload.id))
        del found["verdict_missing"]
        mended["verdict"] += 1
    if "verdict_changed" in found and not upload.verdict:
        claims = verdicts.on_the_store(store, actions.object_name(upload), measure.reader)
        if claims is not None and verdicts.is_of(claims, str(upload.id), upload.sha256):
            if not dry_run:
                verdicts.note(upload, Standing(claims["verdict"]), by=claims["by"])
            del found["verdict_changed"]
            mended["verdict"] += 1


def _sweep(store: LocalFileSystemStorage, upload: Upload, *, dry_run: bool) -> bool:
    with store.mounted() as root_fd, translated(), _folder(root_fd, upload) as folder_fd:
        for name in os.listdir(folder_fd):
            if not dry_run and name.startswith(".") and name.endswith(BESIDE):
                try:
                    os.unlink(name, dir_fd=folder_fd)
                except FileNotFoundError:
                    pass
                except OSError as exc:
                    if exc.errno not in OF_ONE:
                        raise
                    return False
    return True


def _close_to_writing(store: LocalFileSystemStorage, upload: Upload, *, dry_run: bool) -> bool:
    """Whether the file or its manifest could be written, and cannot any more."""
    is_open = False
    with store.mounted() as root_fd, translated(), contextlib.suppress(FileNotFoundError):
        if walk.is_in_the_way(root_fd, actions.directory_of(upload)):
            return False
        with _folder(root_fd, upload) as folder_fd:
            for name in (upload.safe_name, *(upload.safe_name + suffix for suffix in BESIDE)):
                with contextlib.suppress(FileNotFoundError):
                    mode = os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode
                    if stat.S_ISREG(mode) and mode & folders.WRITING:
                        is_open |= dry_run or folders.close_to_writing(folder_fd, name)
    return is_open


def _folder(root_fd: int, upload: Upload):
    return folders.opened(root_fd, "/".join((COLLECTIONS, *actions.directory_of(upload))))


def _find_unknown_staging(store: LocalFileSystemStorage, report: Report) -> None:
    for name in store.staged_names():
        try:
            upload_id = uuid.UUID(name.partition(".")[0])
        except ValueError:
            if not name.startswith("."):
                report.add("staged_unknown", "staging", "in staging lies what Sluice did not put there")
            continue
        if not Upload.objects.filter(id=upload_id).exists():
            report.add("staged_unknown", upload_id, f"staged bytes of {upload_id}, which is no upload for this database")
