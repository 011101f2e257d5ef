"""What became of grants whose receipt never came: the browser died, or the network between.

The services tier is asked about many at once; a receipt is verified like one that a browser hands in.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Iterator

from django.db import close_old_connections, connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from web_app.audit.record import COMMAND
from web_app.config.errors import Problem
from web_app.config.outage import is_of_the_database
from web_app.grants import actions, refusals, revoking
from web_app.grants.models import Grant
from web_app.grants.states import State
from web_app.storage.errors import ObjectUnknown, StorageAnswerBad, StorageError, StorageRefused, StorageUnreachable
from web_app.storage.internal_api import InternalApi

logger = logging.getLogger(__name__)

AT_ONCE = 20  # in one question, as many as the services tier takes
_SILENT_AT_MOST = 3
_AWAY_AT_MOST = 2


def waiting() -> QuerySet[Grant]:
    ended_lately = Q(state__in=[State.CANCELLED, State.EXPIRED], expires_at__gt=timezone.now() - revoking.LATE)
    return Grant.objects.filter(Q(state=State.ISSUED) | ended_lately).order_by("id")


def reconcile(api: InternalApi) -> tuple[Counter, dict[uuid.UUID, str]]:
    """Counts (asked, completed, expired, waiting, refused, failed), and why grants failed, each by itself.

    Raises StorageRefused, and StorageUnreachable when nothing answered for several grants one behind the other: then it is not
    about them. Likewise whatever the database raises the second time in a row: each of the others would wait as long.
    """
    try:
        revoking.catch_up(api)
    except (StorageUnreachable, StorageAnswerBad) as exc:
        # The next round says it again; it keeps no grant waiting.
        logger.warning("revocation_not_heard", extra={"code": exc.code})
    away = 0
    counts, causes, silent = Counter(asked=0, completed=0, expired=0, waiting=0, refused=0, failed=0), {}, 0
    # A list: each grant is settled in a transaction of its own, and no cursor may stay open across those.
    for grant, told in _told_together(api, list(waiting().select_related("uploader").prefetch_related("stored"))):
        counts["asked"] += 1
        try:
            counts[_settle(api, grant, told)] += 1
            silent = away = 0
        except StorageRefused:
            raise
        except Exception as exc:  # whatever it was: the others get their turn
            silent = silent + 1 if type(exc) is StorageUnreachable else 0
            away = away + 1 if is_of_the_database(exc) else 0
            if silent == _SILENT_AT_MOST or away == _AWAY_AT_MOST:
                raise
            logger.error("grant_not_settled", extra={"grant": str(grant.id)}, exc_info=True)
            counts["failed"] += 1
            causes[grant.id] = getattr(exc, "code", None) or type(exc).__name__
            if not connection.in_atomic_block:
                close_old_connections()  # one that broke is opened anew for the next grant
    return counts, causes


def _told_together(api: InternalApi, grants: list[Grant]) -> Iterator[tuple[Grant, dict]]:
    """Each with what is told of its batch, by id: the beginning of what there is, None where the grant is not known there.

    Whatever is wrong with a question about many is said of nobody: the dict is empty then, and each is asked about by itself.
    Raises StorageRefused.
    """
    for batch in (grants[place : place + AT_ONCE] for place in range(0, len(grants), AT_ONCE)):
        told = _beginnings(api, batch)
        yield from ((grant, told) for grant in batch)


def _beginnings(api: InternalApi, batch: list[Grant]) -> dict:
    try:
        told = api.ask("GET", "grants", {"ids": ",".join(str(grant.id) for grant in batch)})["grants"]
    except StorageRefused:
        raise
    except (StorageError, KeyError, TypeError) as exc:
        logger.warning("grants_not_told_together", extra={"code": getattr(exc, "code", None) or type(exc).__name__})
        return {}
    return told if isinstance(told, dict) else {}


def _settle(api: InternalApi, grant: Grant, told: dict) -> str:
    try:
        receipts, is_running, refused = _told_of(api, grant, told)
        known = {upload.upload_id for upload in grant.stored.all()}
        for upload_id in receipts.keys() - known:
            actions.complete(receipts[upload_id], uploader=grant.uploader, who=COMMAND)
        if receipts.keys() - known:
            return "completed"
    except (Problem, StorageAnswerBad) as exc:
        # One bad answer must not keep the others waiting; somebody has to look at it.
        logger.error("receipt_refused", extra={"grant": str(grant.id), "code": exc.code}, exc_info=True)
        return "refused"
    if grant.refused != refused:
        Grant.objects.filter(id=grant.id).update(refused=refused)
    if not is_running and grant.expires_at <= timezone.now() and actions.expire(grant, who=COMMAND):
        return "expired"
    return "waiting"


def _told_of(api: InternalApi, grant: Grant, told: dict) -> tuple[dict[uuid.UUID, str], bool, str]:
    """Receipts of what was stored, whether something is still coming in, and else why the last try was refused."""
    try:
        answer = _answer(api, grant, told)
        uploads = answer["uploads"]
        receipts = {uuid.UUID(one["upload_id"]): one["receipt"] for one in uploads if one["receipt"] is not None}
        is_running = any(one["state"] not in _ENDED for one in uploads)
        refused = "" if is_running else refusals.of_grant(answer)
    except ObjectUnknown:
        return {}, False, ""
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StorageAnswerBad from exc
    if not all(isinstance(one, str) for one in receipts.values()):
        raise StorageAnswerBad
    return receipts, is_running, refused


def _answer(api: InternalApi, grant: Grant, told: dict) -> dict:
    """With all that was begun under it, which comes a page at a time, the oldest first. Raises StorageError."""
    known = str(grant.id)
    if known in told and told[known] is None:
        raise ObjectUnknown
    answer = told[known] if known in told else api.ask("GET", f"grants/{known}")
    uploads = answer["uploads"]
    while answer.get("next"):
        answer = api.ask("GET", f"grants/{known}", {"after": answer["next"]})
        uploads = [*uploads, *answer["uploads"]]
    return {**answer, "uploads": uploads}


_ENDED = frozenset({"committed", "aborted", "deleted"})
