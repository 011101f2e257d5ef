"""What many requests of one person pass at the same moment."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from web_app.audit.record import COMMAND
from web_app.config.errors import TooManyGrants
from web_app.grants import actions
from web_app.grants.ids import uuid7
from web_app.grants.models import Grant
from web_app.grants.states import State

pytestmark = pytest.mark.django_db(transaction=True)


def forty_at_once(step):
    """What came of it: counts by outcome."""

    def one(number):
        try:
            step(number)
            return "done"
        except TooManyGrants:
            return "too many"
        finally:
            connection.close()

    with ThreadPoolExecutor(40) as pool:
        outcomes = list(pool.map(one, range(40)))
    return {outcome: outcomes.count(outcome) for outcome in set(outcomes)}


def test_no_more_grants_are_open_than_may_be_however_many_are_asked_for_at_once(person, collection, settings):
    settings.GRANTS_OPEN_MAX = 5
    told = forty_at_once(lambda _: actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND))
    assert told == {"done": 5, "too many": 35}
    assert Grant.objects.count() == 5


def test_no_more_are_opened_again_either(person, collection, settings):
    made = [actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)[0] for _ in range(40)]
    Grant.objects.update(state=State.EXPIRED, expires_at=timezone.now() - datetime.timedelta(hours=1))
    settings.GRANTS_OPEN_MAX = 5
    told = forty_at_once(lambda number: actions.renew(made[number], uuid7(), binding=None, who=COMMAND))
    assert told == {"done": 5, "too many": 35}
    alive = Grant.objects.filter(state=State.ISSUED).first()
    actions.renew(alive, uuid7(), binding=None, who=COMMAND)  # what is open already is not one more
