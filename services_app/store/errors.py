"""What can go wrong in the store. Views translate these; the store knows no HTTP.

StoreError
├── StoreUnavailable    the NAS is absent, another one, or failing: nothing was written under a final name; it may pass
├── CollectionBarred    a StoreUnavailable of one collection, where no stored file can get to: people have to move it
├── FolderAway          a StoreUnavailable of what lies in a folder that is not there: nobody can tell whether it is
├── StoreFull           ENOSPC or EDQUOT, which may first appear at fsync or close
├── StoreUncertain      neither success nor failure (the last directory fsync failed): `recover` finds out
├── Unstorable          the store will never take a file of this size: nothing is visible
├── NameRefused         it does not take this name: an object is given another one, so only of a file in a folder this leaves the store
├── StagedBytesLost     staging holds fewer bytes than were acknowledged, or no file: the upload cannot go on
├── CollectionUnknown   the store has no such collection
├── ObjectExists        the final name is taken, by what is not known to be ours: nothing was overwritten
└── ObjectUnknown       no such object

Which errno means which: docs/adr/0016-what-an-errno-means.md.
"""

import contextlib
import errno
from collections.abc import Iterator


class StoreError(Exception):
    """Base of all; never raised itself. Its text is a cause for operators, without names and paths."""


class StoreUnavailable(StoreError):
    pass


class CollectionBarred(StoreUnavailable):
    pass


class FolderAway(StoreUnavailable):
    pass


class StoreFull(StoreError):
    pass


class StoreUncertain(StoreError):
    pass


class Unstorable(StoreError):
    pass


class NameRefused(StoreError):
    pass


class StagedBytesLost(StoreError):
    pass


class CollectionUnknown(StoreError):
    pass


class ObjectExists(StoreError):
    pass


class ObjectUnknown(StoreError):
    pass


_FULL = {errno.ENOSPC, errno.EDQUOT}
# Of something that is to be read: it is a link, a folder or a pipe; or it is there, but closed to us, or rots. A store that is away says
# otherwise, or says it of its sentinel too.
NO_FILE = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ENODEV})
OF_ONE = NO_FILE | {errno.EACCES, errno.EPERM, errno.EIO}
_OF_THE_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}


def from_os_error(exc: OSError, *, naming: bool = False, writing: bool = False) -> StoreError:
    """The store's error for an operating system error that is no special case where it came up.

    What `init_store` saw working (links, folders) says by failing something of the store and not of this file: it may pass.
    `naming`: of a call with the name that its sender chose. `writing`: of one that made the file longer.
    """
    cause = errno.errorcode.get(exc.errno, "unknown")
    if exc.errno in _FULL:
        return StoreFull(cause)
    if writing and exc.errno == errno.EFBIG:
        return Unstorable(cause)
    if naming and exc.errno in _OF_THE_NAME:
        return NameRefused(cause)
    return StoreUnavailable(cause)


@contextlib.contextmanager
def translated(missing: type[Exception] = StoreUnavailable) -> Iterator[None]:
    """OSError → StoreError; FileNotFoundError → `missing`."""
    try:
        yield
    except FileNotFoundError as exc:
        raise missing from exc
    except OSError as exc:
        raise from_os_error(exc) from exc
