"""Who may write an upload now: an old generation changes nothing."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from services_app.uploads import actions, leases, writers
from services_app.uploads.models import Upload
from tests.services_app.making import announced, begun, claims_object

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload():
    return begun(claims_object(), announced())


def abandon(upload):
    Upload.objects.filter(id=upload.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    return Upload.objects.select_related("grant").get(id=upload.id)


def test_a_process_renews_the_leases_of_its_requests_and_no_others(upload):
    other, lost = (begun(claims_object(), announced()) for _ in range(2))
    early = timezone.now() + timedelta(seconds=1)
    Upload.objects.update(lease_until=early)
    Upload.objects.filter(id=lost.id).update(generation=2)
    writers.renew({upload.id: 1, lost.id: 1})
    assert Upload.objects.get(id=upload.id).lease_until > timezone.now() + leases.LEASE - timedelta(seconds=5)
    assert {Upload.objects.get(id=each.id).lease_until for each in (other, lost)} == {early}
    writers.renew({})


def test_what_has_ended_is_not_renewed(upload):
    actions.wait(upload)
    ended = Upload.objects.get().lease_until
    writers.renew({upload.id: 1})
    assert Upload.objects.get().lease_until == ended


def test_leases_are_renewed_often_enough_to_survive_two_failures():
    assert 3 * leases.RENEW_EVERY <= leases.LEASE.total_seconds()


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


def test_a_released_upload_is_abandoned_at_once(upload):
    actions.release(upload)
    assert leases.is_abandoned(Upload.objects.get(), timezone.now())
