"""The NAS side of the services tier.

    <NAS_ROOT>/.sluice-store                                    the sentinel
    <NAS_ROOT>/staging/<upload_id>                              unfinished bytes
    <NAS_ROOT>/collections/<slug>/<year>/<month>/<upload_id>/   one object under its safe name, and its manifest

An object's name, in this interface, is its path below `collections/`.
"""

import contextlib
import json
import os
import stat
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import durable, folders, probe, sentinel
from .checkup import Checkup
from .errors import (
    CollectionUnknown,
    ObjectExists,
    ObjectUnknown,
    StagedBytesLost,
    StoreFull,
    StoreUnavailable,
    StoreUncertain,
    from_os_error,
)
from .paths import shortened
from .sentinel import COLLECTIONS, STAGING
from .staged import MODE, StagedFile, remove, size_of
from .whole import check, holds, identity

MANIFEST_SUFFIX = ".manifest.json"
_BESIDE_A_NAME = len(f".{MANIFEST_SUFFIX}")  # bytes: what is longest of all that is made from an object's name


class LocalFileSystemStorage:
    """Objects in a folder that must be the mounted NAS. Every method raises StoreUnavailable when it is not."""

    def __init__(self, root: Path, store_id: uuid.UUID | None, *, tries: bool = True):
        """`tries`: see checkup.py."""
        self.root, self.store_id = root, store_id
        self.health = Checkup(self.mounted, tries=tries).health
        self._longest: dict[int, int] = {}  # device → bytes that a name may have

    # -- is it there? --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def mounted(self) -> Iterator[int]:
        """The verified root as a directory descriptor, for the length of a `with` block."""
        root_fd = sentinel.open_verified(self.root, self.store_id)
        try:
            yield root_fd
        finally:
            os.close(root_fd)

    def free_bytes(self) -> int:
        """Bytes that this user may still write."""
        with self.mounted() as root_fd, _translated():
            space = os.fstatvfs(root_fd)
        return space.f_bavail * space.f_frsize

    def check(self, collection: str, *, makes_room: bool = False) -> None:
        """Would it take something into this collection now? Raises StoreUnavailable, StoreFull or Unstorable when not.

        `makes_room`: bytes are removed first, so that being full now says nothing.
        """
        health = self.health()
        if health.full is not None and not makes_room:
            raise StoreFull(*health.full.args)
        if not health.has_inodes:
            raise StoreFull("inodes")
        if collection in health.failing:
            raise type(health.failing[collection])(*health.failing[collection].args)

    def has_collection(self, slug: str) -> bool:
        with self.mounted() as root_fd, _translated():
            try:
                return stat.S_ISDIR(os.stat(f"{COLLECTIONS}/{slug}", dir_fd=root_fd, follow_symlinks=False).st_mode)
            except FileNotFoundError:
                return False

    # -- writing -------------------------------------------------------------------------------------------------------

    def stage(self, upload_id: uuid.UUID, resume_at: int = 0) -> StagedFile:
        """Begin a file below `staging/`, or go on with it at `resume_at` bytes. Raises StagedBytesLost, StoreFull."""
        return StagedFile(sentinel.open_verified(self.root, self.store_id), upload_id, resume_at)

    def staged_size(self, upload_id: uuid.UUID) -> int | None:
        """Bytes taken so far, or None when nothing is staged under this id."""
        with self.mounted() as root_fd, _translated():
            return size_of(root_fd, str(upload_id))

    def discard(self, upload_id: uuid.UUID) -> None:
        """Remove a staged file, if there is one. A store that does not let it go leaves it to `recover`."""
        with self.mounted() as root_fd, contextlib.suppress(OSError):
            remove(root_fd, str(upload_id))

    def staged_names(self) -> list[str]:
        """What lies in staging: upload ids, and after a crash in `reseat` names that begin with one and a dot."""
        with self.mounted() as root_fd, _translated(), folders.opened(root_fd, STAGING) as staging_fd:
            return os.listdir(staging_fd)

    def discard_name(self, name: str) -> None:
        """Remove one of `staged_names`. Raises StoreUnavailable when it stays."""
        with self.mounted() as root_fd, _translated():
            remove(root_fd, name)

    def reseat(self, upload_id: uuid.UUID, size: int) -> None:
        """Move the first `size` staged bytes to a file of their own, out of the reach of whoever has the old one open.

        Copied only where the file system cannot share them. Raises StagedBytesLost, StoreFull, StoreUnavailable.
        """
        with self.mounted() as root_fd, _translated():
            if size == 0:
                remove(root_fd, str(upload_id))
                return
            # A name of its own for every try: two that think the upload theirs must not fill one file.
            old, new = f"{STAGING}/{upload_id}", f"{STAGING}/{upload_id}.{uuid.uuid4().hex}"
            folders.copy(root_fd, [(old, size)], new, MODE)
            os.rename(new, old, src_dir_fd=root_fd, dst_dir_fd=root_fd)
            with folders.opened(root_fd, STAGING) as staging_fd:
                durable.sync_directory(staging_fd)

    def concatenate(self, parts: list[tuple[uuid.UUID, int]], upload_id: uuid.UUID) -> None:
        """Stage `upload_id` from the staged bytes of `parts` (id and size each), durable.

        Copied only where the file system cannot share them. Raises StagedBytesLost, StoreFull, StoreUnavailable.
        """
        with self.mounted() as root_fd, _translated():
            sources = [(f"{STAGING}/{part}", size) for part, size in parts]
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{STAGING}/{upload_id}", dir_fd=root_fd)
            folders.copy(root_fd, sources, f"{STAGING}/{upload_id}", MODE)

    def publish(self, upload_id: uuid.UUID, directory: tuple[str, ...], name: str, size: int) -> str:
        """Give the `size` staged bytes, which must be durable already, their final name; return the object's name.

        A hard link: it fails where the name is taken, so nothing can be overwritten, and no partial file ever stands under
        its final name. The staged name stays until the caller discards it, when the ledger has its entry: until then it says
        whose the bytes under the final name are. Safe to repeat after a crash at any point. The name is shortened where the
        store takes no longer one.

        Raises ObjectExists (what stands there is not known to be ours), ObjectUnknown (neither staged nor published),
        StagedBytesLost (not whole, or no file), CollectionUnknown, Unstorable, StoreFull, StoreUnavailable (nothing is
        visible) or StoreUncertain (it may be).
        """
        with self.mounted() as root_fd:
            staged, name = f"{STAGING}/{upload_id}", self._fitting(root_fd, name)
            folder_fd = self._make_folder(root_fd, directory)
            try:
                with _translated():
                    _check_whole(root_fd, staged, folder_fd, name, size)
                linked = _give_name(root_fd, staged, folder_fd, name)
                try:
                    if not sentinel.still_mounted(self.root, root_fd):
                        # Linked into a store that was unmounted or swapped a moment ago: take the name back.
                        if linked:
                            os.unlink(name, dir_fd=folder_fd)
                        raise StoreUnavailable
                    durable.sync_directory(folder_fd)
                except OSError as exc:
                    raise StoreUncertain from exc
            finally:
                os.close(folder_fd)
        return "/".join((*directory, name))

    def withdraw(self, upload_id: uuid.UUID, directory: tuple[str, ...], name: str) -> bool:
        """Take an upload that cannot be published out of staging, so that nothing can give it its final name any more.

        False, and nothing is taken, where it has that name already, or where something has it and nothing is staged. Looked
        at first: what is staged says whose that is. Raises StoreUnavailable when nobody can tell.
        """
        with self.mounted() as root_fd, _translated():
            staged = f"{STAGING}/{upload_id}"
            final = "/".join((COLLECTIONS, *directory, self._fitting(root_fd, name)))
            before, now = identity(root_fd, staged), identity(root_fd, final)
            if before is None or before == now:
                return now is None
            remove(root_fd, str(upload_id))
            with folders.opened(root_fd, STAGING) as staging_fd:
                durable.sync_directory(staging_fd)
            if identity(root_fd, final) != before:
                return True
            # A call that was stalled came through at that moment.
            os.link(final, staged, src_dir_fd=root_fd, dst_dir_fd=root_fd, follow_symlinks=False)
            return False

    def found(self, directory: tuple[str, ...], name: str, size: int, sha256: str) -> str | None:
        """The object's name where these very bytes stand under it, durable; None where it is something else. Reads it all.

        For what is no longer staged. Raises StoreUnavailable.
        """
        with self.mounted() as root_fd, _translated():
            name = self._fitting(root_fd, name)
            with folders.opened(root_fd, "/".join((COLLECTIONS, *directory))) as folder_fd:
                if not holds(folder_fd, name, size, sha256):
                    return None
                durable.sync_directory(folder_fd)
        return "/".join((*directory, name))

    def save(self, upload_id: uuid.UUID, directory: tuple[str, ...], name: str, chunks: Iterable[bytes]) -> str:
        """Stage, make durable and publish in one go; return the object's name. Raises as `stage` and `publish`."""
        try:
            with self.stage(upload_id) as staged:
                for chunk in chunks:
                    staged.write(memoryview(chunk))
                staged.finish()
            saved = self.publish(upload_id, directory, name, staged.size)
        except (ObjectExists, StoreUncertain):
            raise
        except BaseException:
            self.discard(upload_id)
            raise
        self.discard(upload_id)
        return saved

    def write_manifest(self, name: str, manifest: dict) -> None:
        """Put the sidecar beside the object; an older one is replaced. Raises StoreFull, StoreUnavailable."""
        folder, _, base = name.rpartition("/")
        with self.mounted() as root_fd, _translated(), folders.opened(root_fd, f"{COLLECTIONS}/{folder}") as folder_fd:
            temporary = f".{base}{MANIFEST_SUFFIX}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder_fd)
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE, dir_fd=folder_fd)
            try:
                durable.write_all(fd, memoryview(json.dumps(manifest, indent=2).encode() + b"\n"))
            except OSError:
                os.close(fd)
                raise
            durable.sync_and_close(fd)
            os.rename(temporary, base + MANIFEST_SUFFIX, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
            durable.sync_directory(folder_fd)

    def add_collection(self, slug: str) -> None:
        """Make a collection's folder, durable. No error when it exists."""
        with self.mounted() as root_fd, _translated():
            folders.make(root_fd, COLLECTIONS, slug)

    # -- reading and removing ------------------------------------------------------------------------------------------

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except ObjectUnknown:
            return False
        return True

    def size(self, name: str) -> int:
        """Bytes. Raises ObjectUnknown."""
        with self.mounted() as root_fd, _translated(missing=ObjectUnknown):
            return os.stat(f"{COLLECTIONS}/{_checked(name)}", dir_fd=root_fd, follow_symlinks=False).st_size

    def metadata(self, name: str) -> dict:
        """The manifest. Raises ObjectUnknown when there is none."""
        with self.mounted() as root_fd, _translated(missing=ObjectUnknown):
            path = f"{COLLECTIONS}/{_checked(name)}{MANIFEST_SUFFIX}"
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root_fd)
            with os.fdopen(fd) as file:
                try:
                    return json.load(file)
                except ValueError as exc:
                    raise ObjectUnknown from exc

    def list(self, collection: str, after: str = "") -> Iterator[uuid.UUID]:
        """Ids of the collection's objects beyond the id `after`, in the order of their ids, that is of time.

        What a NAS or a person leaves beside them (.snapshot, @eaDir) is passed over, and so is the empty folder of an
        upload that failed. Raises CollectionUnknown.
        """
        if not self.has_collection(collection):
            raise CollectionUnknown
        base = f"{COLLECTIONS}/{collection}"
        with self.mounted() as root_fd, _translated():
            for year in folders.named(root_fd, base, folders.YEAR):
                for month in folders.named(root_fd, f"{base}/{year}", folders.MONTH):
                    path = f"{base}/{year}/{month}"
                    ids = (name for name in folders.named(root_fd, path, folders.ID) if name > after)
                    yield from (uuid.UUID(name) for name in ids if folders.is_filled(root_fd, f"{path}/{name}"))

    def delete(self, name: str) -> None:
        """Remove an object, its manifest and its folder, durably. Raises ObjectUnknown."""
        folder, _, base = _checked(name).rpartition("/")
        parent, _, leaf = folder.rpartition("/")
        with self.mounted() as root_fd, _translated(missing=ObjectUnknown):
            with folders.opened(root_fd, f"{COLLECTIONS}/{folder}") as folder_fd:
                was_there = identity(folder_fd, base) is not None
                for part in (base, base + MANIFEST_SUFFIX):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(part, dir_fd=folder_fd)
                durable.sync_directory(folder_fd)
            with folders.opened(root_fd, f"{COLLECTIONS}/{parent}") as parent_fd:
                # NFS keeps a file that somebody still reads (.nfs…), and with it the folder; the object is gone.
                with contextlib.suppress(OSError):
                    os.rmdir(leaf, dir_fd=parent_fd)
                durable.sync_directory(parent_fd)
            if not was_there:
                raise ObjectUnknown

    def path(self, name: str) -> Path:
        """Where the object lies on this host, for tools that read it in place."""
        return self.root / COLLECTIONS / _checked(name)

    # -- folders -------------------------------------------------------------------------------------------------------

    def _make_folder(self, root_fd: int, directory: tuple[str, ...]) -> int:
        """Open `collections/<directory>`, making all below the collection, each entry durable before it is used."""
        slug, *below = directory
        with _translated(missing=CollectionUnknown):
            fd = os.open(f"{COLLECTIONS}/{slug}", folders.OPEN, dir_fd=root_fd)
        for part in below:
            try:
                with _translated():
                    folders.make(fd, ".", part)
                    inner = os.open(part, folders.OPEN, dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
        return fd

    def _fitting(self, root_fd: int, name: str) -> str:
        """The name, shortened where the store takes no longer one with what is made from it. Always the same on one store."""
        if len(name.encode()) + _BESIDE_A_NAME <= probe.SHORTEST:
            return name
        with _translated():
            device = os.fstat(root_fd).st_dev
            if device not in self._longest:
                self._longest[device] = probe.longest_name(root_fd)
        return shortened(name, self._longest[device] - _BESIDE_A_NAME)


def _check_whole(root_fd: int, staged: str, folder_fd: int, name: str, size: int) -> None:
    """Raises StagedBytesLost; one that was linked before its bytes went loses its final name, under which nobody shall read it."""
    try:
        check(root_fd, staged, size)
    except StagedBytesLost:
        if identity(root_fd, staged) == identity(folder_fd, name):
            os.unlink(name, dir_fd=folder_fd)
            durable.sync_directory(folder_fd)
        raise


def _give_name(root_fd: int, staged: str, folder_fd: int, name: str) -> bool:
    """Link what is staged; return whether that was done now. It was done before, when a crash came behind it.

    Raises ObjectExists, ObjectUnknown, Unstorable, StoreFull or StoreUnavailable.
    """
    if _has_name(root_fd, staged, folder_fd, name):
        return False
    try:
        os.link(staged, name, src_dir_fd=root_fd, dst_dir_fd=folder_fd, follow_symlinks=False)
    except (FileExistsError, FileNotFoundError) as exc:
        if _has_name(root_fd, staged, folder_fd, name):
            return False
        raise StoreUnavailable from exc  # a folder that vanished is ENOENT as well, and costs no staged bytes
    except OSError as exc:
        raise from_os_error(exc, naming=True) from exc
    return True


def _has_name(root_fd: int, staged: str, folder_fd: int, name: str) -> bool:
    """Whether the final name is that of the staged file. Raises ObjectExists, ObjectUnknown or StoreUnavailable."""
    with _translated():
        before, now = identity(root_fd, staged), identity(folder_fd, name)
    if before is None and now is None:
        raise ObjectUnknown
    if now not in (None, before):
        raise ObjectExists
    return now is not None


def _checked(name: str) -> str:
    """An object's name as the ledger holds it. Raises ObjectUnknown for anything that could lead elsewhere."""
    parts = name.split("/")
    if len(parts) != 5 or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ObjectUnknown
    return name


@contextlib.contextmanager
def _translated(missing: type[Exception] = StoreUnavailable) -> Iterator[None]:
    """OSError → StoreError; FileNotFoundError → `missing`."""
    try:
        yield
    except FileNotFoundError as exc:
        raise missing from exc
    except OSError as exc:
        raise from_os_error(exc) from exc
