"""What a sender holds of the uploads process while nothing comes from it: its socket, its staged file and the store's folder."""

import os
from pathlib import Path

from dev.stack import Stack
from tests.abuse.slow import slow
from tests.waiting import wait_for

SENDERS = 12


def opened(stack) -> list[str]:
    """What the uploads process has open, as the kernel names it."""
    names = []
    for folder in (Path(f"/proc/{pid}/fd") for pid in stack.pids("uploads")):
        for one in folder.iterdir():
            try:
                names.append(os.readlink(one))
            except FileNotFoundError:
                continue  # closed meanwhile
    return names


def test_many_senders_who_wait_hold_no_connection_to_the_database(tmp_path):
    with Stack(tmp_path) as stack, slow(stack) as senders:
        database = str(stack.services_state / "services.sqlite3")
        for number in range(SENDERS):
            senders.put(number, sub=f"sender-{number}", length=1 << 20)
            wait_for(lambda number=number: len(stack.staged()) > number)
        now = opened(stack)
        assert sum(name.startswith(f"{stack.nas}/staging/") for name in now) == SENDERS, "positive control: all of them wait"
        assert 0 < now.count(database) < SENDERS // 2
