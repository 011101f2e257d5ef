"""What can go wrong in the store. Views translate these; the store knows no HTTP.

StoreError
├── StoreUnavailable    the NAS is absent, another one, or failing: nothing was written under a final name; it may pass
├── StoreFull           ENOSPC or EDQUOT, which may first appear at fsync or close
├── StoreUncertain      neither success nor failure (the last directory fsync failed): `recover` finds out
├── Unstorable          the store will never take this, for its name, its size or its place: nothing is visible
├── StagedBytesLost     staging holds fewer bytes than were acknowledged, or no file: the upload cannot go on
├── CollectionUnknown   the store has no such collection
├── ObjectExists        the final name is taken, by what is not known to be ours: nothing was overwritten
└── ObjectUnknown       no such object

Which errno means which: docs/adr/0016-what-an-errno-means.md.
"""

import errno


class StoreError(Exception):
    """Base of all; never raised itself. Its text is a cause for operators, without names and paths."""


class StoreUnavailable(StoreError):
    pass


class StoreFull(StoreError):
    pass


class StoreUncertain(StoreError):
    pass


class Unstorable(StoreError):
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
_NEVER = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EFBIG, errno.EXDEV, errno.EMLINK}
# Of a call that gives a name; elsewhere they say something else.
_NEVER_UNDER_THIS_NAME = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}


def from_os_error(exc: OSError, *, naming: bool = False) -> StoreError:
    """The store's error for an operating system error that is no special case where it came up.

    `naming`: of a call that gave a file its final name.
    """
    cause = errno.errorcode.get(exc.errno, "unknown")
    if exc.errno in _FULL:
        return StoreFull(cause)
    if exc.errno in _NEVER or (naming and exc.errno in _NEVER_UNDER_THIS_NAME):
        return Unstorable(cause)
    return StoreUnavailable(cause)
