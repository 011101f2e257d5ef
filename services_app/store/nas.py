"""The NAS side of the services tier.

    <NAS_ROOT>/.sluice-store                                    the sentinel
    <NAS_ROOT>/staging/<upload_id>                              unfinished bytes
    <NAS_ROOT>/collections/<slug>/<year>/<month>/<upload_id>/   one object under its safe name, its manifest, perhaps a verdict

An object's name, in this interface, is its path below `collections/`.
"""

import contextlib
import json
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from . import checkup, durable, exclusive, folders, naming, place, probe, sentinel, whole
from .absence import (
    check_in_place,
    check_nowhere_else,
    check_whole,
    in_place,
    looked_at,
    lost_only_here,
)
from .bulkhead import Bulkhead
from .errors import (
    CollectionUnknown,
    ObjectExists,
    ObjectUnknown,
    StoreFull,
    StoreUnavailable,
    StoreUncertain,
    translated,
)
from .exclusive import Way
from .paths import FALLBACK_NAME, checked, shortened
from .sentinel import COLLECTIONS, STAGING
from .staged import MODE, StagedFile, remove, size_of
from .whole import holds, identity

MANIFEST_SUFFIX = ".manifest.json"
UNPACKED_SUFFIX = ".unpacked"  # of the folder beside an archive that holds its files, and
TREE_SUFFIX = ".tree"  # of one in staging that is to become it (tree.py)
VERDICT_SUFFIX = ".verdict.json"
BESIDE = (MANIFEST_SUFFIX, VERDICT_SUFFIX)  # what stands beside an object, by its name
_BESIDE_A_NAME = len(f".{MANIFEST_SUFFIX}")  # bytes: what is longest of all that is made from an object's name


class LocalFileSystemStorage:
    """Objects in a folder that must be the mounted NAS. Every method raises StoreUnavailable when it is not."""

    def __init__(self, root: Path, store_id: uuid.UUID | None, *, tries: bool = True, most_waiting: int | None = None):
        """`tries`: see checkup.py. `most_waiting`: so many threads may wait for it at once, None for all (bulkhead.py)."""
        self.root, self.store_id = root, store_id
        self._door = Bulkhead(most_waiting).passed if most_waiting else contextlib.nullcontext
        self._checkup = checkup.Checkup(self._mounted, tries=tries)
        self._longest: dict[int, int] = {}  # device → bytes that a name may have

    # -- is it there? --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def mounted(self) -> Iterator[int]:
        """The verified root as a directory descriptor, for the length of a `with` block."""
        with self._door(), self._mounted() as root_fd:
            yield root_fd

    @contextlib.contextmanager
    def _mounted(self) -> Iterator[int]:
        """The same for threads that nobody waits for, or not for long."""
        root_fd = sentinel.open_verified(self.root, self.store_id)
        try:
            yield root_fd
        finally:
            os.close(root_fd)

    def health(self, collection: str | None = None) -> checkup.Health:
        """What Checkup.health says, and raises."""
        with self._door():
            return self._checkup.health(collection)

    def free_bytes(self) -> int:
        """Bytes that this user may still write."""
        with self.mounted() as root_fd, looked_at():
            space = os.fstatvfs(root_fd)
        return space.f_bavail * space.f_frsize

    def check_reserve(self, size: int, inodes: int) -> None:
        """Is so much left to others? Raises StoreFull, StoreUnavailable."""
        with self.mounted() as root_fd, looked_at():
            space = os.fstatvfs(root_fd)
        if space.f_bavail * space.f_frsize < size:
            raise StoreFull("reserve")
        if (free := checkup.free_inodes(space)) is not None and free < inodes:
            raise StoreFull("inodes")

    def check(self, collection: str, *, inodes: int = 0) -> None:
        """Would it take something into this collection now, with so many `inodes` left to others? Raises StoreUnavailable,
        CollectionBarred or StoreFull when not.
        """
        health = self.health(collection)
        if health.full is not None:
            raise StoreFull(*health.full.args)
        if not health.has_inodes(inodes):
            raise StoreFull("inodes")
        if collection in health.failing:
            raise type(health.failing[collection])(*health.failing[collection].args)
        if self._is_folder(collection) is False:
            raise StoreUnavailable("ENOTDIR at open")  # since it was tried; whoever takes that away cures it

    def has_collection(self, slug: str) -> bool:
        return bool(self._is_folder(slug))

    def _is_folder(self, slug: str) -> bool | None:
        """None where nothing has the name of this collection."""
        with self.mounted() as root_fd, looked_at():
            try:
                return stat.S_ISDIR(os.stat(f"{COLLECTIONS}/{slug}", dir_fd=root_fd, follow_symlinks=False).st_mode)
            except FileNotFoundError:
                return None

    # -- writing -------------------------------------------------------------------------------------------------------

    def stage(self, upload_id: uuid.UUID, resume_at: int = 0) -> StagedFile:
        """Begin a file below `staging/`, or go on with it at `resume_at` bytes. Raises StagedBytesLost, StoreFull."""
        with self._door():
            return StagedFile(sentinel.open_verified(self.root, self.store_id), upload_id, resume_at)

    def staged_size(self, upload_id: uuid.UUID) -> int | None:
        """Bytes taken so far, or None when nothing is staged under this id."""
        with self.mounted() as root_fd, looked_at():
            return size_of(root_fd, str(upload_id))

    def has_staged(self, upload_id: uuid.UUID, size: int) -> bool:
        """Whether these bytes at least are staged. Raises StoreUnavailable while nobody can tell."""
        with self.mounted() as root_fd, looked_at():
            if (size_of(root_fd, str(upload_id)) or 0) >= size:
                return True
            sentinel.check_staging(root_fd)
            return False

    def discard(self, upload_id: uuid.UUID, directory: tuple[str, ...] = ()) -> None:
        """Remove a staged file, if there is one, and of an upload that has ended the empty folder that a killed process left. A store that
        does not let it go leaves it to `recover`.
        """
        with self.mounted() as root_fd:
            if directory:
                place.remove_empty(root_fd, directory)
            with contextlib.suppress(OSError):
                remove(root_fd, str(upload_id))

    def staged_names(self) -> list[str]:
        """What lies in staging but trees: upload ids, and after a crash in `reseat` names that begin with one and a dot."""
        with self.mounted() as root_fd, looked_at(), folders.opened(root_fd, STAGING) as staging_fd:
            return [name for name in os.listdir(staging_fd) if not name.endswith(TREE_SUFFIX)]

    def discard_name(self, name: str) -> None:
        """Remove one of `staged_names`. Raises StoreUnavailable when it stays."""
        with self.mounted() as root_fd, translated():
            remove(root_fd, name)

    def reseat(self, upload_id: uuid.UUID, size: int) -> None:
        """Move the first `size` staged bytes to a file of their own, out of the reach of whoever has the old one open.

        Copied only where the file system cannot share them. Raises StagedBytesLost, StoreFull, StoreUnavailable.
        """
        with self._mounted() as root_fd, translated(), lost_only_here(root_fd):
            if size == 0:
                remove(root_fd, str(upload_id))
                return
            # A name of its own for every try: two that think the upload theirs must not fill one file.
            old, new = f"{STAGING}/{upload_id}", f"{STAGING}/{upload_id}.{uuid.uuid4().hex}"
            folders.copy(root_fd, [(old, size)], new, MODE)
            os.rename(new, old, src_dir_fd=root_fd, dst_dir_fd=root_fd)
            with folders.opened(root_fd, STAGING) as staging_fd:
                durable.sync_directory(staging_fd)

    def concatenate(
        self, parts: list[tuple[uuid.UUID, int]], upload_id: uuid.UUID, go_on: Callable[[], None] = lambda: None
    ) -> None:
        """Stage `upload_id` from the staged bytes of `parts` (id and size each), durable. `go_on` is asked on the way, and what it
        raises ends it.

        Copied only where the file system cannot share them. Raises StagedBytesLost, StoreFull, StoreUnavailable.
        """
        with self.mounted() as root_fd, translated(), lost_only_here(root_fd):
            sources = [(f"{STAGING}/{part}", size) for part, size in parts]
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{STAGING}/{upload_id}", dir_fd=root_fd)
            folders.copy(root_fd, sources, f"{STAGING}/{upload_id}", MODE, go_on)

    def make_place(
        self, staged: StagedFile, directory: tuple[str, ...], is_new: Callable[[], bool] = lambda: True
    ) -> place.Place:
        """Make the folder of an object ahead of its bytes, durable, for a `publish` that then waits for none of that. `is_new`: see
        there. Raises CollectionUnknown, StoreFull or StoreUnavailable.
        """
        fd = place.made(staged.root_fd, directory, is_new)
        try:
            return place.of(fd)
        finally:
            os.close(fd)

    def remove_place(self, staged: StagedFile, directory: tuple[str, ...]) -> None:
        """Remove that folder again, if it is empty. One that stays goes with `discard`."""
        place.remove_empty(staged.root_fd, directory)

    def publish(
        self,
        upload_id: uuid.UUID,
        directory: tuple[str, ...],
        name: str,
        size: int,
        made: place.Place | None = None,
        is_new: Callable[[], bool] = lambda: True,
    ) -> str:
        """Give the `size` staged bytes, which must be durable already, their final name; return the object's name.

        By the store's way (exclusive.py): it fails where the name is taken, so nothing can be overwritten, and no partial file ever
        stands under its final name. A link leaves the staged name until the caller discards it, when the ledger has its entry: until
        then it says whose the bytes under the final name are. By the other ways it is gone, and `is_it` or `found` tells that. Safe to
        repeat after a crash at any point. The name is shortened where the
        store takes no longer one, and FALLBACK_NAME where it refuses it: a name is no reason to lose a file. The folder is made and synced,
        but where it is the one that was `made`; for what is not staged any more none is made, since it has its folder, or had.
        A month that is not there is made if it `is_new`, that is if nothing is stored in it: else it is away, and a new one in its place
        would hide all that lies in it.

        Raises ObjectExists (what stands there is not known to be ours), ObjectUnknown (neither staged nor published),
        StagedBytesLost (not whole, or no file), CollectionUnknown, StoreFull, StoreUnavailable (nothing is visible) or
        StoreUncertain (it may be).
        """
        with self.mounted() as root_fd, lost_only_here(root_fd):
            staged, name, way = f"{STAGING}/{upload_id}", self._fitting(root_fd, name), sentinel.traits(root_fd).way
            folder_fd = place.opened(root_fd, staged, directory, made, is_new)
            try:
                with translated():
                    check_whole(root_fd, staged, folder_fd, name, size)
                    is_staged = identity(root_fd, staged) is not None
                if way is Way.FOLDER and is_staged:
                    folder_fd = place.anew(folder_fd, directory[-1], root_fd)
                name, given = naming.give(way, root_fd, staged, folder_fd, name)
                try:
                    if not sentinel.still_mounted(self.root, root_fd):
                        # Published in a store that was unmounted or swapped a moment ago: take the name back.
                        if given:
                            exclusive.take_back(way, staged, name, src_dir_fd=root_fd, dst_dir_fd=folder_fd)
                        raise StoreUnavailable
                    folders.close_to_writing(folder_fd, name)
                    durable.sync_directory(folder_fd)
                    if way is not Way.LINK:
                        with folders.opened(root_fd, STAGING) as staging_fd:
                            durable.sync_directory(staging_fd)  # where a power cut could else bring the old name back
                except OSError as exc:
                    raise StoreUncertain from exc
            finally:
                os.close(folder_fd)
        return "/".join((*directory, name))

    def withdraw(self, upload_id: uuid.UUID, directory: tuple[str, ...], name: str) -> bool:
        """Take an upload that cannot be published out of staging, so that nothing can give it its final name any more.

        False, and nothing is taken, where it has that name already, or where something has it and nothing is staged. Looked
        at first: what is staged says whose that is. Raises StoreUnavailable when nobody can tell; FolderAway where the collection is not
        there, or what is staged has a final name in a folder that is not where it was; of what is not staged, also where its month is not.
        """
        with self.mounted() as root_fd, translated():
            staged, way = f"{STAGING}/{upload_id}", sentinel.traits(root_fd).way
            finals = [
                "/".join((COLLECTIONS, *directory, each)) for each in (self._fitting(root_fd, name), FALLBACK_NAME)
            ]
            check_in_place(root_fd, directory[0])
            if identity(root_fd, staged) is None:
                with contextlib.suppress(FileNotFoundError), in_place(root_fd, directory):
                    pass  # only there a look says that it has no name
            before, now = identity(root_fd, staged), [naming.standing(root_fd, final) for final in finals]
            if before is None or before in now:
                return not any(now)
            check_nowhere_else(root_fd, staged)
            removed = remove(root_fd, str(upload_id))
            with folders.opened(root_fd, STAGING) as staging_fd:
                durable.sync_directory(staging_fd)
            now = [naming.standing(root_fd, final) for final in finals]
            # Did a call that was stalled come through at that moment?
            if before in now:
                if way is Way.LINK:
                    os.link(finals[now.index(before)], staged, src_dir_fd=root_fd, dst_dir_fd=root_fd, follow_symlinks=False)
                return False
            return removed or not any(now)

    def is_it(self, directory: tuple[str, ...], name: str, size: int, staged_as: str) -> str | None:
        """The object's name where what was staged as that (StagedFile.told_apart) stands under it, whole and durable. None where nobody can
        tell without reading it: see `found`. Raises StoreUnavailable.
        """
        with self.mounted() as root_fd, translated(), in_place(root_fd, directory) as folder_fd:
            for each in (self._fitting(root_fd, name), FALLBACK_NAME):
                if staged_as and naming.standing(folder_fd, each) and whole.is_it(folder_fd, each, size, staged_as):
                    durable.sync_directory(folder_fd)
                    return "/".join((*directory, each))
        return None

    def found(self, directory: tuple[str, ...], name: str, size: int, sha256: str) -> str | None:
        """The object's name where these very bytes stand under it, durable; None where it is something else. Reads it all.

        For what is no longer staged. Raises StoreUnavailable.
        """
        with self.mounted() as root_fd, translated():
            with in_place(root_fd, directory) as folder_fd:
                for each in (self._fitting(root_fd, name), FALLBACK_NAME):
                    if naming.standing(folder_fd, each) and holds(folder_fd, each, size, sha256):
                        durable.sync_directory(folder_fd)
                        return "/".join((*directory, each))
        return None

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
        self._write_beside(name, MANIFEST_SUFFIX, manifest)

    def write_verdict(self, name: str, verdict: dict, *, withheld: bool) -> None:
        """The same for what was found of it, and where it is `withheld` its bytes are for this user alone. Raises ObjectUnknown too."""
        *directory, base = checked(name).split("/")
        with self.mounted() as root_fd, translated(missing=ObjectUnknown), in_place(root_fd, directory) as folder_fd:
            folders.withhold(folder_fd, base, withheld=withheld)
        self._write_beside(name, VERDICT_SUFFIX, verdict)

    def _write_beside(self, name: str, suffix: str, document: dict) -> None:
        *directory, base = name.split("/")
        with self.mounted() as root_fd, translated(), in_place(root_fd, directory) as folder_fd:
            temporary = f".{base}{suffix}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder_fd)
            fd = os.open(
                temporary,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                MODE & ~folders.WRITING,
                dir_fd=folder_fd,
            )
            try:
                durable.write_all(fd, memoryview(json.dumps(document, indent=2).encode() + b"\n"))
            except OSError:
                os.close(fd)
                raise
            durable.sync_and_close(fd)
            os.rename(temporary, base + suffix, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
            durable.sync_directory(folder_fd)

    def add_collection(self, slug: str) -> None:
        """Make a collection's folder, durable. No error when it exists."""
        with self.mounted() as root_fd, translated():
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
        *directory, base = checked(name).split("/")
        with self.mounted() as root_fd, looked_at(missing=ObjectUnknown), in_place(root_fd, directory) as folder_fd:
            return os.stat(base, dir_fd=folder_fd, follow_symlinks=False).st_size

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[int]:
        """An object's bytes, from the first one, for the length of a `with` block. Raises ObjectUnknown, StoreUnavailable."""
        *directory, base = checked(name).split("/")
        with self.mounted() as root_fd, looked_at(missing=ObjectUnknown), in_place(root_fd, directory) as folder_fd:
            fd = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
        try:
            yield fd
        finally:
            os.close(fd)

    def metadata(self, name: str) -> dict:
        """The manifest. Raises ObjectUnknown when there is none."""
        return self._beside(name, MANIFEST_SUFFIX)

    def verdict(self, name: str) -> dict:
        """What was found of it, as it stands there. Raises ObjectUnknown when there is none."""
        return self._beside(name, VERDICT_SUFFIX)

    def _beside(self, name: str, suffix: str) -> dict:
        *directory, base = checked(name).split("/")
        with self.mounted() as root_fd, looked_at(missing=ObjectUnknown), in_place(root_fd, directory) as folder_fd:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(base + suffix, flags, dir_fd=folder_fd)
            with os.fdopen(fd) as file:
                try:
                    return json.load(file)
                except ValueError as exc:
                    raise ObjectUnknown from exc

    def collections(self) -> list[str]:
        """The slugs of those that are there."""
        with self.mounted() as root_fd, translated():
            return folders.named(root_fd, COLLECTIONS, folders.SLUG)

    def list(self, collection: str, after: str = "") -> Iterator[uuid.UUID]:
        """Ids of the collection's objects beyond the id `after`, in the order of their ids, that is of time.

        What a NAS or a person leaves beside them (.snapshot, @eaDir) is passed over, and so is the empty folder of an
        upload that failed. Raises CollectionUnknown.
        """
        if not self.has_collection(collection):
            raise CollectionUnknown
        base = f"{COLLECTIONS}/{collection}"
        with self.mounted() as root_fd, looked_at():
            check_in_place(root_fd, collection)
            for year in folders.named(root_fd, base, folders.YEAR):
                sentinel.check_mount(root_fd, f"{base}/{year}")
                for month in folders.named(root_fd, f"{base}/{year}", folders.MONTH):
                    path = f"{base}/{year}/{month}"
                    sentinel.check_mount(root_fd, path)
                    ids = (name for name in folders.named(root_fd, path, folders.ID) if name > after)
                    yield from (uuid.UUID(name) for name in ids if folders.is_filled(root_fd, f"{path}/{name}"))

    def delete(self, name: str) -> None:
        """Remove an object, what was made from it and its folder, durably. Raises ObjectUnknown."""
        *directory, base = checked(name).split("/")
        with self.mounted() as root_fd, translated(missing=ObjectUnknown), in_place(root_fd, directory) as folder_fd:
            was_there = identity(folder_fd, base) is not None
            for part in (base, *(base + suffix for suffix in BESIDE)):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder_fd)
            if folders.is_folder(folder_fd, base + UNPACKED_SUFFIX):
                folders.remove(folder_fd, base + UNPACKED_SUFFIX)
            durable.sync_directory(folder_fd)
            with folders.opened(folder_fd, "..") as month_fd:
                # NFS keeps a file that somebody still reads (.nfs…), and with it the folder; the object is gone.
                with contextlib.suppress(OSError):
                    os.rmdir(directory[-1], dir_fd=month_fd)
                durable.sync_directory(month_fd)
            if not was_there:
                raise ObjectUnknown

    def path(self, name: str) -> Path:
        """Where the object lies on this host, for tools that read it in place."""
        return self.root / COLLECTIONS / checked(name)

    def _fitting(self, root_fd: int, name: str) -> str:
        """The name, shortened where the store takes no longer one with what is made from it. Always the same on one store."""
        if len(name.encode()) + _BESIDE_A_NAME <= probe.SHORTEST:
            return name
        with translated():
            device = os.fstat(root_fd).st_dev
            if device not in self._longest:
                self._longest[device] = probe.longest_name(root_fd)
        return shortened(name, self._longest[device] - _BESIDE_A_NAME)
