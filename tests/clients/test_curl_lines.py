"""The curl lines of README.md and of `./run demo`, as they are pasted into a shell."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from dev.client import Client
from dev.demo import CURL_LINES, curl_lines
from tests.docs.markdown import FILES, ROOT, code, spans

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]


@pytest.fixture
def paste(own, tmp_path):
    """A function: run the lines, changed by `replace`, in a folder of the person's own."""

    def run(shell: str, lines: str, **replace: str) -> subprocess.CompletedProcess:
        for name, value in replace.items():
            lines = re.sub(rf"^{name}=.*$", lambda _, set_to=f"{name}={value}": set_to, lines, flags=re.MULTILINE)
        env = {**os.environ, "HOME": str(tmp_path), "CURL_CA_BUNDLE": str(own.keys.edge_ca)}
        return subprocess.run([shell, "-c", lines], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=20)

    return run


@pytest.fixture
def lines(own) -> str:
    """As `./run demo` prints them, for the stack of these tests."""
    return curl_lines(own)


def newest(own) -> dict:
    return Client(own.edge_port, own.keys.edge_ca, own.api_key).call("GET", "/api/v1/uploads?limit=1").json()["uploads"][0]


def test_readme_shows_the_lines_of_the_demo():
    assert CURL_LINES in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_lines_of_the_readme_send_a_file_hand_its_receipt_in_and_print_it(own, paste, tmp_path, shell):
    (tmp_path / "scan [1] of Jürg.zip").write_bytes(os.urandom(100_000))
    readme = CURL_LINES.replace("https://upload.example.org", own.url).replace("mri-2026", own.collection)
    done = paste(shell, readme, FILE="'./scan [1] of Jürg.zip'", KEY=own.api_key)
    assert done.returncode == 0, done.stderr
    seen = newest(own)
    assert (seen["state"], seen["size"]) == ("complete", 100_000)
    client = Client(own.edge_port, own.keys.edge_ca, own.api_key)
    assert client.call("GET", f"/api/v1/uploads/{seen['id']}/receipt").body.decode().strip() == done.stdout.strip()
    assert own.stored(seen["upload_id"]).name == "scan [1] of Jürg.zip"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_lines_that_the_demo_prints_work_as_they_stand(own, lines, paste, tmp_path, shell):
    (tmp_path / "scan.zip").write_bytes(b"PK")
    done = paste(shell, lines)
    assert done.returncode == 0, done.stderr
    assert newest(own)["state"] == "complete"


@pytest.mark.parametrize(
    ("replace", "code"),
    [({"KEY": "slk_wrong"}, "api_key_refused"), ({"FILE": "text.txt"}, "type_refused"), ({"FILE": "absent"}, "")],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_lines_that_are_refused_fail_and_say_why(own, lines, paste, tmp_path, shell, replace, code):
    (tmp_path / "scan.zip").write_bytes(b"PK\x03\x04")
    (tmp_path / "text.txt").write_text("words\n" * 100)
    own.create_collection("images", "--media-type", "image/*")
    done = paste(shell, lines.replace(f'"{own.collection}"', '"images"'), **replace)
    assert done.returncode != 0 and done.stdout == ""
    assert code in done.stderr


@pytest.mark.parametrize("file", ["", ".", "folder", "pipe", "absent"])
@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_no_plain_file_is_told_in_one_line_and_nothing_is_asked_for(own, lines, paste, tmp_path, shell, file):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = newest(own)
    done = paste(shell, lines, FILE=file)
    assert done.returncode != 0 and done.stdout == ""
    assert done.stderr == f"FILE is not a file that can be read: {file}\n"
    assert newest(own) == before


@pytest.mark.parametrize(
    ("name", "stored"), [('quo"te.txt', "quo_te.txt"), ("back\\\"slash.txt", "back__slash.txt"), ("100%25, é'.txt", "100%25, é_.txt")]
)
@pytest.mark.parametrize("shell", SHELLS)
def test_any_name_arrives_whole(own, lines, paste, tmp_path, shell, name, stored):
    (tmp_path / name).write_text("words")
    done = paste(shell, lines, FILE=shlex.quote(name))
    assert done.returncode == 0, done.stderr
    assert own.stored(newest(own)["upload_id"]).name == stored


def test_every_curl_command_of_the_documents_fails_when_it_is_refused_and_needs_no_newer_curl():
    told = [line for path in FILES for line in code(path)[len(spans(path)) :]]  # to be pasted, not spoken of in a sentence
    commands = [line for line in told if re.search(r"(?:^|\()curl -", line) and re.search(r"https?:|\$@", line)]
    assert commands
    assert [line for line in commands if "--fail-with-body" not in line or "--json" in line] == []
