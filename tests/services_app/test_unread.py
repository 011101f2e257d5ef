"""A file that the store does not give back is unread. It is not called changed, forged or unsigned, which would ask for other cures."""

import errno
import os

import pytest
from django.core.management import call_command

from services_app.proof import checkpoints
from services_app.uploads import verdicts
from services_app.uploads.models import Upload
from services_app.uploads.states import Standing
from tests.services_app.making import a_zip, announced, by_hand, claims_object, received, request_body
from tests.services_app.test_closed_folders import told

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored(known_store):
    found = received(request_body(a_zip()), claims_object(), announced(len(a_zip())))
    verdicts.give(found, Standing.RELEASED, by=["operator"])
    checkpoints.write(known_store)
    return found


@pytest.fixture(params=[("open", errno.EIO), ("open", errno.EACCES), ("open", errno.EPERM), ("read", errno.EIO)], ids=str)
def unread(request, monkeypatch):
    """A function: this file fails so from now on, as it is opened or as it is read."""
    step, number = request.param
    opened, reads = os.open, {name: getattr(os, name) for name in ("read", "pread", "fdopen")}

    def fails(path):
        inode = path.stat().st_ino

        def failing_open(asked, *args, **more):
            if step == "open" and os.fspath(asked).rpartition("/")[2] == path.name:
                raise OSError(number, os.strerror(number))
            return opened(asked, *args, **more)

        def failing(read):
            def refused(fd, *args):
                if step == "read" and os.fstat(fd).st_ino == inode:
                    raise OSError(number, os.strerror(number))
                return read(fd, *args)

            return refused

        monkeypatch.setattr(os, "open", failing_open)
        for name, read in reads.items():
            monkeypatch.setattr(os, name, failing(read))

    return fails


def findings(command, *options) -> set:
    return {(one["what"], one["of"]) for one in told(command, *options)["findings"]}


BESIDE = {"the file": "[!.]*[!n]", "its manifest": "*.manifest.json", "its verdict": "*.verdict.json"}


@pytest.mark.parametrize("which", BESIDE.values(), ids=BESIDE)
def test_by_who_looks_at_what_is_stored(stored, nas, unread, which):
    (path,) = nas.glob(f"collections/*/*/*/*/{which}")
    unread(path)
    assert findings("verify_store") == {("unreadable", str(stored.id))}


@pytest.mark.parametrize("which", ["collections/*/*/*/*/*.manifest.json", "checkpoints/*"])
def test_by_who_holds_the_ledger_against_it(stored, nas, unread, which):
    (path,) = nas.glob(which)
    unread(path)
    assert {what for what, _ in findings("verify_ledger")} == {"unreadable"}


@pytest.mark.parametrize("which", BESIDE.values(), ids=BESIDE)
def test_by_who_enters_it_into_a_database_that_was_lost(stored, nas, unread, which):
    (path,) = nas.glob(f"collections/*/*/*/*/{which}")
    with by_hand():
        Upload.objects.all().delete()
    unread(path)
    assert findings("rebuild") == {("unreadable", str(stored.id))}
    assert not Upload.objects.exists()


def test_the_control_all_that_can_be_read_is_found_whole(stored, nas):
    for command in ("verify_store", "verify_ledger"):
        assert findings(command) == set()
    call_command("recover")
