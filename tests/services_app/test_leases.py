"""Who may write an upload now: an old generation changes nothing."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from services_app.uploads import actions
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases, writers
from tests.services_app.making import announced, begun, claims_object

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload():
    return begun(claims_object(), announced())


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
    assert not leases.is_abandoned(upload)


STEPS = [timedelta(seconds=25), timedelta(days=400), timedelta(seconds=-25), timedelta(days=-400)]


@pytest.fixture
def step(monkeypatch):
    """A function: set the time of day of this host, as an operator or NTP does."""
    real = timezone.now
    return lambda by: monkeypatch.setattr(timezone, "now", lambda: real() + by)


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_a_clock_that_is_set_disturbs_no_running_upload_whoever_asks(
    upload, step, control, grant_token, known_store, by
):
    token = grant_token(jti=str(upload.grant_id), max_uploads=2)
    assert leases.count_receiving() == (0, 1)
    step(by)
    assert not leases.is_abandoned(upload) and leases.count_receiving(upload.grant.sub) == (1, 0)
    assert control("GET", "/u", token=token).json()["state"] == "receiving"
    call_command("recover")
    assert Upload.objects.get().state == "receiving"
    writers.renew({upload.id: 1})
    step(timedelta())
    assert not leases.is_abandoned(Upload.objects.get())


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_a_clock_that_is_set_keeps_no_dead_upload_alive(upload, step, monkeypatch, by):
    step(by)
    end = upload.lease_uptime
    monkeypatch.setattr(leases, "uptime", lambda: end - 0.001)
    assert not leases.is_abandoned(upload)
    monkeypatch.setattr(leases, "uptime", lambda: end)
    assert leases.is_abandoned(upload)


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_a_clock_that_is_set_destroys_nothing_that_waits_on_this_boot(upload, step, known_store, by):
    actions.wait(upload)
    step(by)
    call_command("recover")
    assert Upload.objects.get().state == "waiting" and not leases.has_expired(upload)


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_a_boot_with_a_wrong_clock_destroys_nothing_that_waits(upload, step, known_store, monkeypatch, settings, by):
    actions.wait(upload)
    Upload.objects.update(lease_boot="the one before")
    step(by)
    enough = min(settings.UPLOAD_EXPIRY, leases.CLOCK_MENDED)
    monkeypatch.setattr(leases, "uptime", lambda: enough - 1)
    call_command("recover")
    assert Upload.objects.get().state == "waiting"
    monkeypatch.setattr(leases, "uptime", lambda: enough)
    assert leases.has_expired(Upload.objects.get(), timezone.now()) is (by == timedelta(days=400))


def test_what_waited_for_longer_than_it_may_has_expired(upload, monkeypatch, settings):
    actions.wait(upload)
    monkeypatch.setattr(leases, "uptime", lambda: upload.lease_uptime + settings.UPLOAD_EXPIRY)
    assert leases.has_expired(upload, upload.expires_at)


@pytest.fixture
def several_hosts(monkeypatch):
    """As with PostgreSQL, whose clock all hosts share."""
    monkeypatch.setattr(leases, "one_host", lambda: False)
    at = timezone.now()
    monkeypatch.setattr(leases, "now", lambda: at)
    return at


def test_between_hosts_the_clock_of_the_database_decides(upload, several_hosts, step):
    upload.owner, upload.lease_boot = "host/far/away:1:1", "far"
    step(timedelta(days=1))  # of this host: it does not count
    for seconds, abandoned in ((0, True), (-1, True), (0.001, False), (15, False), (31, True)):
        upload.lease_until = several_hosts + timedelta(seconds=seconds)
        assert leases.is_abandoned(upload) is abandoned, seconds


def test_with_one_host_another_boot_has_ended(upload, monkeypatch):
    monkeypatch.setattr(leases, "one_host", lambda: True)  # as with SQLite
    upload.owner, upload.lease_boot = "host/far/away:1:1", "far"
    assert leases.is_abandoned(upload) and not leases.may_wake_up(upload.owner)


def test_who_may_still_have_a_write_under_way(several_hosts, monkeypatch):
    host, boot, namespace = leases.owner().rsplit(":", 2)[0].split("/")
    assert host
    for name, may in (
        (leases.owner(), True),
        (f"{host}/{boot}/{namespace}:{os.getpid()}:1", False),  # a process of this boot that has ended
        (f"{host}/{boot}/pid:[1]:1:1", True),  # one that cannot be looked for
        (f"{host}/an-earlier-boot/{namespace}:1:1", False),  # of this host
        (f"other/its-boot/{namespace}:1:1", True),
        (f"its-boot/{namespace}:1:1", True),  # as it was written before hosts were named
        ("", True),
    ):
        assert leases.may_wake_up(name) is may, name


def test_a_host_that_cannot_be_told_is_never_taken_for_this_one(several_hosts, settings, tmp_path, monkeypatch):
    settings.STATE_DIR = tmp_path / "absent"
    monkeypatch.setattr(leases, "_host", leases._host.__wrapped__)
    assert leases._host() == "" and leases.may_wake_up("/an-earlier-boot/pid:[1]:1:1")
    (tmp_path / "host-id").write_text("")  # the disk was full
    settings.STATE_DIR = tmp_path
    assert leases._host() == ""


def test_an_upload_whose_process_is_gone_is_abandoned_at_once(upload):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    machine, _, started = leases.owner().rsplit(":", 2)
    upload.owner = f"{machine}:{gone.pid}:{started}"
    gone.wait()
    assert leases.is_abandoned(upload)


def test_a_process_that_inherited_the_pid_is_not_the_owner(upload):
    machine, pid, started = leases.owner().rsplit(":", 2)
    upload.owner = f"{machine}:{pid}:{int(started) - 1}"
    assert leases.is_abandoned(upload)


def test_a_process_that_is_only_waited_for_is_gone(upload):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        assert leases._started(child) == ""
    finally:
        os.waitpid(child, 0)


def test_an_owner_fits_into_its_column(upload):
    assert len(leases.owner()) < Upload._meta.get_field("owner").max_length


def test_a_released_upload_is_abandoned_at_once(upload):
    actions.release(upload)
    assert leases.is_abandoned(Upload.objects.get())
