"""aiotus, as a command and as a library."""

import subprocess
import sys

import pytest

from dev import environments
from tests.clients.conftest import MIB, SIZE, SLOW


@pytest.fixture
def command(own):
    """A function: run `python -m aiotus …`, return its stdout."""

    def run(*arguments: str) -> str:
        env = {**environments.inherited(), "SSL_CERT_FILE": str(own.keys.edge_ca)}
        done = subprocess.run(
            [sys.executable, "-m", "aiotus", *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_the_command_stores_a_file_and_reads_its_metadata_back(command, place, file):
    url = command("upload", "--metadata", "study=seven", place.url, str(file))
    place.assert_stored_once(file)
    assert "study: seven" in command("metadata", url).splitlines()


@pytest.mark.parametrize("chunk", [MIB, SIZE], ids=["chunked", "in one piece"])
def test_a_file_is_stored(python_client, place, file, chunk):
    with python_client("aiotus_upload", endpoint=place.url, files=[str(file)], chunk=chunk) as client:
        client.event("done")
    place.assert_stored_once(file)


def test_parallel_parts_are_stored_as_one_file(python_client, place, tmp_path, file):
    content, parts = file.read_bytes(), []
    for number, start in enumerate(range(0, SIZE, 7 * MIB)):
        parts.append(tmp_path / f"part-{number}")
        parts[-1].write_bytes(content[start : start + 7 * MIB])
    with python_client("aiotus_upload", endpoint=place.url, files=[str(part) for part in parts]) as client:
        client.event("done")
    place.assert_stored_once(file)


def test_a_cut_line_is_a_pause(python_client, place, line, file):
    line.rate = SLOW
    with python_client("aiotus_upload", endpoint=place.url, files=[str(file)], chunk=SIZE) as client:
        place.wait_until_taken(SIZE // 3)
        line.rate = None
        line.cut()
        client.event("done")
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


def test_a_killed_client_leaves_what_the_next_one_finishes(python_client, place, line, file):
    line.rate = SLOW
    with python_client("aiotus_upload", endpoint=place.url, files=[str(file)]):
        upload = place.wait_until_taken(SIZE // 3)
    line.rate = None
    url = f"{place.url}/{upload['upload_id']}"
    with python_client("aiotus_upload", url=url, files=[str(file)]) as client:
        client.event("done")
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)
