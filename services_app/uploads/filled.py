"""What is stored says which folders must be there: one of them that is not is away, and is not made anew (ADR 0016)."""

import uuid
from datetime import timedelta

from .models import Upload
from .states import State

_SLACK = timedelta(days=1)  # between an upload's id and its `received_at`, generously


def holds(collection: str) -> bool:
    """Whether anything is stored in a collection."""
    return Upload.objects.filter(state=State.COMMITTED, grant__collection=collection).exists()


def month_is_new(upload: Upload) -> bool:
    """Whether nothing else is stored in the month that this upload's object belongs to. Asked only where there is no such folder."""
    begin = upload.received_at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (begin + timedelta(days=32)).replace(day=1)
    # Ids sort by time, so that the index of the primary key spares the years before.
    since = uuid.UUID(int=int((begin - _SLACK).timestamp() * 1000) << 80)
    of_it = Upload.objects.filter(state=State.COMMITTED, id__gte=since, received_at__gte=begin, received_at__lt=end)
    return not of_it.filter(grant__collection=upload.grant.collection).exclude(id=upload.id).exists()
