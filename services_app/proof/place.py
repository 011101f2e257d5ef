"""The store that the ledger is held against, also where the database knows of none (any more)."""

from django.conf import settings

from services_app.store import prepare
from services_app.store.current import current_store
from services_app.store.errors import StoreUnavailable
from services_app.store.nas import LocalFileSystemStorage


def store() -> LocalFileSystemStorage:
    """That of the database; else the one at NAS_ROOT, whichever it is. Raises StoreUnavailable where there is none."""
    known = current_store()
    if known.store_id is not None:
        return known
    try:
        with prepare.opened(settings.NAS_ROOT) as root_fd:
            found = prepare.identity(root_fd)
    except prepare.Unfit as exc:
        raise StoreUnavailable from exc
    return LocalFileSystemStorage(settings.NAS_ROOT, found, tries=False)
