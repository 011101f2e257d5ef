"""Metadata of what is stored on the services tier.

There is no save and no open: no file byte comes this way (invariant 1).
"""

import datetime
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from web_app.storage.errors import ObjectUnknown, StorageAnswerBad
from web_app.storage.internal_api import InternalApi, internal_api

_PAGE = 1000
_SLUGS = 50  # in one question: a request line has room for so many


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

    def used(self, person: str | None, collections: Sequence[str] = ()) -> dict[tuple[str, str | None], dict[str, int]]:
        """The `bytes` and `objects` that are stored and under way: ("person", None) of a person (an uploader id) everywhere,
        ("collection", slug) of all in a collection, ("person_here", slug) of the person in it.
        """
        found = {}
        for begin in range(0, max(len(collections), 1), _SLUGS):
            slugs = collections[begin : begin + _SLUGS]
            answer = self._api.ask("GET", "usage", ({"sub": person} if person else {}) | {"collection": slugs})
            try:
                scopes = {(of, slug): used for slug in slugs for of, used in answer["collections"][slug].items()}
                scopes |= {("person", None): answer["person"]} if person else {}
                found |= {scope: {unit: int(used[unit]) for unit in ("bytes", "objects")} for scope, used in scopes.items()}
            except (KeyError, TypeError, ValueError, AttributeError) as exc:
                raise StorageAnswerBad from exc
        return found

    def delete(self, upload_id: uuid.UUID) -> None:
        """Raises ObjectUnknown."""
        self._api.ask("DELETE", f"objects/{upload_id}")
