"""Who may write an upload now: an old generation changes nothing."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from services_app.ledger.models import Entry
from services_app.uploads import actions, leases
from services_app.uploads.models import Upload
from tests.services_app.making import announced, claims_object

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload():
    return actions.claim(claims_object(), announced())


def abandon(upload):
    Upload.objects.filter(id=upload.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    return Upload.objects.select_related("grant").get(id=upload.id)


def test_a_lease_is_renewed_beyond_the_longest_silence_that_a_sender_may_keep(upload, settings):
    settings.UPLOAD_IDLE_TIMEOUT = 1000
    actions.renew(upload)
    assert Upload.objects.get().lease_until > timezone.now() + timedelta(seconds=1000)


def test_a_fresh_upload_of_a_living_process_is_not_abandoned(upload):
    assert not leases.is_abandoned(upload, timezone.now())


def test_a_lease_that_ran_out_is_abandoned(upload):
    assert leases.is_abandoned(upload, upload.lease_until)
    assert not leases.is_abandoned(upload, upload.lease_until - timedelta(microseconds=1))


def test_an_upload_whose_process_is_gone_is_abandoned_at_once(upload):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    machine, _, started = leases.owner().rsplit(":", 2)
    upload.owner = f"{machine}:{gone.pid}:{started}"
    gone.wait()
    assert leases.is_abandoned(upload, timezone.now())


def test_a_process_that_inherited_the_pid_is_not_the_owner(upload):
    machine, pid, started = leases.owner().rsplit(":", 2)
    upload.owner = f"{machine}:{pid}:{int(started) - 1}"
    assert leases.is_abandoned(upload, timezone.now())


def test_a_process_that_is_only_waited_for_is_gone(upload):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        assert leases._started(child) == ""
    finally:
        os.waitpid(child, 0)


@pytest.mark.parametrize("part", [0, 1])
def test_a_process_of_another_boot_or_namespace_is_judged_by_its_lease_alone(upload, part):
    machine, _, _ = leases.owner().rsplit(":", 2)
    parts = machine.split("/", 1)
    parts[part] = "other"
    upload.owner = f"{'/'.join(parts)}:1:1"
    assert not leases.is_abandoned(upload, timezone.now())
    assert leases.is_abandoned(upload, upload.lease_until)


def test_an_owner_fits_into_its_column(upload):
    assert len(leases.owner()) < Upload._meta.get_field("owner").max_length


def test_after_a_takeover_the_old_generation_changes_nothing(upload):
    stale = abandon(upload)
    assert actions.take_over(stale)
    assert stale.generation == upload.generation + 1
    for change in (
        lambda: actions.renew(upload),
        lambda: actions.begin_commit(upload, size=1, sha256="", media_type=""),
        lambda: actions.complete(upload),
        lambda: actions.abort(upload, "body_cut_off"),
        lambda: actions.mark_deleted(upload),
    ):
        with pytest.raises(actions.LeaseLost):
            change()
    actions.release(upload)
    now = Upload.objects.get()
    assert (now.state, now.generation) == ("receiving", stale.generation)
    assert now.lease_until > timezone.now() and not Entry.objects.exists()


def test_of_two_that_take_over_one_wins(upload):
    one, other = abandon(upload), Upload.objects.get()
    assert actions.take_over(one) and not actions.take_over(other)


def test_an_upload_that_came_back_to_life_is_not_taken_over(upload):
    stale = abandon(upload)
    actions.renew(upload)
    assert not actions.take_over(stale)
    actions.renew(upload)


def test_what_has_ended_is_not_taken_over(upload):
    stale = abandon(upload)
    actions.abort(upload, "body_cut_off")
    assert not actions.take_over(stale)


def test_a_released_upload_is_abandoned_at_once(upload):
    actions.release(upload)
    assert leases.is_abandoned(Upload.objects.get(), timezone.now())
