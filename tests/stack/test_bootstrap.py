"""`./run` on a machine that has Python and nothing else."""

import argparse
import errno
import fcntl
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dev import arguments, bootstrap, lock, nginx, ports
from dev.paths import ROOT

# The Python under the virtual environment: none of our packages are there.
BARE = [sys._base_executable, "-E", "-s"]


@pytest.fixture
def empty_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "STATE", tmp_path / "state")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    return requirements


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """As much of a fresh clone as a refusal may need."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("run", "pyproject.toml", "dev", "tests/bench/__init__.py", "tests/bench/options.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    (folder / "a file").write_bytes(b"x")
    os.mkfifo(folder / "pipe")
    return folder


def refused(clone: Path, *arguments: str) -> str:
    """What `./run` says; it says one line, and has made nothing."""
    done = subprocess.run(
        [*BARE, clone / "run", *arguments], cwd=clone, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert not (clone / ".state").exists()
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("demo --port 70000", "from 1 to 65535"),
        ("demo --port 0", "from 1 to 65535"),
        ("demo --port -1", "from 1 to 65535"),
        ("demo --port 8_443", "from 1 to 65535"),
        ("demo --port", "--port"),
        ("demo --origin a.example", "an origin is https://name"),
        ("demo --json", "--once FILE"),
        ("demo --once absent", "absent cannot be read: No such file"),
        ("demo --once= --json", "without a name"),
        ("demo --once dev", "dev is a folder"),
        ("demo --once pipe", "pipe is no plain file"),
        ("demo --once /dev/null", "/dev/null is no plain file"),
        ("demo --once run/x", "Not a directory"),
        ("demo --once pyproject.toml --port 8443", "--port and --origin do not go with it"),
        ("demo --once pyproject.toml --origin https://a.example", "--port and --origin do not go with it"),
        ("demo now", "not known: now"),
        ("test tests/absent", "no tests/absent among the tests"),
        ("test -x tests/bench/absent.py::test_a", "no tests/bench/absent.py"),
        ("test absent.py", "no absent.py"),
        ("bench --nonsense", "--nonsense"),
        ("bench --size 0", "from 1 on"),
        ("bench --rounds -1", "rounds"),
        ("bench --targets sluice,absent", "no such target: absent"),
        ("lint all", "not known: all"),
        ("docs all", "not known: all"),
        ("lock --nonsense", "not known: --nonsense"),
        ("deom", "demo"),
        ("--nonsense", "COMMAND"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_before_anything_is_made(clone, arguments, said):
    assert said in refused(clone, *arguments.split(" "))


def test_a_demo_on_a_port_in_use_names_the_option_that_cures_it(clone):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} is in use; choose another with --port" in refused(clone, "demo", "--port", port)


def test_a_second_demo_is_told_of_the_first_and_not_of_its_port(tmp_path, monkeypatch):
    monkeypatch.setattr(arguments, "STATE", tmp_path)
    (tmp_path / "demo").mkdir()
    options = argparse.Namespace(once=None, json=False, port=None, origin=[])
    with (tmp_path / "demo" / "in-use").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(argparse.ArgumentTypeError, match="it is running already"):
            arguments.check_demo(options)


def test_a_port_and_a_file_that_this_user_may_not_have_are_told_as_that(monkeypatch):
    """The tests may be run by root, who may have everything."""

    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(ports, "_bind", denied)
    monkeypatch.setattr(arguments, "check_not_running", lambda state: None)
    with pytest.raises(argparse.ArgumentTypeError, match="port 80 is not for everybody; choose one from 1024 on"):
        arguments.check_demo(argparse.Namespace(once=None, json=False, port=80, origin=[]))
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(argparse.ArgumentTypeError, match="secret cannot be read: Permission denied"):
        arguments.check_file("secret")


def test_an_nginx_that_is_chosen_and_none_is_told_as_that(tmp_path, monkeypatch):
    for text, mode in (("#!/bin/sh\n", 0o755), ("no program", 0o755), ("", 0o644)):
        (tmp_path / "nginx").write_text(text)
        (tmp_path / "nginx").chmod(mode)
        monkeypatch.setenv("SLUICE_NGINX", str(tmp_path / "nginx"))
        with pytest.raises(bootstrap.Missing, match="is no nginx 1.22 or newer"):
            nginx.find()


def test_a_lock_that_cannot_be_made_is_told_as_that():
    with pytest.raises(bootstrap.Missing, match="could not be resolved"):
        lock._run(["false"], "x.in could not be resolved")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_run_says_which_version_it_is(clone, option):
    done = subprocess.run([*BARE, clone / "run", option], capture_output=True, text=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert done.stdout == f"{project['name']} {project['version']}\n"


def test_a_path_of_a_test_is_known_however_it_is_written():
    here = "tests/stack/test_bootstrap.py"
    given = [f"./{here}::test_x", str(ROOT / here), "tests/", "-k", "tests_of_mine", "-p", "no:django", "--junitxml", "/tmp/x.xml"]
    paths, options = arguments.split_tests(given)
    assert paths == [f"{here}::test_x", here, "tests"]
    assert options == given[3:]


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_run_alone_lists_every_command_without_setting_anything_up(arguments):
    done = subprocess.run([*BARE, ROOT / "run", *arguments], capture_output=True, text=True, check=True)
    for command in ("demo", "test", "bench", "lint", "lock"):
        assert f"./run {command} " in done.stdout
    assert done.stderr == ""


def test_each_command_explains_itself_without_setting_anything_up():
    done = subprocess.run([*BARE, ROOT / "run", "demo", "--help"], capture_output=True, text=True, check=True)
    assert "--port" in done.stdout and "--once" in done.stdout


def test_an_unknown_command_is_refused_with_the_known_ones():
    done = subprocess.run([*BARE, ROOT / "run", "deom"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "demo" in done.stderr


def test_a_python_without_venv_is_named_with_its_cure(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bootstrap.Missing, match="sudo apt install python3-venv"):
        bootstrap.check_machine()


def test_a_machine_without_libmagic_is_named_with_its_cure(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(bootstrap.ctypes, "CDLL", absent)
    with pytest.raises(bootstrap.Missing, match="sudo apt install libmagic1"):
        bootstrap.check_machine()


def test_an_environment_is_made_once_for_each_lock_and_again_after_an_interruption(empty_lock, capsys):
    old = bootstrap.ensure("venv", empty_lock).parent.parent.resolve()
    assert "Setting up" in capsys.readouterr().err
    bootstrap.ensure("venv", empty_lock)
    assert "Setting up" not in capsys.readouterr().err

    empty_lock.write_text("# something else\n")
    new = bootstrap.ensure("venv", empty_lock).parent.parent.resolve()
    assert new != old
    assert old.is_dir(), "running processes may still need it"

    # As an interruption leaves it: the folder begun, the link not yet set.
    (bootstrap.STATE / "venv").unlink()
    (new / "bin" / "python").unlink()
    capsys.readouterr()
    again = bootstrap.ensure("venv", empty_lock)
    assert "Setting up" in capsys.readouterr().err
    subprocess.run([again, "-c", "pass"], check=True)


def test_a_failed_installation_says_so_and_leaves_no_environment(empty_lock):
    empty_lock.write_text("no-hash-so-refused==1.0\n")
    with pytest.raises(bootstrap.Missing, match="could not install"):
        bootstrap.ensure("venv", empty_lock)
    assert not (bootstrap.STATE / "venv").exists()


def test_run_says_which_python_it_needs_in_words_that_an_old_one_understands():
    text = Path(ROOT / "run").read_text()
    # Python 3.5 knew no f-strings; `compile` cannot be asked for its grammar, so the newer spellings are looked for.
    assert 'f"' not in text and ":=" not in text
    assert "sudo apt install python3" in text
