"""Are the files of an unpacked folder what its archive held? (ADR 0044)

    not_unpacked      they could not be put there yet: `recover` says why
    tree_missing      they were, and are not there: `reconcile_store` has them made again
    contents_changed  the list of them is not the one that the ledger names
    file_changed      a file is another one
    file_missing      a file is not there, or something else has its name
    file_unreadable   the store does not give a file's bytes back
    file_foreign      there is a file that is not in the list

Files are named by their place in contents.json, counted from 1: names of files stand in no report.
"""

import errno
import os
import stat
from collections import defaultdict

from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.store import folders, tree
from services_app.store.errors import OF_ONE, translated
from services_app.store.nas import COLLECTIONS, UNPACKED_SUFFIX
from services_app.uploads import actions
from services_app.uploads.content import folder
from services_app.uploads.models import Upload

from . import gently

CODES = ("not_unpacked", "tree_missing", "contents_changed", "file_changed", "file_missing", "file_unreadable", "file_foreign")
_SHOWN = 10
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


def look_at(root_fd: int, upload: Upload, pace: gently.Pace | None) -> dict[str, str]:
    """What is wrong, by code, and of which files. Without a `pace` their bytes are not read. Raises StoreUnavailable."""
    its = actions.unpacking_of(upload)
    if its is None:
        return {}
    if its.done_at is None:
        return {"not_unpacked": its.fault} if its.fault else {}
    with translated():
        try:
            path = "/".join((COLLECTIONS, *actions.directory_of(upload), upload.safe_name + UNPACKED_SUFFIX))
            with folders.opened(root_fd, path) as tree_fd:
                return _found(tree_fd, upload, pace)
        except OSError as exc:
            if exc.errno not in {errno.ENOENT, *OF_ONE}:
                raise
            return {"tree_missing" if exc.errno in _GONE else "unreadable": ""}


def _found(tree_fd: int, upload: Upload, pace: gently.Pace | None) -> dict[str, str]:
    others = set(os.listdir(tree_fd)) - {tree.CONTENTS, tree.FILES}
    if tree.contents_digest(tree_fd) != _told(upload):
        return {"contents_changed": ""} | ({"file_foreign": ""} if others else {})
    wrong, count = defaultdict(list), 0
    try:
        with folders.opened(tree_fd, tree.FILES) as files_fd, tree.Descent(files_fd) as descent:
            for count, entry in enumerate(tree.contents(tree_fd), start=1):
                if code := _judged(descent, entry, pace):
                    wrong[code].append(count)
            foreign = _count(files_fd, folder.MOST_PARTS) - (count - len(wrong["file_missing"]))
    except OSError as exc:
        if exc.errno not in _GONE:
            raise
        return {"file_missing": "all"}
    told = {code: _named(wrong[code]) for code in CODES if wrong[code]}
    return told | ({"file_foreign": ""} if foreign or others else {})


def _told(upload: Upload) -> str | None:
    """The digest of its contents by the newest entry about it, if that is whole."""
    entry = Entry.objects.filter(upload_id=upload.id, event=record.UNPACKED).order_by("-seq").first()
    if entry is None or entry.hash != record.entry_hash(entry) or not isinstance(entry.facts, dict):
        return None
    return entry.facts.get("contents_sha256")


def _judged(descent: tree.Descent, entry: dict, pace: gently.Pace | None) -> str:
    """What is wrong with this file; empty where it is the one. Raises OSError where the store is away."""
    *above, name = entry["path"].split("/")
    try:
        fd = os.open(name.encode(), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descent.into(above))
    except OSError as exc:
        if exc.errno in _GONE:
            return "file_missing"
        if exc.errno in OF_ONE:
            return "file_unreadable"
        raise
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return "file_missing"
        is_same = found.st_size == entry["size"] and (pace is None or gently.sha256(fd, pace) == entry["sha256"])
        return "" if is_same else "file_changed"
    except OSError:
        return "file_unreadable"
    finally:
        os.close(fd)


def _count(fd: int, depth: int) -> int:
    """All that is no folder, and what lies deeper than anything of ours. Of what is there under a name of the list each was counted once,
    also where names are taken for one.
    """
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    count = 0
    for name, is_folder in found:
        if is_folder and depth > 1:
            with folders.opened(fd, name) as inner:
                count += _count(inner, depth - 1)
        else:
            count += 1
    return count


def _named(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    return shown + (f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else "")
