"""`manage.py status`: what is wrong, and the command that cures it; the exit status is for monitoring."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import Error, OperationalError
from django.utils import timezone

import services_app
from services_app.config import health
from services_app.proof.models import Look
from services_app.status import judge, page, pki
from services_app.uploads.models import Upload
from tests.services_app.making import (
    INTERNAL_KEY,
    NGINX,
    WEB_APP,
    Connection,
    abandon,
    announced,
    begun,
    claims_object,
    some_uuid,
)

pytestmark = pytest.mark.django_db(transaction=True)


def status(*options) -> tuple[int, str]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("status", *options, stdout=out)
    return ended.value.code, out.getvalue()


def test_where_all_is_well_the_page_says_what_runs_and_exits_0(known_store):
    code, said = status()
    assert code == 0, said
    assert said.splitlines()[0] == f"services tier {services_app.__version__}"
    assert "store         ok" in said and "database      ok" in said and "ledger        0 entries" in said
    assert "receipt key" in said and "signs" in said and "→" not in said


def test_an_upload_in_flight_is_told_with_size_speed_and_age_and_no_name(known_store):
    upload = begun(claims_object(), announced(8 << 20, name="canary.zip"))
    Upload.objects.filter(id=upload.id).update(offset=4 << 20, received_at=timezone.now() - timedelta(seconds=1000))
    code, said = status()
    assert (code, "canary" in said) == (0, False)
    assert f"{upload.id}  receiving, 4.0 MiB of 8.0 MiB in 17 min, 4.1 KiB/s" in said
    code, said = status("--json")
    (one,) = json.loads(said)["uploads"]["in_flight"]
    assert (code, one["upload_id"], one["offset"]) == (0, str(upload.id), 4 << 20)
    assert 4100 < one["bytes_per_second"] <= 4194
    assert "canary" not in said


def _unmounted(nas, settings, monkeypatch, tmp_path):
    nas.rename(nas.with_name("unmounted"))


def _no_space(nas, settings, monkeypatch, tmp_path):
    settings.UPLOAD_SPACE_RESERVE = 1 << 60


def _little_space(nas, settings, monkeypatch, tmp_path):
    from services_app.store.current import current_store

    settings.UPLOAD_SPACE_RESERVE = current_store().health().free_bytes * 3 // 4


def _database_away(nas, settings, monkeypatch, tmp_path):
    def away():
        raise Error

    monkeypatch.setattr(health, "_write_and_take_back", away)
    health.believed.cache_clear()


def _abandoned(nas, settings, monkeypatch, tmp_path):
    abandon(begun(claims_object(), announced(9)))


def _all_places_taken(nas, settings, monkeypatch, tmp_path):
    begun(claims_object(), announced(9))
    settings.UPLOAD_MAX_CONCURRENT = 1


def _a_changed_file(nas, settings, monkeypatch, tmp_path):
    for found in ("changed manifest_changed", "", "missing"):
        Look.objects.create(upload_id=some_uuid(), at=timezone.now(), found=found)


def _no_receipt_key(nas, settings, monkeypatch, tmp_path):
    settings.RECEIPT_KEY_FILE = str(tmp_path / "nothing.jwks")


def _short_api_key(nas, settings, monkeypatch, tmp_path):
    settings.INTERNAL_API_KEYS = ["short"]


def _no_certificate(nas, settings, monkeypatch, tmp_path):
    settings.TLS_CERT_FILE = str(tmp_path / "nothing.crt")


@pytest.mark.parametrize(
    ("break_it", "exit_code", "what", "cure"),
    [
        (_unmounted, 2, "store: absent", "manage.py init_store"),
        (_no_space, 2, "space: full", "manage.py recover"),
        (_little_space, 1, "bytes left", "manage.py recover"),
        (_database_away, 2, "database: failing", "manage.py migrate"),
        (_abandoned, 1, "1 uploads wait to be settled", "manage.py recover"),
        (_all_places_taken, 1, "all 1 places are taken", "UPLOAD_MAX_CONCURRENT"),
        (_a_changed_file, 2, "2 stored files are not what they were", "manage.py verify_store"),
        (_no_receipt_key, 2, "the receipt keys cannot be read (FileNotFoundError)", "manage.py check"),
        (_short_api_key, 2, "services.E003", "token_urlsafe"),
        (_no_certificate, 2, "certificate server cannot be read (FileNotFoundError)", "TLS_CERT_FILE"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_told_with_its_cure_and_an_exit_status(
    known_store, nas, settings, monkeypatch, tmp_path, break_it, exit_code, what, cure
):
    break_it(nas, settings, monkeypatch, tmp_path)
    code, said = status()
    lines = said.splitlines()
    at = next(number for number, line in enumerate(lines) if what in line and line.startswith(("WARNING", "CRITICAL")))
    assert cure in lines[at + 1], lines[at + 1]
    assert code == exit_code, said
    assert str(nas) not in said


def test_a_database_that_is_away_is_told_with_its_cause_and_nothing_that_only_follows_from_it(known_store, monkeypatch):
    def away():
        raise OperationalError from psycopg.OperationalError()

    monkeypatch.setattr(health, "_write_and_take_back", away)
    monkeypatch.setattr(health, "current_store", lambda: (_ for _ in ()).throw(Error()))
    health.believed.cache_clear()
    said = [line for line in status()[1].splitlines() if line.startswith("CRITICAL")]
    assert said == ["CRITICAL  database: failing (unreachable)"]


@pytest.mark.parametrize(("days", "level"), [(-1, "critical"), (4, "critical"), (19, "warning"), (21, None)])
def test_a_certificate_is_told_of_in_time(days, level):
    ends = (datetime.now(UTC) + timedelta(days=days, hours=1)).isoformat()
    found = list(judge._certificates([{"certificate": "server", "ends": ends}]))
    assert [one["level"] for one in found] == ([level] if level else [])


@pytest.mark.parametrize(("days", "told"), [(364, 0), (367, 1)])
def test_a_key_that_signs_for_more_than_a_year_is_told_of(days, told):
    made = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    key = {"use": "receipt", "kid": "k", "made": made}
    assert len(list(judge._keys([{**key, "signs": True}]))) == told
    assert not list(judge._keys([{**key, "signs": False}, {**key, "signs": True, "made": None}]))


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (timedelta(seconds=5), "made 5 s ago"),
        (timedelta(minutes=7), "made 7 min ago"),
        (timedelta(hours=30), "made 30 h ago"),
        (timedelta(days=9, hours=1), "made 9 d ago"),
    ],
)
def test_a_key_says_how_long_ago_it_was_made(ago, told):
    made = (datetime.now(UTC) - ago).isoformat()
    assert page._key({"use": "receipt", "kid": "k", "signs": True, "made": made}) == f"k, {told}, signs"


@pytest.mark.parametrize(("left", "told"), [(timedelta(hours=-1), "has ended"), (timedelta(hours=1), "0 days left")])
def test_a_certificate_that_ended_within_the_day_has_ended(left, told):
    assert page._left({"certificate": "server", "ends": (datetime.now(UTC) + left).isoformat()}) == told


def test_a_key_says_when_it_was_made_and_keeps_saying_so_when_its_file_is_written_anew(settings, tmp_path):
    from services_app.receipts.keyring import Keyring

    settings.RECEIPT_KEY_FILE = str(tmp_path / "receipt.jwks")
    keyring = Keyring(tmp_path / "receipt.jwks")
    first = keyring.add()
    made = {one["kid"]: one["made"] for one in pki.keys() if one["use"] == "receipt"}
    second = Keyring(tmp_path / "receipt.jwks").add()
    Keyring(tmp_path / "receipt.jwks").sign_with(second)
    keys = [one for one in pki.keys() if one["use"] == "receipt"]
    assert [(one["kid"], one["signs"]) for one in keys] == [(first, False), (second, True)]
    assert keys[0]["made"] == made[first] and datetime.fromisoformat(made[first]) <= datetime.now(UTC)
    assert all(one["iat"] for one in keyring.public()["keys"])


def test_web_app_gets_the_same_over_the_internal_api_and_nginx_does_not(control, known_store):
    answer = control("GET", "/internal/v1/status", token=INTERNAL_KEY, peer=Connection(WEB_APP))
    told = answer.json()
    assert (answer.status_code, told["report"]["tier"], told["report"]["problems"]) == (200, "services", [])
    assert told["page"][0] == page.lines(told["report"])[0]
    assert control("GET", "/internal/v1/status", token=INTERNAL_KEY, peer=Connection(NGINX)).status_code == 403


@pytest.mark.parametrize(
    ("count", "said"), [(None, "unknown"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB"), (3 << 50, "3072.0 TiB")]
)
def test_sizes_are_told_for_people(count, said):
    assert page.size(count) == said


def test_the_version_is_that_of_the_project():
    from tests.services_app.test_metrics import ROOT

    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert services_app.__version__ == version
