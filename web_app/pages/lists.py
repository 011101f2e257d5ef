"""Which uploads a list shows: by collection, person, state and date, in which order, which page. Names are not here to be asked for.

Whose uploads those may be (one's own; those of a collection that one coordinates) is decided before.
The cost is that of what is shown, not of all that is there.
"""

import datetime
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import merge
from itertools import islice
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet, Value
from django.http import Http404, HttpRequest, QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from web_app.accounts.models import User
from web_app.collections.models import Collection
from web_app.grants import ends
from web_app.grants.models import Grant, StoredUpload
from web_app.grants.states import State
from web_app.grants.views import shown, shown_upload
from web_app.pages import zones
from web_app.pages.zones import UTC

PAGE = 50  # rows; the names of so many are asked for at once
EXPORTED_AT_ONCE = 500  # rows
MOST = 10_000  # rows that the pages of one list go through

# Whose uploads: {"uploader": a person}, {"collection": a collection}, or both. Grants and what they brought can be asked so alike.
Whose = dict[str, object]

# The words; by which columns each of the two models is read (an index of grants/models.py has them); and how parts that come so are
# merged: each key is (kind, id, moment, bytes).
_LATEST = {Grant: ("-created_at", "-pk"), StoredUpload: ("-durable_at", "-pk")}
_LARGEST = {Grant: (F("declared_size").desc(nulls_last=True), *_LATEST[Grant]), StoredUpload: ("-size", *_LATEST[StoredUpload])}
_EARLIEST = {Grant: ("created_at", "pk"), StoredUpload: ("durable_at", "pk")}
ORDERS = {
    "newest": (_("Newest first"), _LATEST, lambda key: (-key[2].timestamp(), -key[1].int)),
    "oldest": (_("Oldest first"), _EARLIEST, lambda key: (key[2], key[1].int)),
    "largest": (_("Largest first"), _LARGEST, lambda key: (-(key[3] or 0), -key[2].timestamp(), -key[1].int)),
    "collection": (_("By collection"), _LATEST, None),  # one after the other, each with its newest first
}

# What may be asked for by state; what brought nothing ended in one of many ways (ends.py).
STATES = {"stored": _("Stored and verified"), "unfinished": _("Not finished yet"), "nothing": _("Ended, nothing stored")}

# The one vocabulary for states; static/pages/messages.js says the same words (tests/web_app/test_history.py).
STATE_TEXTS = {State.ISSUED: _("Not finished yet"), State.COMPLETE: _("Stored and verified"), State.CANCELLED: ends.WORDS[ends.CANCELLED]}


@dataclass(frozen=True)
class Wanted:
    """What a list was asked for. Days are those of `zone`, as the page's times are."""

    collection: str = ""
    person: str = ""  # an uploader id
    state: str = ""
    since: datetime.date | None = None
    until: datetime.date | None = None
    zone: str = UTC
    order: str = "newest"
    page: int = 1

    @classmethod
    def read(cls, query: QueryDict) -> "Wanted":
        """Raises Http404 for what makes no sense."""
        try:
            since, until = (
                datetime.date.fromisoformat(text) if (text := query.get(name)) else None for name in ("since", "until")
            )
            if any(day is not None and not 1900 <= day.year <= 9000 for day in (since, until)):
                raise ValueError("no day of an upload")
            page = int(query.get("page") or 1)
        except ValueError as exc:
            raise Http404 from exc
        order, zone = query.get("order") or "newest", query.get("zone") or UTC
        state, texts = query.get("state", ""), (query.get("collection", ""), query.get("person", ""))
        if any("\0" in text for text in texts):  # PostgreSQL takes none
            raise Http404
        if order not in ORDERS or state not in ("", *STATES) or not zones.is_known(zone) or not 1 <= page <= 10**6:
            raise Http404
        return cls(*texts, state, since, until, zone, order, page)

    @property
    def days(self) -> bool:
        return self.since is not None or self.until is not None

    def query(self, **changed) -> str:
        """As the query of an address, with its question mark; what says nothing is left out, and all of it is nothing."""
        one = replace(self, **changed)
        said = {
            "collection": one.collection,
            "person": one.person,
            "state": one.state,
            "since": one.since,
            "until": one.until,
            "zone": one.zone,
            "order": one.order,
            "page": one.page,
        }
        told = urlencode({name: value for name, value in said.items() if value not in ("", None, UTC, "newest", 1)})
        return f"?{told}" if told else ""


@dataclass(frozen=True)
class Listed:
    """`count` goes up to MOST; with `more` there are others, which no page shows: say which day, or which collection."""

    rows: list[dict]
    count: int
    pages: int
    more: bool


def listed(whose: Whose, wanted: Wanted) -> Listed:
    """One page of what is theirs, or is not stored. Raises Http404 for a page that there is not."""
    parts = _parts(whose, wanted)
    count = 0
    for part in parts:
        count += part[: MOST + 1 - count].count() if count <= MOST else 0
    pages = max(1, -(-min(count, MOST) // PAGE))
    if wanted.page > pages:
        raise Http404
    end = wanted.page * PAGE
    keys = islice(_keys(whose, wanted, end), end - PAGE, end)
    return Listed(_rows(keys), min(count, MOST), pages, count > MOST)


def context(request: HttpRequest, found: Listed, wanted: Wanted) -> dict:
    """Of a page that shows a list, and what it can be asked for."""
    return {
        "person": request.user.uploader_id,
        "wanted": wanted,
        "found": found,
        "rows": found.rows,
        "filtered": wanted.query(zone=UTC, page=1) != "",
        "orders": [(name, words) for name, (words, *_) in ORDERS.items()],
        "states": STATES.items(),
        "newer": request.path + wanted.query(page=wanted.page - 1) if wanted.page > 1 else None,
        "older": request.path + wanted.query(page=wanted.page + 1) if wanted.page < found.pages else None,
    }


def every(whose: Whose, wanted: Wanted) -> Iterator[dict]:
    """All of it, as the list has it, for a file of any length."""
    keys = _keys(whose, wanted)
    while some := list(islice(keys, EXPORTED_AT_ONCE)):
        yield from _rows(some)


def stored(whose: Whose, wanted: Wanted) -> QuerySet[StoredUpload]:
    """The stored ones of it."""
    if wanted.state not in ("", "stored"):
        return StoredUpload.objects.none()
    return _between(_stored_of(_narrowed(whose, wanted)), wanted)


def recent(person: User, number: int) -> list[dict]:
    """Without what was given up, such as a file of the wrong type: the page has just said so, and nothing is stored."""
    whose = {"uploader": person}
    given_up = _grants_of(whose, State.CANCELLED)
    lately = list(given_up.order_by("-created_at").values_list("pk", flat=True)[:PAGE])
    brought = given_up.filter(Exists(StoredUpload.objects.filter(grant=OuterRef("pk"))), pk__in=lately)
    parts = [_stored_of(whose), _grants_of(whose, State.ISSUED), _grants_of(whose, State.EXPIRED), brought]
    return _rows(islice(_merged(parts, "newest", number), number))


def open_grants(person: User) -> list[uuid.UUID]:
    """Those of the page's own under which something unfinished may wait, the newest: as many as are asked about at once."""
    lately = timezone.now() - datetime.timedelta(days=settings.GRANT_LAST_DAY)
    found = []
    for state in (State.ISSUED, State.EXPIRED):
        grants = _grants_of({"uploader": person}, state).filter(api_key=None, created_at__gt=lately, revocation=None)
        found += grants.order_by("-created_at").values_list("pk", flat=True)[:PAGE]
    return sorted(found, reverse=True)[:PAGE]


def collections_of(person: User) -> QuerySet[Collection]:
    """In which there is anything of this person's, also where no more may be sent."""
    return Collection.objects.filter(Exists(Grant.objects.filter(uploader=person, collection=OuterRef("pk")))).order_by("title")


def people_of(collection: Collection) -> QuerySet[User]:
    """Who sent, or was to send, any of it."""
    return User.objects.filter(Exists(Grant.objects.filter(collection=collection, uploader=OuterRef("pk")))).order_by("username")


def _narrowed(whose: Whose, wanted: Wanted) -> Whose:
    """To the collection and the person that are wanted; to nobody, where there is none, or where it is not one of these."""
    asked = {}
    if wanted.collection:
        asked["collection"] = Collection.objects.filter(slug=wanted.collection).first()
    if wanted.person:
        asked["uploader"] = User.objects.filter(uploader_id=wanted.person).first()
    if any(one is None or whose.get(name, one) != one for name, one in asked.items()):
        return {"pk__in": ()}
    return {**whose, **asked}


def _keys(whose: Whose, wanted: Wanted, most: int | None = None) -> Iterator[tuple]:
    """(what it is, its id, …) of a row for each file that is stored, and of one for each grant that may bring some, or brought none;
    of `most`, if no more are looked at.
    """
    if wanted.order != "collection":
        yield from _merged(_parts(whose, wanted), wanted.order, most)
        return
    whose = _narrowed(whose, wanted)
    here = Exists(Grant.objects.filter(**whose, collection=OuterRef("pk")))
    for collection in Collection.objects.filter(here).order_by("title", "pk"):
        yield from _merged(_parts({**whose, "collection": collection}, wanted), "newest", most)


def _merged(parts: list[QuerySet], order: str, most: int | None) -> Iterator[tuple]:
    """Each part comes by its index, in this order, so that no more of it is read than is shown."""
    _, ordering, sorting = ORDERS[order]
    keys = [part.order_by(*ordering[part.model]).values_list("kind", "pk", "moment", "bytes") for part in parts]
    read = [part[:most].iterator() if most else part.iterator(chunk_size=EXPORTED_AT_ONCE) for part in keys]
    return merge(*read, key=sorting)


def _parts(whose: Whose, wanted: Wanted) -> list[QuerySet]:
    """What comes from one index each: what is stored, and grants by their state, which is why nothing more is expected of some."""
    whose = _narrowed(whose, wanted)
    stored, is_open = _stored_of(whose), _grants_of(whose, State.ISSUED)
    ended = [_grants_of(whose, state) for state in (State.CANCELLED, State.EXPIRED)]
    over = _is_over()
    chosen = {
        "": [stored, is_open, *ended],
        "stored": [stored],
        "unfinished": [is_open.exclude(over)],
        "nothing": [is_open.filter(over), *ended],
    }[wanted.state]
    return [_between(part, wanted) for part in chosen]


def _stored_of(whose: Whose) -> QuerySet[StoredUpload]:
    return StoredUpload.objects.filter(**whose).order_by().annotate(kind=Value("upload"), moment=F("durable_at"), bytes=F("size"))


def _grants_of(whose: Whose, state: State) -> QuerySet[Grant]:
    grants = Grant.objects.filter(**whose, state=state).order_by()
    return grants.annotate(kind=Value("grant"), moment=F("created_at"), bytes=F("declared_size"))


def _is_over() -> Q:
    """Of an open one, as ends.py says it."""
    nothing_came = ~Exists(StoredUpload.objects.filter(grant=OuterRef("pk")))
    return Q(expires_at__lte=timezone.now()) | (~Q(refused="") & nothing_came)


def _between(rows: QuerySet, wanted: Wanted) -> QuerySet:
    if wanted.since:
        rows = rows.filter(moment__gte=zones.midnight(wanted.since, wanted.zone))
    if wanted.until:
        rows = rows.filter(moment__lt=zones.midnight(wanted.until + datetime.timedelta(days=1), wanted.zone))
    return rows


def _rows(keys) -> list[dict]:
    found: dict[str, list[uuid.UUID]] = {"upload": [], "grant": []}
    keys = [(kind, key) for kind, key, *_ in keys]
    for kind, key in keys:
        found[kind].append(key)
    uploads = StoredUpload.objects.select_related("grant__collection", "grant__uploader").in_bulk(found["upload"])
    newest = Prefetch("stored", StoredUpload.objects.order_by("-durable_at", "-pk")[:1], to_attr="newest")
    grants = Grant.objects.select_related("collection", "uploader", "revocation").prefetch_related(newest).in_bulk(found["grant"])
    return [_stored(uploads[key]) if kind == "upload" else _unstored(grants[key]) for kind, key in keys]


def _stored(upload: StoredUpload) -> dict:
    said = shown_upload(upload)
    # A path, not the API's absolute URL: the page is right wherever the browser found it.
    path = said["receipt_url"].removeprefix(settings.PUBLIC_URL)
    done = {"state": State.COMPLETE, "state_text": STATE_TEXTS[State.COMPLETE], "moment": upload.durable_at}
    return {**said, **done, **_common(upload.grant), "receipt_path": path}


def _unstored(grant: Grant) -> dict:
    said, end = shown(grant, newest=grant.newest), ends.of(grant, bool(grant.newest))
    text = ends.WORDS[end] if end else STATE_TEXTS[State.ISSUED]
    if ends.was_refused(end):
        said["state"] = "refused"
    nothing = {"sha256": None, "receipt_path": None, "upload_id": None}
    return {**said, **nothing, **_common(grant), "moment": grant.created_at, "state_text": text}


def _common(grant: Grant) -> dict:
    collection = {"collection": grant.collection.slug, "collection_title": grant.collection.title}
    return {"grant_id": str(grant.id), **collection, "uploader": grant.uploader}
