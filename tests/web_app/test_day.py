"""What a person asks for is bounded by the day, and what brought nothing goes."""

import datetime

import pytest
from django.utils import timezone

from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.collections.models import Membership
from web_app.grants import actions, revoking
from web_app.grants.ids import uuid7
from web_app.grants.models import Grant, Revocation, Today
from web_app.grants.states import State

pytestmark = pytest.mark.django_db


def test_grants_that_were_cancelled_count_for_the_day_and_so_do_renewed_tokens(key_api, person, collection, settings):
    settings.PERSON_DAILY_MAX = 3
    api = key_api(person)
    first = api.post("uploads", {"collection": "mri-2026"}).json()["id"]
    assert api.post(f"uploads/{first}/token", {"upload_id": str(uuid7())}).status_code == 201
    second = api.post("uploads", {"collection": "mri-2026"}).json()["id"]
    for one in (first, second):
        actions.cancel(Grant.objects.get(pk=one), who=COMMAND)
    refused = api.post("uploads", {"collection": "mri-2026"})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_today")
    assert 0 < int(refused["Retry-After"]) <= 86400
    assert Grant.objects.count() == 2
    Today.objects.update(day=timezone.now().date() - datetime.timedelta(days=1))
    assert api.post("uploads", {"collection": "mri-2026"}).status_code == 201


def test_exports_count_too(browser, person, collection, settings):
    Membership.objects.update(coordinates=True)
    settings.PERSON_DAILY_MAX = 1
    client, path = browser(person), f"/collections/{collection.slug}/list.csv"
    assert list(client.get(path).streaming_content)
    assert client.get(path).status_code == 429
    assert AuditEvent.objects.filter(action="exported").count() == 1


def test_what_brought_nothing_goes_after_its_time_with_what_was_told_of_it(person, grant, receipt_for, collection, settings):
    def ended(days: int, state=State.CANCELLED, heard: bool = True) -> Grant:
        made, _ = actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)
        end = timezone.now() - datetime.timedelta(days=days)
        Grant.objects.filter(pk=made.pk).update(state=state, expires_at=end)
        Revocation.objects.create(grant=made, until=end, heard_at=end if heard else None)
        return made

    actions.complete(receipt_for(grant), uploader=None, who=COMMAND)
    Grant.objects.filter(pk=grant.pk).update(state=State.CANCELLED, expires_at=timezone.now() - datetime.timedelta(days=400))
    gone = [ended(91), ended(91, State.EXPIRED)]
    stay = {grant.pk, ended(89).pk, ended(91, heard=False).pk, ended(91, State.ISSUED).pk}
    events = AuditEvent.objects.count()
    revoking._forget_what_brought_nothing()
    assert set(Grant.objects.values_list("pk", flat=True)) == stay
    assert not Revocation.objects.filter(grant__in=gone).exists()
    assert AuditEvent.objects.count() == events
