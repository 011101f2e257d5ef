"""web_app by itself, on made-up keys: no other tier is there.

One process can hold one Django settings module, so these run apart from services_app's: `pytest tests/web_app`. Where
the caller brings an environment (./run test does), its keys are used; else a place is made here, before Django reads
settings.
"""

import atexit
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import django

from dev.pki import Pki


def _own_place() -> None:
    place = Path(tempfile.mkdtemp(prefix="sluice-web-app-tests-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    keys = Pki(place / "pki")
    os.environ.pop("NAS_ROOT", None)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="web_app.config.settings",
        SERVER_ROLE="web",
        STATE_DIR=str(place),
        METRICS_DIR=str(place / "metrics"),
        SECRET_KEY_FILE=str(keys.secret_key),
        TOKEN_ISSUER="https://web.example",
        TOKEN_AUDIENCE="https://services.example",
        TOKEN_KEY_FILE=str(keys.token_private),
        RECEIPT_ISSUER="https://services.example",
        RECEIPT_JWKS_FILE=str(keys.receipt_public),
        SERVICES_URL="https://127.0.0.1:8002",
        SERVICES_CA_FILE=str(keys.inside_ca),
        INTERNAL_CLIENT_CERT_FILE=str(keys.web_app_cert),
        INTERNAL_CLIENT_KEY_FILE=str(keys.web_app_key),
        INTERNAL_API_KEY_FILE=str(keys.internal_api_key),
    )


if "TOKEN_KEY_FILE" not in os.environ:
    _own_place()
    django.setup()

import pytest  # noqa: E402

from tests.web_app.signing import UPLOAD_ID, signed  # noqa: E402
from web_app.audit import security  # noqa: E402
from web_app.audit.tally import Tally  # noqa: E402
from web_app.config import places  # noqa: E402

PKI = Pki(Path(os.environ["TOKEN_KEY_FILE"]).parent.parent)
PASSWORD = "a long enough passphrase"


@pytest.fixture(scope="session")
def pki():
    return PKI


@pytest.fixture(autouse=True)
def fast_and_without_collected_files(settings):
    places.EXPORTS._held.clear()  # tests read not all to the end
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    settings.ALLOWED_HOSTS = ["localhost"]
    settings.PUBLIC_URL = "https://localhost:8443"


@pytest.fixture(autouse=True)
def what_is_refused_is_written_at_once(monkeypatch):
    monkeypatch.setattr(security, "_tally", Tally(security.write, later=lambda _, settle: settle()))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory, django_db_modify_db_settings_parallel_suffix):
    """One of its own for each process of a run; a file, as in production: a database in memory knows no rivals for its write lock."""
    from django.db import connections

    if connections["default"].vendor == "sqlite":
        connections["default"].settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("db") / "test.sqlite3")


@pytest.fixture
def folders(monkeypatch):
    """The slugs whose folders the services tier was asked to make; an exception in `refusing` is what it answers."""
    from web_app.storage.driver import RemoteStorageDriver

    class Asked(list):
        refusing = None

    asked = Asked()

    def add_collection(driver, slug):
        asked.append(slug)
        if asked.refusing:
            raise asked.refusing

    monkeypatch.setattr(RemoteStorageDriver, "add_collection", add_collection)
    return asked


@pytest.fixture
def person(db):
    from web_app.accounts.models import User

    return User.objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def stranger(db):
    from web_app.accounts.models import User

    return User.objects.create_user("eve", password=PASSWORD)


@pytest.fixture
def operator(db):
    from web_app.accounts.models import User

    return User.objects.create_superuser("olga", password=PASSWORD)


@pytest.fixture
def collection(person):
    from web_app.collections.models import Collection, Membership

    made = Collection.objects.create(slug="mri-2026", title="MRI 2026", max_size=1000)
    Membership.objects.create(user=person, collection=made)
    return made


@pytest.fixture
def browser():
    """Makes browsers, as nginx would let them through: HTTPS, and CSRF enforced. `browser(user)` is signed in."""
    from django.test import Client

    def make(user=None):
        client = Client(enforce_csrf_checks=True, HTTP_HOST="localhost:8443", HTTP_X_FORWARDED_PROTO="https")
        if user is not None:
            client.force_login(user)
        return client

    return make


def just_signed_in(client):
    """As by the form, with a password: what is sensitive in the admin asks for that."""
    session = client.session
    session["signed_in_at"] = int(time.time())
    session.save()
    return client


class Api:
    """JSON requests, by a signed-in browser (with its CSRF token) or by a script's key."""

    def __init__(self, client, headers=None):
        self.client, self.headers = client, headers or {}

    def get(self, path, **more):
        return self.client.get(f"/api/v1/{path}", headers=self.headers, **more)

    def delete(self, path):
        return self.client.delete(f"/api/v1/{path}", headers=self.headers)

    def post(self, path, body, content_type="application/json"):
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self.client.post(f"/api/v1/{path}", data, content_type=content_type, headers=self.headers)


@pytest.fixture
def page_api(browser):
    """`page_api(user)`: the API as the page of a signed-in person uses it."""

    def make(user):
        client = browser(user)
        token = "t" * 32
        client.cookies["__Host-sluice-csrf"] = token
        return Api(client, {"X-CSRFToken": token, "Referer": "https://localhost:8443/"})

    return make


@pytest.fixture
def key_api(browser):
    """`key_api(user)`: the API as a script with an API key uses it."""
    from web_app.accounts import api_keys
    from web_app.audit.record import COMMAND

    def make(user):
        _, text = api_keys.create(user, label="", expires_at=None, who=COMMAND)
        return Api(browser(), {"Authorization": f"Bearer {text}"})

    return make


@pytest.fixture
def receipt_claims(settings):
    """`receipt_claims(grant, **differing)`: what a receipt for this grant says."""

    def make(grant, /, **differing):
        return {
            "iss": settings.RECEIPT_ISSUER,
            "iat": int(time.time()),
            "upload_id": UPLOAD_ID,
            "grant": str(grant.id),
            "sub": grant.uploader.uploader_id,
            "collection": grant.collection.slug,
            "size": 100,
            "sha256": "ab" * 32,
            "media_type": "application/zip",
            "received_at": "2026-11-23T08:00:00.000Z",
            "durable_at": "2026-11-23T08:01:00.500Z",
            "ledger_seq": 7,
            "ledger_head": "cd" * 32,
            **differing,
        }

    return make


@pytest.fixture
def receipt_for(receipt_claims):
    return lambda grant, /, **differing: signed(receipt_claims(grant, **differing))


@pytest.fixture
def grant(person, collection):
    from web_app.audit.record import COMMAND
    from web_app.grants import actions

    made, _ = actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)
    return made
