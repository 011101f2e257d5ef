"""The store that this process serves."""

from functools import lru_cache

from django.conf import settings

from .models import StoreIdentity
from .nas import LocalFileSystemStorage


def current_store() -> LocalFileSystemStorage:
    """The configured store. Before `init_store` it has no identity, and every use raises StoreUnavailable."""
    store = _store()
    if store.store_id is None:
        identity = StoreIdentity.objects.first()
        store.store_id = identity and identity.store_id
    return store


@lru_cache(maxsize=1)
def _store() -> LocalFileSystemStorage:
    # Where bodies come in, nginx has asked the control listener a moment ago, which tried.
    # All that it does there needs the store, and there are no more of it than places; the control listener answers much that does not.
    is_control = settings.LISTENER != "uploads"
    most_waiting = max(1, settings.CONTROL_THREADS // 2) if is_control else None
    return LocalFileSystemStorage(settings.NAS_ROOT, None, tries=is_control, most_waiting=most_waiting)
