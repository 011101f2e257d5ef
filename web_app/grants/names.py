"""Names for who may see them: which of the uploads that somebody asks about are theirs, or of a collection that they coordinate, and a
token to ask the services tier with.

Neither the question nor the answer goes through this tier, and nothing of it is kept.
"""

import datetime
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from web_app.accounts.models import User
from web_app.audit.models import Action
from web_app.audit.record import Who, record
from web_app.collections.models import Collection
from web_app.collections.policies import coordinated_by
from web_app.config import errors
from web_app.grants import browsers, daily, policies, revoking
from web_app.grants.keys import token_signer
from web_app.grants.models import Grant, StoredUpload
from web_app.tokens.claims import cookie_digest
from web_app.tokens.names import MAX_IDS, NamesClaims


@dataclass(frozen=True)
class Asked:
    """Ids of grants, and of uploads that are stored. Raises RequestMalformed for more than MAX_IDS."""

    grants: frozenset[uuid.UUID]
    uploads: frozenset[uuid.UUID]

    def __post_init__(self) -> None:
        if len(self.grants) + len(self.uploads) > MAX_IDS:
            raise errors.RequestMalformed(f"At most {MAX_IDS} ids at once.")

    def visible_to(self, person: User, collection: Collection | None = None) -> "Asked":
        """What is `person`'s own; with a collection that they coordinate, what is in that."""
        visible = policies.sent_to(collection) if collection is not None else policies.visible_to(person)
        return self._among(visible, StoredUpload.objects.filter(grant__in=visible))

    def known(self) -> "Asked":
        return self._among(Grant.objects.all(), StoredUpload.objects.all())

    def _among(self, grants: QuerySet[Grant], uploads: QuerySet[StoredUpload]) -> "Asked":
        found = zip((grants, uploads), (self.grants, self.uploads), strict=True)
        return Asked(*(frozenset(rows.filter(pk__in=ids).order_by().values_list("pk", flat=True)) for rows, ids in found))


def overseen(person: User, slug: str | None) -> Collection | None:
    """The collection that is asked about as its coordinator; None where somebody asks about their own. Raises CollectionForbidden."""
    if slug is None:
        return None
    collection = coordinated_by(person).filter(slug=slug).first()
    if collection is None:
        raise errors.CollectionForbidden
    return collection


def permit(
    person: User, asked: Asked, *, binding: str, sign_in: str, who: Who, collection: Collection | None = None
) -> tuple[str, datetime.datetime]:
    """A token for the names of what of these is this person's, or in the collection that they coordinate, and its end. What is not is left
    out. `sign_in`: see browsers.py. Names of what others sent are asked for in the audit.

    Raises NotFound where nothing is left, and CollectionForbidden for who coordinates it no longer.
    """
    own = asked.visible_to(person, collection)
    if not own.grants and not own.uploads:
        raise errors.NotFound
    now = timezone.now().replace(microsecond=0)
    said = NamesClaims(
        issuer=settings.TOKEN_ISSUER,
        audience=settings.TOKEN_AUDIENCE,
        issued_at=int(now.timestamp()),
        subject=person.uploader_id,
        cookie_sha256=cookie_digest(binding),
        grants=tuple(map(str, own.grants)),
        uploads=tuple(map(str, own.uploads)),
        collection=collection.slug if collection is not None else None,
    )
    until = datetime.datetime.fromtimestamp(said.expires, datetime.UTC)
    with transaction.atomic():
        browsers.note(binding, person, until, sign_in)
        if collection is not None:
            daily.count_one(person)
            browsers.note_overseen(binding, collection, until)
            record(who, Action.NAMES_READ, "collection", collection.slug)
    # Behind the commit: who lost the role meanwhile was not seen to have a token of it.
    if collection is not None and not coordinated_by(person).filter(pk=collection.pk).exists():
        revoking.sweep()
        raise errors.CollectionForbidden
    return token_signer().sign(said), until
