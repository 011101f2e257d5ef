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

from . import durable, folders, sentinel
from .errors import (
    CollectionUnknown,
    ObjectExists,
    ObjectUnknown,
    StagedBytesLost,
    StoreUnavailable,
    StoreUncertain,
    from_os_error,
)
from .sentinel import COLLECTIONS, STAGING
from .staged import MODE, StagedFile, remove, size_of

MANIFEST_SUFFIX = ".manifest.json"


class LocalFileSystemStorage:
    """Objects in a folder that must be the mounted NAS. Every method raises StoreUnavailable when it is not."""

    def __init__(self, root: Path, store_id: uuid.UUID | None):
        self.root, self.store_id = root, store_id

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

    def has_collection(self, slug: str) -> bool:
        with self.mounted() as root_fd:
            try:
                return stat.S_ISDIR(os.stat(f"{COLLECTIONS}/{slug}", dir_fd=root_fd, follow_symlinks=False).st_mode)
            except FileNotFoundError:
                return False
            except OSError as exc:
                raise from_os_error(exc) from exc

    # -- writing -------------------------------------------------------------------------------------------------------

    def stage(self, upload_id: uuid.UUID, resume_at: int = 0) -> StagedFile:
        """Begin a file below `staging/`, or go on with it at `resume_at` bytes. Raises StagedBytesLost, StoreFull."""
        return StagedFile(sentinel.open_verified(self.root, self.store_id), upload_id, resume_at)

    def staged_size(self, upload_id: uuid.UUID) -> int | None:
        """Bytes taken so far, or None when nothing is staged under this id."""
        with self.mounted() as root_fd:
            return size_of(root_fd, str(upload_id))

    def discard(self, upload_id: uuid.UUID) -> None:
        """Remove a staged file, if there is one."""
        with self.mounted() as root_fd:
            remove(root_fd, str(upload_id))

    def staged_names(self) -> list[str]:
        """What lies in staging: upload ids, and after a crash in `reseat` names that begin with one and a dot."""
        with self.mounted() as root_fd, _translated(), folders.opened(root_fd, STAGING) as staging_fd:
            return os.listdir(staging_fd)

    def discard_name(self, name: str) -> None:
        """Remove one of `staged_names`."""
        with self.mounted() as root_fd:
            remove(root_fd, name)

    def reseat(self, upload_id: uuid.UUID, size: int) -> None:
        """Move the first `size` staged bytes to a file of their own, out of the reach of whoever has the old one open.

        Copied only where the file system cannot share them. Raises StagedBytesLost, StoreFull, StoreUnavailable.
        """
        with self.mounted() as root_fd, _translated(missing=StagedBytesLost):
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
        with self.mounted() as root_fd, _translated(missing=StagedBytesLost):
            sources = [(f"{STAGING}/{part}", size) for part, size in parts]
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{STAGING}/{upload_id}", dir_fd=root_fd)
            folders.copy(root_fd, sources, f"{STAGING}/{upload_id}", MODE)

    def publish(self, upload_id: uuid.UUID, directory: tuple[str, ...], name: str) -> str:
        """Give the staged bytes, which must be durable already, their final name; return the object's name.

        A hard link and then an unlink: link fails where the name is taken, so nothing can be overwritten, and no
        partial file ever stands under its final name. The staged name goes last, so there is a durable name at every
        moment. Safe to repeat after a crash at any point. Raises ObjectExists,
        ObjectUnknown (neither staged nor published), CollectionUnknown, StoreFull, StoreUnavailable (nothing is
        visible) or StoreUncertain (it may be).
        """
        with self.mounted() as root_fd:
            staged = f"{STAGING}/{upload_id}"
            folder_fd, linked = self._make_folder(root_fd, directory), False
            try:
                try:
                    os.link(staged, name, src_dir_fd=root_fd, dst_dir_fd=folder_fd, follow_symlinks=False)
                    linked = True
                except FileExistsError as exc:
                    if not _same_file(root_fd, staged, folder_fd, name):
                        raise ObjectExists from exc
                except FileNotFoundError as exc:
                    if not _is_there(folder_fd, name):
                        raise ObjectUnknown from exc
                except OSError as exc:
                    raise from_os_error(exc) from exc
                try:
                    if not sentinel.still_mounted(self.root, root_fd):
                        # Linked into a store that was unmounted or swapped a moment ago: take the name back. One that
                        # stood there before may be the only name of these bytes.
                        if linked:
                            os.unlink(name, dir_fd=folder_fd)
                        raise StoreUnavailable
                    durable.sync_directory(folder_fd)
                except OSError as exc:
                    raise StoreUncertain from exc
                remove(root_fd, str(upload_id))
            finally:
                os.close(folder_fd)
        return "/".join((*directory, name))

    def save(self, upload_id: uuid.UUID, directory: tuple[str, ...], name: str, chunks: Iterable[bytes]) -> str:
        """Stage, make durable and publish in one go; return the object's name. Raises as `stage` and `publish`."""
        try:
            with self.stage(upload_id) as staged:
                for chunk in chunks:
                    staged.write(memoryview(chunk))
                staged.finish()
            return self.publish(upload_id, directory, name)
        except (ObjectExists, StoreUncertain):
            raise
        except BaseException:
            self.discard(upload_id)
            raise

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
        base = self.root / COLLECTIONS / collection
        with _translated():
            for year in folders.named(base, folders.YEAR):
                for month in folders.named(year, folders.MONTH):
                    ids = (folder for folder in folders.named(month, folders.ID) if folder.name > after)
                    yield from (uuid.UUID(folder.name) for folder in ids if folders.is_filled(folder))

    def delete(self, name: str) -> None:
        """Remove an object, its manifest and its folder, durably. Raises ObjectUnknown."""
        folder, _, base = _checked(name).rpartition("/")
        parent, _, leaf = folder.rpartition("/")
        with self.mounted() as root_fd, _translated(missing=ObjectUnknown):
            with folders.opened(root_fd, f"{COLLECTIONS}/{folder}") as folder_fd:
                os.unlink(base, dir_fd=folder_fd)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(base + MANIFEST_SUFFIX, dir_fd=folder_fd)
                durable.sync_directory(folder_fd)
            with folders.opened(root_fd, f"{COLLECTIONS}/{parent}") as parent_fd:
                # NFS keeps a file that somebody still reads (.nfs…), and with it the folder; the object is gone.
                with contextlib.suppress(OSError):
                    os.rmdir(leaf, dir_fd=parent_fd)
                durable.sync_directory(parent_fd)

    def path(self, name: str) -> Path:
        """Where the object lies on this host, for tools that read it in place."""
        return self.root / COLLECTIONS / _checked(name)

    # -- folders -------------------------------------------------------------------------------------------------------

    def _make_folder(self, root_fd: int, directory: tuple[str, ...]) -> int:
        """Open `collections/<directory>`, making all below the collection, each entry durable before it is used."""
        slug, *below = directory
        try:
            fd = os.open(f"{COLLECTIONS}/{slug}", folders.OPEN, dir_fd=root_fd)
        except FileNotFoundError as exc:
            raise CollectionUnknown from exc
        except OSError as exc:
            raise from_os_error(exc) from exc
        for part in below:
            try:
                folders.make(fd, ".", part)
                inner = os.open(part, folders.OPEN, dir_fd=fd)
            except OSError as exc:
                raise from_os_error(exc) from exc
            finally:
                os.close(fd)
            fd = inner
        return fd


def _is_there(fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise from_os_error(exc) from exc
    return True


def _same_file(fd_a: int, name_a: str, fd_b: int, name_b: str) -> bool:
    """Whether both names are one file, as after a crash between link and unlink."""
    try:
        a = os.stat(name_a, dir_fd=fd_a, follow_symlinks=False)
        b = os.stat(name_b, dir_fd=fd_b, follow_symlinks=False)
    except OSError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


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
