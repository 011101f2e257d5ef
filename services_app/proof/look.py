"""Is a stored file still what was stored, and alone in its folder?

    changed            its bytes are others
    half               it is shorter than it was
    missing            nothing has its name, or what has it is no file
    unreadable         the store does not give its bytes back, or what lies beside it, or does not open its folder, or that is mounted over
    foreign            something else lies in its folder
    leftover           a manifest that was never finished lies there
    manifest_missing   it has none: `recover` writes it
    manifest_changed   it says something else than its receipt
    row_changed        the database says something else than its receipt
    verdict_missing    its verdict is not beside it: `reconcile_store` writes it
    verdict_changed    what lies there as its verdict says something else than the database
    unvouched          its receipt is signed with a key that is not here, and the ledger does not bear it out

And what tree.py says of a folder's files.
"""

import os
import time
import uuid
from datetime import timedelta

from django.utils import timezone

from services_app.receipts.read import StatementReader
from services_app.store import walk
from services_app.store.errors import OF_ONE, FolderAway, StoreUnavailable, translated
from services_app.store.nas import (
    BESIDE,
    COLLECTIONS,
    MANIFEST_SUFFIX,
    UNPACKED_SUFFIX,
    VERDICT_SUFFIX,
    LocalFileSystemStorage,
)
from services_app.uploads import actions, verdicts
from services_app.uploads.content import manifest
from services_app.uploads.models import Upload
from services_app.uploads.states import State

from . import expected, gently, statements, tree
from .findings import Report

_OF_THE_FILE = ("changed", "half", "missing", "unreadable", "foreign", "leftover")
_OF_MANIFESTS = ("manifest_missing", "manifest_changed", "verdict_missing", "verdict_changed")
CODES = (*_OF_THE_FILE, *_OF_MANIFESTS, "row_changed", "unvouched", *tree.CODES)
_JUST_NOW = timedelta(minutes=1)  # its request may still be at the manifest
_UNDER_WAY = 3600  # seconds: whoever writes a manifest is done with it


def look_at(store: LocalFileSystemStorage, upload_id: uuid.UUID, measure: expected.Measure, pace: gently.Pace | None) -> dict[str, str]:
    """Codes of what is wrong with it, and more about some of them; none where all is well or it is no longer stored. Without a `pace`
    its bytes are not read.

    Raises StoreUnavailable where the store is away.
    """
    upload = _stored(upload_id)
    if upload is None:
        return {}
    told = measure.of(upload)
    try:
        found = _found(store, upload, told, measure.reader, pace)
    except StoreUnavailable:
        walk.check_there(store)
        found = {"unreadable": ""}
    # Somebody may have deleted it meanwhile, or its request was not done with it.
    now = _stored(upload_id) if found else None
    if now is None:
        return {}
    if now.durable_at > timezone.now() - _JUST_NOW:
        found.pop("manifest_missing", None)
    if now.verdict != upload.verdict:  # given meanwhile
        found = {code: more for code, more in found.items() if not code.startswith("verdict")}
    return found


def _stored(upload_id: uuid.UUID) -> Upload | None:
    return Upload.objects.select_related("grant", "unpacking").filter(id=upload_id, state=State.COMMITTED).first()


def _found(
    store: LocalFileSystemStorage, upload: Upload, told: expected.Expected, reader: StatementReader, pace: gently.Pace | None
) -> dict[str, str]:
    directory, beside, found = actions.directory_of(upload), upload.safe_name + MANIFEST_SUFFIX, []
    if told.claims is None or not expected.says_the_same(upload, told.claims):
        found.append("row_changed")
    if told.claims is not None and not told.vouched:
        found.append("unvouched")
    measured = told.claims if told.vouched else {"size": upload.size, "sha256": upload.sha256}
    with store.mounted() as root_fd:
        folder = walk.object_folder(root_fd, directory)
        if folder.is_closed:
            return dict.fromkeys([*found, "unreadable"], "")
        if not folder.files and (walk.is_in_the_way(root_fd, directory) or _is_away(store, "/".join((*directory, upload.safe_name)))):
            return dict.fromkeys([*found, "missing"], "")
        found += _file(root_fd, folder, upload.safe_name, measured, pace)
        of_tree = tree.look_at(root_fd, upload, pace)
    if beside not in folder.files:
        found.append("manifest_missing")
    elif (said := statements.manifest(store, folder, beside)) is None:
        found.append("unreadable")
    elif said != manifest.content(upload):
        found.append("manifest_changed")
    found += _verdict(store, folder, upload, reader)
    own = {upload.safe_name, *(upload.safe_name + suffix for suffix in BESIDE)}
    if actions.unpacking_of(upload):
        own.add(upload.safe_name + UNPACKED_SUFFIX)
    return dict.fromkeys(found + _others(folder, own), "") | of_tree


def _verdict(store: LocalFileSystemStorage, folder: walk.ObjectFolder, upload: Upload, reader: StatementReader) -> list[str]:
    stat = folder.files.get(upload.safe_name + VERDICT_SUFFIX)
    if stat is None:
        return ["verdict_missing"] if upload.verdict else []
    if not upload.verdict and time.time() - stat.st_mtime < _UNDER_WAY:
        return []  # it is written before the row
    said = statements.manifest(store, folder, upload.safe_name + VERDICT_SUFFIX)
    if said is None:
        return ["unreadable"]
    return [] if verdicts.says_the_same(upload, said, reader) else ["verdict_changed"]


def _is_away(store: LocalFileSystemStorage, name: str) -> bool:
    """A folder that is not there is this file's loss only where nothing above it is mounted over. Raises StoreUnavailable."""
    try:
        return not store.exists(name)
    except FolderAway:
        return True  # with all that lies in it; which is told of each, and changes nothing


def _file(root_fd: int, folder: walk.ObjectFolder, name: str, told: dict, pace: gently.Pace | None) -> list[str]:
    stat = folder.files.get(name)
    if stat is None or not walk.is_file(stat):
        return ["missing"]
    if stat.st_size != told["size"]:
        return ["half" if stat.st_size < told["size"] else "changed"]
    if pace is None:
        return []
    with translated():
        try:
            path = "/".join((COLLECTIONS, *folder.directory, name))
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root_fd)
        except FileNotFoundError:
            return ["missing"]
        except OSError as exc:
            if exc.errno not in OF_ONE:
                raise
            return ["unreadable"]
    try:
        return [] if gently.sha256(fd, pace) == told["sha256"] else ["changed"]
    except OSError:
        return ["unreadable"]
    finally:
        os.close(fd)


def _others(folder: walk.ObjectFolder, own: set[str]) -> list[str]:
    found = []
    for name, stat in folder.files.items():
        if name in own or name.startswith(".nfs"):  # which NFS keeps while somebody reads a deleted file
            continue
        if name.startswith(".") and name.endswith(BESIDE):
            if time.time() - stat.st_mtime > _UNDER_WAY:
                found.append("leftover")
        else:
            found.append("foreign")
    return sorted(set(found))


def strangers(store: LocalFileSystemStorage):
    """Folders that hold something and are no stored file's for this database, running uploads apart. Raises StoreUnavailable."""
    batch: list[walk.ObjectFolder] = []
    for folder in walk.object_folders(store):
        if folder.is_closed or any(not name.startswith(".") for name in folder.files):
            batch.append(folder)
        if len(batch) == 500:
            yield from _unknown(store, batch)
            batch = []
    yield from _unknown(store, batch)


_OWN = (State.COMMITTED, State.COMMITTING)


def _unknown(store: LocalFileSystemStorage, batch: list[walk.ObjectFolder]):
    known = Upload.objects.select_related("grant").in_bulk([uuid.UUID(folder.upload_id) for folder in batch])
    for folder in batch:
        upload = known.get(uuid.UUID(folder.upload_id))
        if upload is not None and upload.state in _OWN and actions.directory_of(upload) == folder.directory:
            continue
        with store.mounted() as root_fd:  # deleted meanwhile?
            now = walk.object_folder(root_fd, folder.directory)
        if now.is_closed or any(not name.startswith(".") for name in now.files):
            yield folder


def tell_strangers(store: LocalFileSystemStorage, report: Report) -> None:
    """What lies on the NAS and is not known, and the folders into which nobody can look. Raises StoreUnavailable."""
    for folder in strangers(store):
        report.add("unknown", folder.upload_id, f"{folder.upload_id} in {folder.directory[0]} is no stored file for this database")
    for place in walk.foreign_files(store):
        report.add("foreign", place, f"in {place} lies what Sluice did not put there")
    for place in walk.closed_folders(store):
        report.add("unreadable", place, f"{place} cannot be opened, so nobody looked at what is in it")
