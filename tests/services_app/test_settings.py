"""Half-configured software refuses to start and says how to fix it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from services_app.config import checks, env
from tests.services_app.making import AUDIENCE, ISSUER, RECEIPT_ISSUER, key_set, new_key, public

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path, key_files):
    """A complete environment of this tier."""
    return {
        "PATH": os.environ["PATH"],
        "SERVER_ROLE": "services",
        "STATE_DIR": str(tmp_path),
        "NAS_ROOT": str(tmp_path / "nas"),
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
        "TOKEN_JWKS_FILE": str(key_files[0]),
        "RECEIPT_ISSUER": RECEIPT_ISSUER,
        "RECEIPT_KEY_FILE": str(key_files[1]),
        "INTERNAL_API_KEY": "k" * 43,
        "NGINX_CLIENT_NAME": "nginx.internal",
        "WEB_CLIENT_NAME": "web-app.internal",
    }


def check(environment, *command):
    ran = subprocess.run(
        [sys.executable, "services_app/manage.py", *(command or ("check",))],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def settings_refuse(monkeypatch):
    """A function: the message with which the settings refuse this environment; empty when they do not."""

    def refuse(environment):
        monkeypatch.setattr(os, "environ", dict(environment))
        try:
            spec = importlib.util.find_spec("services_app.config.settings")
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        except ImproperlyConfigured as refusal:
            return str(refusal)
        return ""

    return refuse


def test_a_complete_environment_passes_every_check(place):
    assert check(place) == (0, "System check identified no issues (0 silenced).\n")


REQUIRED = {
    "SERVER_ROLE": "SERVER_ROLE=services",
    "TOKEN_ISSUER": "same value as on the web tier",
    "TOKEN_AUDIENCE": "same value as on the web tier",
    "TOKEN_JWKS_FILE": "public JWK Set",
    "RECEIPT_ISSUER": "as the web tier knows it",
    "RECEIPT_KEY_FILE": "private JWK Set",
    "INTERNAL_API_KEY": "the same as on the web tier",
    "NGINX_CLIENT_NAME": "nginx's client certificate",
    "WEB_CLIENT_NAME": "web_app's client certificate",
    "NAS_ROOT": "init_store",
}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_variable_is_named_with_its_cure(place, settings_refuse, name):
    del place[name]
    said = settings_refuse(place)
    assert said.startswith(f"{name} is not set.") and REQUIRED[name] in said


@pytest.mark.parametrize("name", ["SERVER_ROLE", "NAS_ROOT"])
def test_an_empty_variable_counts_as_missing(place, settings_refuse, name):
    assert settings_refuse(place | {name: ""}).startswith(f"{name} is not set.")


def test_the_other_tiers_role_is_refused(place, settings_refuse):
    assert "SERVER_ROLE=services only" in settings_refuse(place | {"SERVER_ROLE": "web"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTENER", "both"),
        ("UPLOAD_MAX_SIZE", "1T"),
        ("UPLOAD_MAX_SIZE", "0"),
        ("UPLOAD_MAX_CONCURRENT", "-1"),
        ("UPLOAD_IDLE_TIMEOUT", "0"),
        ("UPLOAD_DEADLINE", "1.5"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(place, settings_refuse, name, value):
    assert settings_refuse(place | {name: value}).startswith(name)


def test_a_log_level_may_be_written_small(place, settings_refuse):
    assert settings_refuse(place | {"LOG_LEVEL": "debug"}) == ""


def test_a_command_that_cannot_start_says_why_and_quotes_no_secret(place):
    code, said = check(place | {"INTERNAL_API_KEY": "short-secret"})
    assert code != 0 and "services.E003" in said and "token_urlsafe" in said and "short-secret" not in said


def test_durability_is_asked_of_sqlite(place):
    program = (
        "import django; django.setup()\n"
        "from django.db import connection\n"
        "with connection.cursor() as c:\n"
        "    print([c.execute(f'PRAGMA {p}').fetchone()[0] for p in ('journal_mode', 'synchronous')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=place | {"DJANGO_SETTINGS_MODULE": "services_app.config.settings"},
    )  # fmt: skip
    assert ran.stdout.strip() == "['wal', 2]", ran.stderr


def test_a_secret_comes_from_its_file_as_well(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.delenv("INTERNAL_API_KEY", raising=False)
    monkeypatch.setenv("INTERNAL_API_KEY_FILE", str(tmp_path / "key"))
    assert env.secret("INTERNAL_API_KEY", "") == "from a file"
    monkeypatch.setenv("INTERNAL_API_KEY", "x")
    with pytest.raises(ImproperlyConfigured, match="both set"):
        env.secret("INTERNAL_API_KEY", "")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_secret_file_that_is_absent_empty_or_no_text_is_refused_with_the_cure(monkeypatch, tmp_path, content):
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    monkeypatch.delenv("INTERNAL_API_KEY", raising=False)
    monkeypatch.setenv("INTERNAL_API_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ImproperlyConfigured, match="Do this."):
        env.secret("INTERNAL_API_KEY", "Do this.")


def test_a_secret_that_begins_with_a_dollar_is_no_reference_to_another_variable(monkeypatch):
    monkeypatch.delenv("INTERNAL_API_KEY_FILE", raising=False)
    monkeypatch.setenv("INTERNAL_API_KEY", "$HOME")
    assert env.secret("INTERNAL_API_KEY", "") == "$HOME"


def ids(found):
    for problem in found:
        assert problem.hint, "a check that does not say the cure"
    return [problem.id for problem in found]


def test_every_check_passes_on_a_good_configuration():
    for one in CHECKS:
        assert one(None) == []


CHECKS = (
    checks.token_keys_are_public_and_readable,
    checks.receipt_keys_are_private_and_readable,
    checks.internal_api_keys_are_one_or_two_long_ones,
    checks.nas_root_is_an_absolute_folder,
    checks.the_client_names_differ,
)
KEY = new_key()


@pytest.mark.parametrize(
    "keys",
    [[KEY], [], [{}], [None], [public(KEY) | {"kid": "x"}], [{k: v for k, v in public(KEY).items() if k != "x"}]],
)
def test_e001_token_keys_that_are_not_public_ones(settings, tmp_path, keys):
    settings.TOKEN_JWKS_FILE = key_set(tmp_path / "keys", *keys)
    found = checks.token_keys_are_public_and_readable(None)
    assert ids(found) == ["services.E001"] and KEY["d"] not in f"{found[0].msg}{found[0].hint}"


@pytest.mark.parametrize("keys", [[public(KEY)], [], [{}], [None], [KEY | {"kid": "x"}], [KEY | {"d": "AAAA"}]])
def test_e002_receipt_keys_that_cannot_sign(settings, tmp_path, keys):
    settings.RECEIPT_KEY_FILE = key_set(tmp_path / "keys", *keys)
    assert ids(checks.receipt_keys_are_private_and_readable(None)) == ["services.E002"]


def test_key_files_that_are_absent_are_told_by_a_check_and_not_by_a_crash(settings, tmp_path):
    settings.TOKEN_JWKS_FILE = settings.RECEIPT_KEY_FILE = tmp_path / "none"
    assert ids(checks.token_keys_are_public_and_readable(None)) == ["services.E001"]
    assert ids(checks.receipt_keys_are_private_and_readable(None)) == ["services.E002"]


@pytest.mark.parametrize("keys", [[], ["k" * 31], ["k" * 32, "short"], ["a" * 32, "b" * 32, "c" * 32]])
def test_e003_internal_api_keys(settings, keys):
    settings.INTERNAL_API_KEYS = keys
    assert ids(checks.internal_api_keys_are_one_or_two_long_ones(None)) == ["services.E003"]


@pytest.mark.parametrize("root", ["nas", "./nas", "state"])
def test_e004_a_nas_root_that_is_relative_or_the_state_folder(settings, root):
    settings.NAS_ROOT = settings.STATE_DIR if root == "state" else Path(root)
    assert ids(checks.nas_root_is_an_absolute_folder(None)) == ["services.E004"]


def test_e005_one_name_for_both_clients(settings):
    settings.WEB_CLIENT_NAME = settings.NGINX_CLIENT_NAME
    assert ids(checks.the_client_names_differ(None)) == ["services.E005"]


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")  # no connection is made from it
def test_e006_a_database_on_another_host_that_need_not_prove_its_name(settings):
    elsewhere = {"ENGINE": "django.db.backends.postgresql", "HOST": "db.example.org", "OPTIONS": {"sslmode": "require"}}
    settings.DATABASES = {"default": elsewhere}
    assert ids(checks.the_database_proves_its_name(None)) == ["services.E006"]
    settings.DATABASE_HOST_UNVERIFIED = True
    assert ids(checks.the_database_proves_its_name(None)) == []
