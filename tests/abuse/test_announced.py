"""Bytes that are announced and never sent take no room from anybody else."""

import contextlib
import os

from tests.abuse.slow import slow
from tests.abuse.test_amounts import creation
from tests.curl import bearer, curl
from tests.tokens import mint
from tests.waiting import wait_for

RESERVE = 1 << 30  # UPLOAD_SPACE_RESERVE
BESIDE = 256 << 10  # what is left beside it: less than the bystander needs


def all_that_is_free(own) -> int:
    found = os.statvfs(own.nas)
    return found.f_bavail * found.f_frsize - RESERVE - BESIDE


def test_a_creation_without_a_byte_refuses_nobody_elses_upload(own, bystander):
    token = mint(own, sub="greedy")

    def created() -> str:
        """Where; others use the disk as well, so it may take more than one."""
        answer = creation(own, token, f"Upload-Length: {all_that_is_free(own)}")
        return answer.headers["location"].rpartition("/")[2] if answer.status == 201 else ""

    place = wait_for(created)
    assert bystander.uploads()
    assert curl(own, f"/u/{place}", "--request", "DELETE", "--header", "Tus-Resumable: 1.0.0", *bearer(token)).status == 204


def test_a_whole_file_of_which_one_byte_comes_refuses_nobody_elses_either(own, bystander):
    before = len(own.staged())

    def is_received() -> bool:
        greedy.put(0, sub="another", first=1, length=all_that_is_free(own))
        with contextlib.suppress(AssertionError):
            wait_for(lambda: len(own.staged()) > before, 3)
        return len(own.staged()) > before

    with slow(own) as greedy:
        wait_for(is_received)
        assert bystander.uploads()
