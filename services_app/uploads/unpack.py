"""The files of a stored folder are put beside its archive, where its collection says so (ADR 0044).

Behind the answer: the archive is the object, and its receipt was signed before this begins. The files are seen all at once, by one
rename, or not at all; whatever ends a try leaves nothing, and it is tried again until it is done. One try reads the archive once and
compares it with its receipt as it does.
"""

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

from django.conf import settings
from django.db import Error, transaction

from services_app.config import connections
from services_app.ledger import record
from services_app.store import tree
from services_app.store.absence import in_place
from services_app.store.current import current_store
from services_app.store.errors import (
    NameRefused,
    ObjectExists,
    ObjectUnknown,
    StoreError,
    StoreFull,
    StoreUnavailable,
    translated,
)
from services_app.store.nas import LocalFileSystemStorage

from . import actions, policies
from .content import contents
from .models import Unpacking, Upload
from .ownership import leases
from .states import State

log = logging.getLogger("sluice.unpack")

_ROOM_EVERY = 1.0  # seconds

# What a try met, and what it is called. The first that fits counts.
_FAULTS = (
    (StoreFull, "no_space"),  # there is no room for it above the reserve
    (NameRefused, "name_refused"),  # the store does not take a name in it, or not two of them beside each other
    (ObjectExists, "in_the_way"),  # something else lies where its files go
    (contents.Changed, "changed"),  # the archive is not what its receipt says
    (ObjectUnknown, "missing"),  # it is not there
    (StoreError, "store_unavailable"),
)


class _Over(Exception):
    """It is somebody else's by now, or was deleted."""


def due() -> list[Unpacking]:
    """Those that nobody is at, the oldest first."""
    found = Unpacking.objects.select_related("upload__grant").filter(done_at=None, upload__state=State.COMMITTED).order_by("upload_id")
    at = leases.now()
    return [each for each in found if not each.owner or leases.is_abandoned(each, at)]


def state_of(upload: Upload) -> str | None:
    """What is told of it: "unpacking", "unpacked", "not_unpacked" where that waits for a person, or None where it is to stay as it is."""
    its = actions.unpacking_of(upload) if upload.state == State.COMMITTED else None
    if its is None:
        return None
    return "unpacked" if its.done_at is not None else "unpacking" if its.fault in Unpacking.PASSING else "not_unpacked"


def again(upload: Upload) -> None:
    """Its files are not there any more: they are due."""
    Unpacking.objects.filter(upload=upload).update(done_at=None, fault="", owner="")


def sweep() -> int:
    """Remove trees of which nobody makes anything any more; how many. Raises StoreUnavailable."""
    store, removed, at = current_store(), 0, leases.now()
    for name in list(tree.abandoned(store)):
        of = name.partition(".")[0]
        its = Unpacking.objects.filter(upload_id=of, done_at=None).first() if _is_id(of) else None
        if its is None or not its.owner or leases.is_abandoned(its, at):
            tree.discard(store, name)
            removed += 1
    return removed


def _is_id(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(uuid.UUID(text))
    return False


def unpack(unpacking: Unpacking) -> str | None:
    """One try. "" where it is done, a code where not, None where somebody else is at it, or it was deleted. Raises what the database
    raises.
    """
    if not _claim(unpacking):
        return None
    upload, fault = unpacking.upload, None
    try:
        fault = _try(unpacking)
    except _Over:
        return None
    finally:
        held = Unpacking.objects.filter(upload=upload, owner=leases.owner())
        with contextlib.suppress(Error):  # the lease ends by itself
            held.update(owner="", **leases.let_go(), **({} if fault is None else {"fault": fault}))
    return fault


def _claim(unpacking: Unpacking) -> bool:
    ours = {"owner": leases.owner(), **leases.held()}
    same = {"done_at": None, "owner": unpacking.owner, "lease_until": unpacking.lease_until}
    return bool(Unpacking.objects.filter(upload_id=unpacking.upload_id, **same).update(**ours))


def _try(unpacking: Unpacking) -> str:
    upload, store = unpacking.upload, current_store()
    try:
        for name in tree.abandoned(store, upload.id):
            tree.discard(store, name)
        made = make(store, upload, _go_on(store, upload))
    except tuple(kind for kind, _ in _FAULTS) as exc:
        code = next(code for kind, code in _FAULTS if isinstance(exc, kind))
        log.warning("not unpacked", extra={"upload_id": upload.id, "code": code}, exc_info=True)
        return code
    _done(upload, made)
    log.info("unpacked", extra={"upload_id": upload.id, "files": made.files})
    return ""


def make(store: LocalFileSystemStorage, upload: Upload, go_on: Callable[..., None]) -> contents.Contents:
    """Put its files beside the archive, durably; where they are already, see that they are said to be what they must be. Raises Changed,
    StoreError, and whatever `go_on` raises.
    """
    directory, name = actions.directory_of(upload), upload.safe_name
    with store.mounted() as root_fd, _archive(root_fd, directory, name) as read:
        whole = partial(contents.unpack, read, upload.id, upload.size, upload.sha256)
        with tree.beside(root_fd, directory, name) as tree_fd:
            there = None if tree_fd is None else tree.contents_digest(tree_fd)
        if there is not None:
            made = whole(contents.Nowhere(), go_on)
            if there != made.sha256:
                raise ObjectExists
            tree.make_durable(root_fd, directory)
            return made
        policies.check_room_for_tree(upload.size)
        with tree.StagedTree(store, root_fd, upload.id) as staged:
            made = whole(staged, go_on)
            go_on(at_once=True)
            staged.publish(directory, name)
            return made


@contextlib.contextmanager
def _archive(root_fd: int, directory: tuple[str, ...], name: str) -> Iterator[Callable[[memoryview, int], int]]:
    """Raises ObjectUnknown, StoreUnavailable."""
    with translated(missing=ObjectUnknown), in_place(root_fd, directory) as folder_fd:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)

    def read(buffer: memoryview, offset: int) -> int:
        try:
            return os.preadv(fd, [buffer], offset)
        except OSError as exc:
            raise StoreUnavailable from exc

    try:
        yield read
    finally:
        os.close(fd)


def _go_on(store: LocalFileSystemStorage, upload: Upload) -> Callable[..., None]:
    """Keeps the lease, and leaves to uploads what is theirs: the reserve, of bytes and of inodes. Asked as often as one likes; `at_once`
    where the answer counts.
    """
    renew_at = look_at = 0.0

    def go_on(*, at_once: bool = False) -> None:
        nonlocal renew_at, look_at
        now = time.monotonic()
        if at_once or now >= renew_at:
            held = Unpacking.objects.filter(upload=upload, owner=leases.owner(), done_at=None, upload__state=State.COMMITTED)
            if not held.update(**leases.held()):
                raise _Over
            connections.give_back()
            renew_at = now + leases.RENEW_EVERY
        if now >= look_at:
            store.check_reserve(settings.UPLOAD_SPACE_RESERVE, settings.UPLOAD_INODE_RESERVE)
            look_at = now + _ROOM_EVERY

    return go_on


def _done(upload: Upload, made: contents.Contents) -> None:
    """The row, and an entry of the ledger: what is there can be held against it."""
    with transaction.atomic():
        if not Upload.objects.select_for_update().filter(id=upload.id, state=State.COMMITTED).exists():
            raise _Over
        held = Unpacking.objects.filter(upload=upload, owner=leases.owner(), done_at=None)
        if not held.update(done_at=leases.now(), files=made.files):
            raise _Over
        actions.note(record.UNPACKED, upload, files=made.files, contents_sha256=made.sha256)
