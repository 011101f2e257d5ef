"""What is private is closed to the other users of the host, and a crash leaves no copy of it."""

import os
import resource
import sqlite3

import pytest
from django.core.checks import run_checks

from services_app.config import privacy
from services_app.uploads.content import buffers


def open_to_others() -> list[str]:
    return [problem.msg.split()[0] for problem in run_checks() if problem.id == "services.E007"]


@pytest.fixture
def place(tmp_path, settings, monkeypatch):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    files = {name: tmp_path / name for name in ("receipt.jwks", "server.key")}
    files["database"] = state / "db.sqlite3"
    sqlite3.connect(files["database"]).close()
    for file in files.values():
        file.touch(mode=0o640)
    settings.RECEIPT_KEY_FILE = str(files["receipt.jwks"])
    monkeypatch.setenv("TLS_KEY_FILE", str(files["server.key"]))
    settings.STATE_DIR = str(state)
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(files["database"])}}
    return files | {"state": state}


def test_check_names_what_others_can_open_and_the_cure(place):
    assert open_to_others() == []
    names = {"receipt.jwks": "RECEIPT_KEY_FILE", "server.key": "TLS_KEY_FILE", "database": "The", "state": "STATE_DIR"}
    for name, told in names.items():
        for bits in (0o004, 0o002, 0o001):
            place[name].chmod(0o700 | bits)
            assert open_to_others() == [told], name
        place[name].chmod(0o700)
    place["database"].chmod(0o644)
    (problem,) = (problem for problem in run_checks() if problem.id == "services.E007")
    assert "chmod" in problem.hint


def test_files_of_this_process_are_for_nobody_else_and_it_dumps_no_core(tmp_path):
    """Settings have done it already; asked again where it was undone."""
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    before = os.umask(0o022)
    try:
        privacy.keep_to_ourselves()
        (tmp_path / "made").write_text("")
        assert (tmp_path / "made").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_buffer_holds_nothing_when_its_block_has_ended_even_where_something_still_points_to_it():
    with pytest.raises(ValueError, match="kept"), buffers.wiped(1 << 20) as buffer:
        buffer[:7] = b"patient"
        buffer[-7:] = b"patient"
        kept = buffer[:100]
        raise ValueError("kept")
    assert bytes(kept) == bytes(100) and bytes(buffer) == bytes(1 << 20)
