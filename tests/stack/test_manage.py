"""manage.py of both apps: what cannot work is told in one line, and never as a traceback."""

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest

from dev import environments, pki
from dev.paths import ROOT

APPS = ("web_app", "services_app")


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, dict[str, str]]:
    """Each app's environment: complete, and its database made by nobody yet."""
    folder = tmp_path_factory.mktemp("manage")
    keys = pki.Pki(folder / "pki")
    for name in ("web_app/static", "services_app", "nas"):
        (folder / name).mkdir(parents=True)
        (folder / name.partition("/")[0]).chmod(0o700)
    web = environments.web(
        keys, state=folder / "web_app", bind=f"unix:{folder}/web.sock", public_url="https://localhost", services_url="https://127.0.0.1:1"
    )
    services = environments.services(
        keys, state=folder / "services_app", nas=folder / "nas", uploads_bind="127.0.0.1:1", control_bind="127.0.0.1:2"
    )
    return {"web_app": web, "services_app": {**services, "LISTENER": "control"}}


def said(environment: dict[str, str], app: str, *arguments: str) -> str:
    """The one line on stderr with which a command ends that cannot work."""
    command = [sys.executable, ROOT / app / "manage.py", *arguments]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("app", "command"),
    [
        ("web_app", "create_api_key ada"),
        ("web_app", "create_collection x --title X"),
        ("web_app", "reconcile"),
        ("services_app", "init_store"),
        ("services_app", "recover"),
        ("services_app", "verify_ledger"),
    ],
)
def test_a_database_that_was_never_made_is_told_with_its_cure(places, app, command):
    assert "manage.py migrate" in said(places[app], app, *command.split())


@pytest.mark.parametrize("app", APPS)
def test_a_setting_that_is_missing_is_told_with_its_cure(app):
    assert "is not set. Set" in said({"PATH": os.environ["PATH"]}, app, "check")


@pytest.mark.parametrize("app", APPS)
def test_a_folder_for_the_database_that_is_away_is_told(places, app, tmp_path):
    here = {**places[app], "STATE_DIR": str(tmp_path / "away"), "DATABASE_URL": f"sqlite:///{tmp_path}/away/x.sqlite3"}
    assert "database cannot be used" in said(here, app, "reconcile" if app == "web_app" else "recover")


@pytest.fixture
def database(request, tmp_path) -> str:
    """The address of an SQLite file that is none, or whose pages were written over."""
    path = tmp_path / "x.sqlite3"
    path.touch(0o600)
    if request.param == "malformed":
        with contextlib.closing(sqlite3.connect(path)) as made:
            made.executescript("create table django_migrations (app, name); create table django_session (x); create table t (x)")
        whole = path.read_bytes()
        path.write_bytes(whole[:100] + b"\xa5" * (len(whole) - 100))
    else:
        path.write_bytes(b"no database " * 1000)
    return f"sqlite:///{path}"


@pytest.mark.parametrize("database", ["malformed", "none"], indirect=True)
@pytest.mark.parametrize(
    ("app", "command"),
    [
        ("web_app", "create_api_key ada"),
        ("web_app", "createsuperuser --noinput --username ada --email a@example.org"),
        ("web_app", "clearsessions"),
        ("web_app", "migrate"),
        ("services_app", "verify_ledger"),
        ("services_app", "move_store"),
        ("services_app", "migrate"),
    ],
)
def test_a_database_that_is_broken_is_told(places, app, command, database):
    here = {**places[app], "DATABASE_URL": database, "DJANGO_SUPERUSER_PASSWORD": "correct horse battery staple"}
    assert "database cannot be used" in said(here, app, *command.split())


@pytest.mark.parametrize(("app", "command"), [("web_app", "clearsessions"), ("services_app", "init_store")])
def test_a_command_that_waits_for_a_lock_says_so_and_goes_on_when_it_is_free(places, app, command, tmp_path):
    here, manage = {**places[app], "DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3"}, ROOT / app / "manage.py"
    subprocess.run([sys.executable, manage, "migrate", "--verbosity", "0"], cwd="/", env=here, check=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "x.sqlite3", isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        waiting = subprocess.Popen([sys.executable, manage, command], cwd="/", env=here, stderr=subprocess.PIPE, text=True)
        try:
            assert "waiting for the database" in waiting.stderr.readline()
            rival.execute("ROLLBACK")
            assert waiting.wait(30) == 0
        finally:
            waiting.kill()
            waiting.communicate()


@pytest.mark.parametrize("arguments", [("create_collection", "x", "--title", "\udce4"), ("create_api_key", "\udce4")])
def test_an_argument_that_is_not_utf_8_is_told(places, tmp_path, arguments):
    here = {**places["web_app"], "DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3"}
    subprocess.run([sys.executable, ROOT / "web_app/manage.py", "migrate", "--verbosity", "0"], cwd="/", env=here, check=True)
    assert "not UTF-8" in said(here, "web_app", *arguments)


@pytest.mark.parametrize("every", ["0", "-5", "99999999999999"])
def test_a_pause_that_cannot_be_waited_for_is_refused_before_the_first_round(places, every):
    assert "--every takes" in said(places["web_app"], "web_app", "reconcile", "--every", every)
