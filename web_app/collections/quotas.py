"""How much may be stored at all, and how much of that is left? The token says how far, the services tier counts (ADR 0041)."""

import logging
from collections.abc import Iterable

from web_app.accounts.models import User
from web_app.collections.models import Collection
from web_app.storage.driver import RemoteStorageDriver
from web_app.storage.errors import StorageError
from web_app.storage.internal_api import prompt_api
from web_app.tokens.claims import Quota

log = logging.getLogger("sluice.collections")


def of(person: User, collection: Collection) -> tuple[Quota, ...]:
    """All that hold for what this person sends there."""
    limits = {
        ("collection", "bytes"): collection.quota_bytes,
        ("collection", "objects"): collection.quota_objects,
        ("person", "bytes"): person.quota_bytes,
        ("person", "objects"): person.quota_objects,
        ("person_here", "bytes"): collection.quota_bytes_each,
        ("person_here", "objects"): collection.quota_objects_each,
    }
    return tuple(Quota(scope, unit, limit) for (scope, unit), limit in limits.items() if limit is not None)


def left(person: User, collections: Iterable[Collection]) -> dict[str, dict[Quota, int | None]]:
    """What is left of each, by the collection's slug, as the services tier counts at this moment; None where it cannot be asked."""
    quotas = {collection.slug: of(person, collection) for collection in collections}
    asked = [slug for slug, each in quotas.items() if each]
    try:
        used = RemoteStorageDriver(prompt_api()).used(person.uploader_id, asked) if asked else {}
    except StorageError as exc:
        log.warning("quotas unknown", extra={"code": exc.code})
        used = None
    return {slug: {quota: _left(quota, slug, used) for quota in each} for slug, each in quotas.items()}


def _left(quota: Quota, slug: str, used: dict | None) -> int | None:
    if used is None:
        return None
    return max(quota.limit - used[quota.of, None if quota.of == "person" else slug][quota.unit], 0)
