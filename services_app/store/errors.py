"""What can go wrong in the store. Views translate these; the store knows no HTTP.

StoreError
├── StoreUnavailable    the NAS is absent, another one, or failing: nothing was written under a final name
├── StoreFull           ENOSPC or EDQUOT, which may first appear at fsync or close
├── StoreUncertain      the last directory fsync failed: neither success nor failure; `recover` finds out
├── StagedBytesLost     staging holds fewer bytes than were acknowledged: the upload cannot go on
├── CollectionUnknown   the store has no such collection
├── ObjectExists        the final name is taken: nothing was overwritten
└── ObjectUnknown       no such object
"""

import errno


class StoreError(Exception):
    """Base of all; never raised itself."""


class StoreUnavailable(StoreError):
    pass


class StoreFull(StoreError):
    pass


class StoreUncertain(StoreError):
    pass


class StagedBytesLost(StoreError):
    pass


class CollectionUnknown(StoreError):
    pass


class ObjectExists(StoreError):
    pass


class ObjectUnknown(StoreError):
    pass


def from_os_error(exc: OSError) -> StoreError:
    """The store's error for an operating system error that is no special case where it came up."""
    return StoreFull() if exc.errno in (errno.ENOSPC, errno.EDQUOT) else StoreUnavailable()
