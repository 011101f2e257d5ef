"""How often does a sender wait for a disk behind its last byte? Counted at the system calls of the real process."""

import os
import re
import subprocess

import pytest

from tests.faults.traced import is_traced
from tests.tokens import mint
from tests.waiting import wait_for

ALL = 10  # waits of one small upload

_SYNC = re.compile(r"f(?:data)?sync\(\d+<([^>]*)>")
_READ, _WRITE = (re.compile(rf"(?:{calls})\(\d+<socket") for calls in ("read|recvfrom", "write|sendto"))


@pytest.fixture
def traced(own, client, tmp_path):
    """What a PUT of `size` bytes syncs: before its last byte, between that and the answer, behind the answer."""

    def traced(size: int) -> tuple[list[str], list[str], list[str]]:
        assert client.put(mint(own), b"first").status == 201  # SQLite makes its files
        token, log, worker = mint(own), tmp_path / "strace", own.pids("uploads")[-1]
        calls = ("-e", "trace=fsync,fdatasync,read,recvfrom,write,sendto")
        tracer = subprocess.Popen(["strace", "-f", "-y", "-qq", "-s", "0", "-p", str(worker), *calls, "-o", log])
        try:
            wait_for(lambda: is_traced(worker))
            reply = client.put(token, os.urandom(size))
            assert reply.status == 201
            own.stored(reply.json()["upload_id"])  # with its manifest …
            wait_for(lambda: len(_SYNC.findall(log.read_text())) >= ALL)  # … and that in its folder
        finally:
            tracer.terminate()
            tracer.wait(10)
        return _told(log.read_text().splitlines(), reply.json()["upload_id"])

    return traced


def _told(lines: list[str], upload_id: str) -> tuple[list[str], list[str], list[str]]:
    thread = next(line.split()[0] for line in lines if _SYNC.search(line) and f"/staging/{upload_id}" in line)
    lines = [line for line in lines if line.split()[0] == thread]
    file = next(number for number, line in enumerate(lines) if _SYNC.search(line) and "/staging/" in line)
    last_byte = max(number for number in range(file) if _READ.search(lines[number]))
    answer = min(number for number in range(file, len(lines)) if _WRITE.search(lines[number]))
    parts = lines[:last_byte], lines[last_byte:answer], lines[answer:]
    return tuple([_named(found[1], upload_id) for line in part if (found := _SYNC.search(line))] for part in parts)


def _named(path: str, upload_id: str) -> str:
    """Without what differs from one upload to the next."""
    if path.endswith("-wal"):
        return "database"
    return re.sub(r"/\d{4}(/\d\d)?", lambda found: "/month" if found[1] else "/year", path.rpartition("/nas/")[2]).replace(upload_id, "id")


def test_four_waits_for_a_disk_stand_between_the_last_byte_and_the_answer(traced):
    before, between, behind = traced(1 << 20)
    assert between == ["staging/id", "database", "collections/demo/month/id", "database"]
    # The control: the same look sees all the others, on the other side of these two moments.
    assert before == ["database", "collections/demo", "collections/demo/year", "collections/demo/month"]
    assert behind == ["collections/demo/month/id/.upload.manifest.json", "collections/demo/month/id"]
