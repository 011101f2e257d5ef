"""What became of grants whose receipt never came: the browser died, or the network between.

The services tier is asked about each; its receipt is verified like one that a browser hands in.
"""

import datetime
import logging
import uuid
from collections import Counter

from django.db import close_old_connections, connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from web_app.audit.record import COMMAND
from web_app.config.errors import Problem
from web_app.config.outage import is_of_the_database
from web_app.grants import actions
from web_app.grants.models import Grant
from web_app.grants.states import State
from web_app.storage.errors import ObjectUnknown, StorageAnswerBad, StorageRefused, StorageUnreachable
from web_app.storage.internal_api import InternalApi

logger = logging.getLogger(__name__)

# A request that runs at a token's end may go on to its own deadline (UPLOAD_DEADLINE, a day); then nothing can come
# any more.
_LATE = datetime.timedelta(hours=48)
_SILENT_AT_MOST = 3
_AWAY_AT_MOST = 2


def waiting() -> QuerySet[Grant]:
    ended_lately = Q(state__in=[State.CANCELLED, State.EXPIRED], expires_at__gt=timezone.now() - _LATE)
    return Grant.objects.filter(Q(state=State.ISSUED) | ended_lately).order_by("id")


def reconcile(api: InternalApi) -> tuple[Counter, dict[uuid.UUID, str]]:
    """Counts (asked, completed, expired, waiting, refused, failed), and why grants failed, each by itself.

    Raises StorageRefused, and StorageUnreachable when nothing answered for several grants one behind the other: then it is not
    about them. Likewise whatever the database raises the second time in a row: each of the others would wait as long.
    """
    away = 0
    counts, causes, silent = Counter(asked=0, completed=0, expired=0, waiting=0, refused=0, failed=0), {}, 0
    # A list: each grant is settled in a transaction of its own, and no cursor may stay open across those.
    for grant in list(waiting().select_related("uploader").prefetch_related("stored")):
        counts["asked"] += 1
        try:
            counts[_settle(api, grant)] += 1
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


def _settle(api: InternalApi, grant: Grant) -> str:
    try:
        receipts, is_running = _receipts_of(api, grant)
        known = {upload.upload_id for upload in grant.stored.all()}
        for upload_id in receipts.keys() - known:
            actions.complete(receipts[upload_id], uploader=grant.uploader, who=COMMAND)
        if receipts.keys() - known:
            return "completed"
    except (Problem, StorageAnswerBad) as exc:
        # One bad answer must not keep the others waiting; somebody has to look at it.
        logger.error("receipt_refused", extra={"grant": str(grant.id), "code": exc.code}, exc_info=True)
        return "refused"
    if not is_running and grant.expires_at <= timezone.now() and actions.expire(grant, who=COMMAND):
        return "expired"
    return "waiting"


def _receipts_of(api: InternalApi, grant: Grant) -> tuple[dict[uuid.UUID, str], bool]:
    """Receipts of what was stored, and whether something is still coming in."""
    try:
        answer = api.ask("GET", f"grants/{grant.id}")
        uploads = answer["uploads"]
        receipts = {uuid.UUID(one["upload_id"]): one["receipt"] for one in uploads if one["receipt"] is not None}
        is_running = any(one["state"] not in _ENDED for one in uploads)
    except ObjectUnknown:
        return {}, False
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StorageAnswerBad from exc
    if not all(isinstance(one, str) for one in receipts.values()):
        raise StorageAnswerBad
    return receipts, is_running


_ENDED = frozenset({"committed", "aborted", "deleted"})
