"""`./run` on a machine that has Python and nothing else."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from dev import bootstrap
from dev.paths import ROOT

# The Python under the virtual environment: none of our packages are there.
BARE = [sys._base_executable, "-E", "-s"]


@pytest.fixture
def empty_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "STATE", tmp_path / "state")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    lock = tmp_path / "requirements.txt"
    lock.write_text("# nothing\n")
    return lock


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
