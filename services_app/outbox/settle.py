"""What the hooks said of a file becomes its verdict: nothing found by any that must have looked, or something found by one."""

import uuid
from collections.abc import Iterator

from django.db.models import Q

from services_app.hooks.configured import hooks
from services_app.uploads import verdicts
from services_app.uploads.models import Upload
from services_app.uploads.states import Standing
from services_app.uploads.states import State as UploadState

from .models import Delivery, State


def settle(upload_id: uuid.UUID) -> Standing | None:
    """Give the verdict that follows from how its deliveries ended, if one does: what was found counts over a verdict that was given,
    until an operator says otherwise (turns.decided). Raises StoreError.
    """
    upload = Upload.objects.select_related("grant").filter(id=upload_id, state=UploadState.COMMITTED).first()
    if upload is None:
        return None
    ended = {one.hook: one for one in Delivery.objects.filter(upload=upload, state__in=(State.DONE, State.FOUND))}
    if found := [one for one in ended.values() if one.state == State.FOUND]:
        if upload.verdict == Standing.QUARANTINED:
            return None
        verdicts.give(upload, Standing.QUARANTINED, by=[one.hook for one in found], found=found[0].said)
        return Standing.QUARANTINED
    must = verdicts.required(upload)
    if upload.verdict or not must or not must <= ended.keys():
        return None
    verdicts.give(upload, Standing.RELEASED, by=list(must))
    return Standing.RELEASED


def unsettled() -> Iterator[uuid.UUID]:
    """Files of which a verdict may follow that they have not: a worker was killed before it gave it, or other hooks are required now."""
    judges = [hook.name for hook in hooks() if hook.required]
    found = Q(state=State.FOUND) & ~Q(upload__verdict=Standing.QUARANTINED)
    ended = Delivery.objects.filter(found | Q(state=State.DONE, hook__in=judges, upload__verdict=""))
    return ended.filter(upload__state=UploadState.COMMITTED).values_list("upload_id", flat=True).distinct().iterator()
