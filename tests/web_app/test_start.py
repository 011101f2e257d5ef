"""Half-configured software refuses to start and says how to fix it (invariant 9)."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.checks import run_checks

from web_app.config import env

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path, pki):
    """The environment of a web tier that would start."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return {
        **inherited,
        "PYTHONDONTWRITEBYTECODE": "1",
        "SERVER_ROLE": "web",
        "STATE_DIR": str(tmp_path),
        "WEB_BIND": f"unix:{tmp_path}/web.sock",
        "WEB_WORKERS": "1",
        "SECRET_KEY_FILE": str(pki.secret_key),
        "TOKEN_ISSUER": "https://web.example",
        "TOKEN_AUDIENCE": "https://services.example",
        "TOKEN_KEY_FILE": str(pki.token_private),
        "RECEIPT_ISSUER": "https://services.example",
        "RECEIPT_JWKS_FILE": str(pki.receipt_public),
        "SERVICES_URL": "https://127.0.0.1:8002",
        "SERVICES_CA_FILE": str(pki.inside_ca),
        "INTERNAL_CLIENT_CERT_FILE": str(pki.web_app_cert),
        "INTERNAL_CLIENT_KEY_FILE": str(pki.web_app_key),
        "INTERNAL_API_KEY_FILE": str(pki.internal_api_key),
    }


def manage(environment, *arguments):
    command = [sys.executable, str(ROOT / "web_app" / "manage.py"), *arguments]
    # From another folder, as cron and systemd would.
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False)


def start_gunicorn(environment):
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "web_app/gunicorn.conf.py"), "web_app.config.wsgi"]
    return subprocess.Popen(
        command, env=environment, cwd="/", stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ids():
    return {message.id for message in run_checks() if message.id.startswith("web.")}


def test_good_settings_pass_every_check(settings):
    settings.SERVER_ROLE = "web"
    assert ids() == set()


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")  # no connection is made from it
@pytest.mark.parametrize(
    ("check_id", "setting", "value"),
    [
        ("web.E001", "SERVER_ROLE", ""),
        ("web.E001", "SERVER_ROLE", "services"),
        ("web.E002", "NAS_ROOT_IS_SET", True),
        ("web.E003", "TOKEN_KEY_FILE", Path("/nonexistent/keys")),
        ("web.E004", "RECEIPT_JWKS_FILE", Path("/nonexistent/keys")),
        ("web.E005", "SERVICES_CA_FILE", Path("/nonexistent/ca")),
        ("web.E011", "DATABASES", {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "db.example.org"}}),
        ("web.E006", "INTERNAL_CLIENT_CERT_FILE", Path("/nonexistent/cert")),
        ("web.E007", "INTERNAL_API_KEY", "short"),
        ("web.E008", "SECRET_KEY", "short"),
    ],
)
def test_each_half_configured_setting_has_its_check_and_a_hint(settings, check_id, setting, value):
    setattr(settings, setting, value)
    found = [message for message in run_checks() if message.id == check_id]
    assert len(found) == 1
    assert found[0].is_serious()
    assert found[0].hint
    assert "/nonexistent" not in str(found[0])


def test_public_key_cannot_stand_in_for_the_signing_key(settings, pki):
    settings.TOKEN_KEY_FILE = pki.token_public
    assert ids() == {"web.E003"}


def test_private_receipt_key_has_no_place_here(settings, pki):
    settings.RECEIPT_JWKS_FILE = pki.receipt_private
    assert ids() == {"web.E004"}


def test_key_of_another_certificate_is_noticed(settings, pki):
    settings.INTERNAL_CLIENT_KEY_FILE = pki.nginx_key
    assert ids() == {"web.E006"}


@pytest.mark.parametrize(
    ("differing", "said"),
    [
        ({"SERVER_ROLE": "services"}, "web.E001"),
        ({"SERVER_ROLE": ""}, "web.E001"),
        ({"NAS_ROOT": "/nas"}, "web.E002"),
        ({"SECRET_KEY_FILE": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "x" * 50}, "SECRET_KEY and SECRET_KEY_FILE are both set"),
        ({"TOKEN_ISSUER": ""}, "TOKEN_ISSUER is not set"),
        ({"SERVICES_URL": "http://127.0.0.1:8002"}, "SERVICES_URL is not of the form https://host"),
    ],
)
def test_manage_refuses_and_says_the_cure(place, differing, said):
    done = manage({**place, **differing}, "check")
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_manage_starts_from_any_folder_though_an_app_is_named_collections(place):
    done = manage(place, "check")
    assert (done.returncode, done.stderr) == (0, "")


def test_production_settings_pass_djangos_own_deployment_checks(place):
    manage(place, "collectstatic", "--noinput", "--verbosity", "0")
    done = manage(place, "check", "--deploy", "--fail-level", "WARNING")
    assert (done.returncode, done.stderr) == (0, "")


def test_migrations_are_complete(place):
    assert manage(place, "makemigrations", "--check", "--dry-run").returncode == 0


@pytest.mark.parametrize(
    ("differing", "said"),
    [
        ({"SERVER_ROLE": "services"}, "web.E001"),
        ({"NAS_ROOT": "/nas"}, "web.E002"),
        ({"TOKEN_KEY_FILE": "/nonexistent"}, "web.E003"),
        ({}, "web.E009"),
        ({}, "web.E010"),
        ({"SECRET_KEY_FILE": ""}, "SECRET_KEY is not set"),
        ({"WEB_BIND": ""}, "WEB_BIND is not set"),
        ({"WEB_BIND": "127.0.0.1:8000"}, "WEB_BIND must be unix:"),
    ],
)
def test_gunicorn_ends_with_the_message_instead_of_serving(place, differing, said):
    process = start_gunicorn({**place, **differing})
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said in stderr
    assert "Traceback" not in stderr


def test_gunicorn_serves_on_a_socket_for_owner_and_group_only_and_ends_on_term(place, tmp_path):
    manage(place, "migrate", "--verbosity", "0")
    manage(place, "collectstatic", "--noinput", "--verbosity", "0")
    path = tmp_path / "web.sock"
    process = start_gunicorn(place)
    try:
        answer = _asked(path, "/healthz")
        assert answer.startswith(b"HTTP/1.1 200")
        assert stat.S_IMODE(path.stat().st_mode) == 0o770
        redirected = _asked(path, "/accounts/login/")
        assert redirected.startswith(b"HTTP/1.1 301")
        assert _asked(path, "/accounts/login/", "X-Forwarded-Proto: https").startswith(b"HTTP/1.1 200")
        assert _asked(path, "/x?name=Jane-Doe.zip", "X-Forwarded-Proto: https").startswith(b"HTTP/1.1 404")
    finally:
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0
    assert stdout == ""
    assert "Jane" not in stderr
    assert str(tmp_path) not in stderr
    assert all(line.startswith("{") for line in stderr.splitlines())


def _asked(path, target, *headers):
    head = "\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""])
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
            except OSError:
                time.sleep(0.1)
                continue
            client.sendall(head.encode())
            return client.makefile("rb").read()
    raise AssertionError("gunicorn did not open its socket")


def test_secret_may_stand_in_a_file(monkeypatch, tmp_path):
    file = tmp_path / "secret"
    file.write_text("in a file\n")
    monkeypatch.setenv("A_SECRET_FILE", str(file))
    assert env.secret("A_SECRET") == "in a file"


@pytest.mark.parametrize("content", ["one,two", "one\ntwo\n", " one , two "])
def test_newest_of_several_internal_api_keys_comes_last(monkeypatch, content):
    monkeypatch.setenv("SOME_KEYS", content)
    assert env.secrets_listed("SOME_KEYS") == ["one", "two"]


def test_secret_starting_with_a_dollar_sign_is_taken_as_it_is(monkeypatch):
    monkeypatch.setenv("A_SECRET", "$HOME")
    assert env.secret("A_SECRET") == "$HOME"


@pytest.mark.parametrize(
    "value", ["http://x", "https://", "https://x/path", "https://a@b", "https://x:y", "x", "https://x?a"]
)
def test_origin_of_another_form_is_refused(monkeypatch, value):
    monkeypatch.setenv("AN_ORIGIN", value)
    with pytest.raises(env.SettingError, match="AN_ORIGIN is not of the form"):
        env.https_origin("AN_ORIGIN")


def test_each_line_of_a_secret_is_one_and_the_last_is_the_newest(monkeypatch, settings):
    monkeypatch.setenv("SOME_SECRET", "\n older, with a comma \n\nnewest\n")
    assert env.secret_lines("SOME_SECRET") == ["older, with a comma", "newest"]
    settings.SECRET_KEY_FALLBACKS = ["x" * 43]
    assert not ids()
    settings.SECRET_KEY_FALLBACKS = ["x" * 42]
    assert ids() == {"web.E008"}
