"""Permission ends when it ends: which grants have lost theirs, and what the services tier has to be told (ADR 0028).

Why a grant ends is asked of the database, not of whoever changed something: so it makes no difference where it was changed, and
what only time ends (an API key) is found as well. `sweep` runs in the transaction of the change, again behind its commit (for a
grant that was issued meanwhile), and with every round of `reconcile`.
"""

import datetime
import logging
import operator
from collections.abc import Iterator
from functools import reduce

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils import timezone

from web_app.accounts.models import ApiKey
from web_app.audit import security
from web_app.audit.models import Action
from web_app.audit.record import COMMAND, record
from web_app.collections.models import Membership
from web_app.config.errors import WebBusy
from web_app.config.places import TELLING
from web_app.grants.models import Browser, Grant, HandedOut, Overseen, Revocation, StoredUpload
from web_app.grants.states import State
from web_app.storage.errors import StorageAnswerBad, StorageError
from web_app.storage.internal_api import InternalApi, prompt_api

logger = logging.getLogger(__name__)

# A request that runs at a token's end may go on to its own deadline (UPLOAD_DEADLINE, a day); then nothing can come any more.
LATE = datetime.timedelta(hours=48)
AT_ONCE_FORGOTTEN = 500  # grants, in one transaction
AT_ONCE_TAKEN = 200  # grants, or tokens, in one statement
# Why permission ended.
CANCELLED, PERSON, COLLECTION, MEMBERSHIP = "cancelled", "person", "collection", "membership"
LAST_DAY, API_KEY, API_KEY_SCOPE = "last_day", "api_key", "api_key_scope"
AT_ONCE = 15  # in one request, as many as the services tier takes


def open_grants() -> QuerySet[Grant]:
    """Those under which bytes may still come, as far as nobody was told otherwise."""
    lately = Q(state__in=[State.CANCELLED, State.EXPIRED], expires_at__gt=timezone.now() - LATE)
    return Grant.objects.filter(Q(state=State.ISSUED) | lately, revocation__isnull=True)


def ended() -> QuerySet[Grant]:
    """Open grants whose permission has ended, with the `cause`."""
    now = timezone.now()
    member = Membership.objects.filter(user=OuterRef("uploader"), collection=OuterRef("collection"), may_upload=True)
    causes = {
        CANCELLED: Q(state=State.CANCELLED),
        PERSON: Q(uploader__is_active=False),
        COLLECTION: Q(collection__active=False),
        MEMBERSHIP: ~Exists(member),
        LAST_DAY: Q(created_at__lte=now - _days(), expires_at__gt=now),  # it was brought forward
        **_ends_of_a_key("collection"),
    }
    cause = Case(*(When(holds, then=Value(name)) for name, holds in causes.items()), default=Value(""))
    return open_grants().annotate(cause=cause).exclude(cause="")


def handed_out_in_vain() -> QuerySet[HandedOut]:
    """Tokens of open grants that a key was given which has ended since, or may no longer go there."""
    lost = reduce(operator.or_, _ends_of_a_key("grant__collection").values())
    return HandedOut.objects.filter(lost, grant__in=open_grants(), until__gt=timezone.now() - LATE)


def overseen_in_vain() -> QuerySet[Overseen]:
    """Tokens for the names in a collection that somebody was given who coordinates it no longer."""
    coordinator = Membership.objects.filter(user=OuterRef("browser__person"), collection=OuterRef("collection"), coordinates=True)
    return Overseen.objects.filter(~Exists(coordinator), until__gt=timezone.now())


def _ends_of_a_key(collection: str) -> dict[str, Q]:
    """Why what `api_key` asked for has ended, for rows that lead to their collection by this name."""
    scope = ApiKey.collections.through.objects.filter(apikey=OuterRef("api_key"))
    return {
        API_KEY: Q(api_key__revoked_at__isnull=False) | Q(api_key__expires_at__lte=timezone.now()),
        API_KEY_SCOPE: Exists(scope) & ~Exists(scope.filter(collection=OuterRef(collection))),
    }


def sweep() -> int:
    """Take back every grant whose permission has ended, and of others the tokens that nobody may hold any more; returns how many
    grants. The services tier is told behind the commit.
    """
    with transaction.atomic():
        # Of who may not sign in any more: a token for names is bound to a browser and to no grant.
        gone = Browser.objects.filter(person__is_active=False, until__gt=timezone.now() - LATE)
        end_browsers(gone.exclude(digest__in=Revocation.objects.filter(browser__isnull=False).values("browser")))
        in_vain = overseen_in_vain()
        end_browsers(Browser.objects.filter(pk__in=in_vain.values("browser")))
        in_vain.delete()
        found = list(ended().select_related("uploader").select_for_update(of=("self",)).order_by("id"))
        for some in _pieces(found):
            _take_back_together(some)
        tokens = list(handed_out_in_vain().order_by("id"))
        for some in _pieces(tokens):
            Revocation.objects.bulk_create([Revocation(token=str(token), until=token.until) for token in some], ignore_conflicts=True)
            HandedOut.objects.filter(pk__in=[token.pk for token in some]).delete()
        if found or tokens:
            tell_behind_the_commit()
    return len(found)


def _take_back_together(grants: list[Grant]) -> None:
    """`take_back` of those that have a `cause`, in few statements: they may be many, and everybody waits for the database."""
    # Asked again, now that their rows are ours: somebody else may have been quicker.
    known = set(Revocation.objects.filter(grant__in=[grant.pk for grant in grants]).values_list("grant_id", flat=True))
    grants = [grant for grant in grants if grant.pk not in known]
    for cause in {grant.cause for grant in grants}:
        issued = [grant for grant in grants if grant.cause == cause and grant.state == State.ISSUED]
        for grant in issued:
            grant.move_to(State.CANCELLED)
        Grant.objects.filter(pk__in=[grant.pk for grant in issued]).update(state=State.CANCELLED, end=cause)
    Revocation.objects.bulk_create([Revocation(grant=grant, until=grant.expires_at) for grant in grants])
    for grant in grants:
        record(COMMAND, Action.GRANT_REVOKED, "grant", grant.id, [grant.cause], person=grant.uploader)


def _pieces(rows: list) -> Iterator[list]:
    return (rows[at : at + AT_ONCE_TAKEN] for at in range(0, len(rows), AT_ONCE_TAKEN))


def take_back(grant: Grant, cause: str) -> None:
    """Only inside a transaction that read this row for update. What is stored already stays, and its receipt is taken."""
    if grant.state == State.ISSUED:
        grant.move_to(State.CANCELLED)
        grant.end = cause
        grant.save(update_fields=["state", "end"])
    Revocation.objects.get_or_create(grant=grant, defaults={"until": grant.expires_at})


def end_browsers(found: QuerySet[Browser]) -> int:
    """Tokens that are bound to these are worth nothing any more; their uploads go on where the person signs in again. Returns how many
    had not ended before.
    """
    with transaction.atomic():
        known = Revocation.objects.filter(browser__isnull=False).values("browser")
        ended = list(found.exclude(digest__in=known).select_for_update().order_by("digest"))
        # Together: they may be many, and everybody waits for the database.
        Revocation.objects.bulk_create([Revocation(browser=one.digest, until=one.until) for one in ended], ignore_conflicts=True)
        if ended:
            tell_behind_the_commit()
    return len(ended)


def untold() -> QuerySet[Revocation]:
    return Revocation.objects.filter(heard_at=None)


def tell(api: InternalApi) -> int:
    """Tell the services tier of the newest revocations that it has not heard of; returns how many. Raises StorageError."""
    rows = list(untold().order_by("-id")[:AT_ONCE])
    if rows:
        until = str(int(max(row.until for row in rows).timestamp()) + 1)
        api.ask("PUT", "revocations", {"until": until, **_named(rows)})
        same = reduce(operator.or_, (Q(pk=row.pk, until=row.until) for row in rows))  # one that lasts longer by now is told again
        Revocation.objects.filter(same).update(heard_at=timezone.now())
    return len(rows)


def remind(api: InternalApi) -> None:
    """Say everything that still matters again where the services tier has forgotten some of it: its database is an older copy then,
    and lacks what was said last before. Asked about are the newest, and others by lot, for it may have heard some since. Raises
    StorageError.
    """
    heard = Revocation.objects.filter(heard_at__isnull=False, until__gt=timezone.now())
    for some in (heard.order_by("-heard_at", "-id")[:AT_ONCE], heard.order_by("?")[:AT_ONCE]):
        if forgotten := _forgotten(api, list(some)):
            logger.warning("revocations_forgotten", extra={"count": forgotten})
            Revocation.objects.filter(until__gt=timezone.now() - LATE).update(heard_at=None)
            return


def _forgotten(api: InternalApi, rows: list[Revocation]) -> int:
    """How many of these the services tier does not know. Raises StorageError."""
    if not rows:
        return 0
    named = _named(rows)
    try:
        known = set(api.ask("GET", "revocations", named)["revoked"])
    except (KeyError, TypeError) as exc:
        raise StorageAnswerBad from exc
    return len({subject for subjects in named.values() for subject in subjects} - known)


def _named(rows: list[Revocation]) -> dict[str, list[str]]:
    """As the internal API wants to hear of them."""
    return {
        "grant": [str(row.grant_id) for row in rows if row.grant_id is not None],
        "token": [row.token for row in rows if row.token is not None],
        "browser": [row.browser for row in rows if row.browser is not None],
    }


def tell_behind_the_commit() -> None:
    """Once for each transaction, however much it changes: a tier that is away keeps nobody waiting twice."""
    if tell_promptly not in (entry[1] for entry in transaction.get_connection().run_on_commit):
        transaction.on_commit(tell_promptly)


def _tell_all(api: InternalApi) -> None:
    while tell(api):
        pass


def tell_promptly() -> None:
    """Never raises: what was not heard is said again by `reconcile`, and shown as such meanwhile. Where others tell, who waits for them
    says ours as well.
    """
    try:
        with TELLING.taken():
            _tell_all(prompt_api())
    except WebBusy:
        logger.info("revocation_left_to_others")
    except StorageError as exc:
        logger.warning("revocation_not_heard", extra={"code": exc.code})
    except Exception:
        logger.error("revocation_not_heard", exc_info=True)


def catch_up(api: InternalApi) -> None:
    """One round of `reconcile`: find what ended, say what was not heard, forget what is long over. Raises StorageError."""
    sweep()
    _tell_all(api)
    remind(api)
    _tell_all(api)
    long_over = timezone.now() - LATE
    Revocation.objects.filter(until__lte=long_over, heard_at__isnull=False, grant=None).delete()
    Browser.objects.filter(until__lte=long_over).delete()
    HandedOut.objects.filter(until__lte=long_over).delete()
    security.forget_old()
    _forget_what_brought_nothing()
    _say_whose()


def _say_whose() -> None:
    """Of stored uploads that an earlier release filed while this one was being brought in: their columns of models.StoredUpload."""
    grant = Grant.objects.filter(pk=OuterRef("grant_id")).order_by()
    unsaid = StoredUpload.objects.filter(uploader=None)
    unsaid.update(uploader=Subquery(grant.values("uploader")), collection=Subquery(grant.values("collection")))


def _forget_what_brought_nothing() -> None:
    """Grants that ended long ago without a stored file, with what the services tier was told of them. The audit knows them still."""
    long_ago = timezone.now() - datetime.timedelta(days=settings.GRANT_RETENTION)
    told = Q(revocation=None) | Q(revocation__heard_at__isnull=False)
    over = Grant.objects.filter(told, state__in=[State.CANCELLED, State.EXPIRED], expires_at__lte=long_ago, stored=None).order_by()
    while some := list(over.values_list("pk", flat=True)[:AT_ONCE_FORGOTTEN]):
        with transaction.atomic():
            # Once more, in turn with a receipt that comes late: what it is for stays.
            held = list(Grant.objects.select_for_update(of=("self",)).filter(pk__in=some).order_by("pk").values_list("pk", flat=True))
            gone = list(over.filter(pk__in=held).values_list("pk", flat=True))
            Revocation.objects.filter(grant__in=gone).delete()
            Grant.objects.filter(pk__in=gone).delete()


def last_day(of: datetime.datetime) -> datetime.datetime:
    """No token goes beyond it, of a grant that began then."""
    return of + _days()


def _days() -> datetime.timedelta:
    return datetime.timedelta(days=settings.GRANT_LAST_DAY)
