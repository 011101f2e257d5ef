"""Metadata of what is stored on the services tier.

There is no save and no open: no file byte comes this way (invariant 1).
"""

import datetime
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from web_app.storage.errors import ObjectUnknown, StorageAnswerBad
from web_app.storage.internal_api import InternalApi, internal_api

_PAGE = 1000


@dataclass(frozen=True)
class ObjectMetadata:
    """`size` in bytes; `sha256` as `sha256sum` prints it."""

    upload_id: uuid.UUID
    collection: str
    size: int
    sha256: str
    media_type: str
    stored_at: datetime.datetime


class RemoteStorageDriver:
    """Every method may raise StorageUnreachable, StorageRefused or StorageAnswerBad."""

    def __init__(self, api: InternalApi | None = None):
        self._api = api or internal_api()

    def exists(self, upload_id: uuid.UUID) -> bool:
        try:
            self.metadata(upload_id)
        except ObjectUnknown:
            return False
        return True

    def size(self, upload_id: uuid.UUID) -> int:
        """Bytes. Raises ObjectUnknown."""
        return self.metadata(upload_id).size

    def metadata(self, upload_id: uuid.UUID) -> ObjectMetadata:
        """Raises ObjectUnknown."""
        answer = self._api.ask("GET", f"objects/{upload_id}")
        try:
            return ObjectMetadata(
                upload_id=uuid.UUID(answer["upload_id"]),
                collection=str(answer["collection"]),
                size=int(answer["size"]),
                sha256=str(answer["sha256"]),
                media_type=str(answer["media_type"]),
                stored_at=datetime.datetime.fromisoformat(answer["stored_at"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise StorageAnswerBad from exc

    def list(self, collection: str) -> Iterator[uuid.UUID]:
        """Every object of a collection, oldest first, a page at a time. `collection` is a slug."""
        after: str | None = None
        while True:
            query = {"limit": str(_PAGE), **({"after": after} if after else {})}
            answer = self._api.ask("GET", f"collections/{collection}/objects", query)
            try:
                page, following = [uuid.UUID(one) for one in answer["objects"]], answer["next"]
            except (KeyError, TypeError, ValueError, AttributeError) as exc:
                raise StorageAnswerBad from exc
            yield from page
            if following is None:
                return
            if not page or following == after:
                raise StorageAnswerBad
            after = following

    def add_collection(self, slug: str) -> None:
        """Have a collection's folder made. One that is there already is as good."""
        self._api.ask("PUT", f"collections/{slug}")

    def delete(self, upload_id: uuid.UUID) -> None:
        """Raises ObjectUnknown."""
        self._api.ask("DELETE", f"objects/{upload_id}")
