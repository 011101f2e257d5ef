"""What the control listener tells Prometheus: to one certificate only, true numbers, and no label that could hold a secret."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import Error
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families as parsed

from services_app.metrics import counted
from services_app.store.errors import StoreUnavailable
from services_app.uploads import errors
from services_app.uploads.models import Upload
from services_app.uploads.ownership import takeover
from services_app.uploads.states import State
from services_app.uploads.wire.middleware import _codes
from tests.mounts import mounted
from tests.services_app.making import (
    INTERNAL_KEY,
    NGINX,
    WEB_APP,
    Connection,
    PlainConnection,
    a_zip,
    abandon,
    announced,
    begun,
    claims_object,
    received,
    request_body,
    some_uuid,
)

pytestmark = pytest.mark.django_db(transaction=True)
WATCHER = "metrics.sluice.internal"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def scrape(control, known_store, settings):
    """A function: every sample as Prometheus reads it, by name and labels."""
    settings.METRICS_CLIENT_NAME = WATCHER

    def ask() -> dict[str, float]:
        answer = control("GET", "/metrics", peer=Connection(WATCHER))
        assert answer.status_code == 200 and answer["Content-Type"].startswith("text/plain; version=0.0.4")
        samples = [sample for family in parsed(answer.content.decode()) for sample in family.samples]
        return {" ".join([one.name, *(f"{name}={value}" for name, value in one.labels.items())]): one.value for one in samples}

    return ask


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (WATCHER, Connection(NGINX)),
        (WATCHER, Connection(WEB_APP)),
        (WATCHER, Connection(f"x{WATCHER}")),
        (WATCHER, Connection(certificate=False)),
        (WATCHER, PlainConnection()),
        ("", Connection(WATCHER)),
        ("", Connection("")),
    ],
)
def test_nobody_but_the_certificate_that_is_named_is_told_anything(control, settings, name, peer):
    settings.METRICS_CLIENT_NAME = name
    answer = control("GET", "/metrics", peer=peer)
    assert (answer.status_code, answer.json()["code"]) == (403, "peer_forbidden")


def test_the_uploads_listener_has_no_metrics(uploads, settings):
    settings.METRICS_CLIENT_NAME = WATCHER
    assert uploads("GET", "/metrics", peer=Connection(WATCHER)).status_code == 404


def test_an_upload_is_counted_with_its_bytes_its_times_and_its_end(scrape):
    before, content = scrape(), a_zip()
    received(request_body(content), claims_object(), announced(len(content)))
    after = scrape()
    assert {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}.items() >= {
        "sluice_received_bytes_total protocol=whole": len(content),
        "sluice_append_seconds_count protocol=whole": 1,
        "sluice_commit_seconds_count": 1,
        "sluice_tail_seconds_count": 1,
        "sluice_uploads_ended_total event=committed": 1,
        "sluice_ledger_head": 1,
    }.items()
    assert after["sluice_uploads state=receiving"] == 0 and after["sluice_stored_not_what_they_were"] == 0


def test_unfinished_uploads_are_told_by_state_with_the_oldest_and_who_holds_them(scrape):
    begun(claims_object(), announced(9), receiving=False)
    held = begun(claims_object(), announced(9))
    Upload.objects.filter(id=held.id).update(offset=5, received_at=timezone.now() - timedelta(hours=3))
    abandon(begun(claims_object(), announced(9)))
    told = scrape()
    assert [told[f"sluice_uploads state={state}"] for state in ("waiting", "receiving", "committing")] == [1, 2, 0]
    assert (told["sluice_leases"], told["sluice_abandoned_uploads"], told["sluice_unfinished_bytes"]) == (1, 1, 5)
    assert 3 * 3600 <= told["sluice_oldest_unfinished_seconds"] < 3 * 3600 + 60


@pytest.mark.parametrize("listener", ["door", "view", "nowhere", "internal"])
def test_a_refusal_is_counted_by_its_code(scrape, control, grant_token, listener):
    before = scrape()
    if listener == "door":
        question = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": "99"}
        control("GET", "/authorize", token=grant_token(max_size=5), **question)
    elif listener == "view":
        control("GET", "/u")
    elif listener == "internal":
        path = f"/internal/v1/grants/{some_uuid()}"
        control("GET", path, token="wrong", peer=Connection(WEB_APP))
        control("GET", path, token=INTERNAL_KEY, peer=Connection(WEB_APP))  # not there yet, which is no refusal
    else:
        control("GET", "/elsewhere")
    codes = {"door": "too_large", "view": "token_missing", "nowhere": "not_found", "internal": "peer_forbidden"}
    code = codes[listener]
    after = scrape()
    changed = {name: after[name] - before.get(name, 0) for name in after if "refusals_total" in name and after[name] != before.get(name, 0)}
    assert changed == {f"sluice_refusals_total code={code}": 1}


def test_every_code_of_a_refusal_stands_at_0_from_the_beginning(scrape):
    told = scrape()
    assert _codes(errors.Problem) >= {"no_space", "busy", "internal_error"}
    assert {f"sluice_refusals_total code={code}" for code in _codes(errors.Problem)} <= told.keys()


def test_only_a_takeover_from_a_running_request_is_counted(scrape, monkeypatch):
    waiting, before = begun(claims_object(), announced(9), receiving=False), scrape()["sluice_takeovers_total"]
    takeover.seize(Upload.objects.get(id=waiting.id))
    assert scrape()["sluice_takeovers_total"] == before

    def lets_go(upload):
        Upload.objects.filter(id=upload.id).update(state=State.WAITING)

    monkeypatch.setattr(takeover, "_make_it_let_go", lets_go)
    takeover.seize(Upload.objects.get(id=waiting.id))
    assert scrape()["sluice_takeovers_total"] == before + 1


def test_certificates_and_keys_tell_their_dates_and_what_cannot_be_read_is_left_out(scrape, settings, tmp_path):
    from dev.pki import Authority
    from services_app.receipts.keyring import Keyring

    authority = Authority(tmp_path, "inside")
    settings.TLS_CERT_FILE = str(authority.issue("services", "services.sluice.internal", server=True)[0])
    settings.TLS_CLIENT_CA_FILE = str(tmp_path / "nothing.crt")
    Keyring(tmp_path / "receipt.jwks").add()
    settings.RECEIPT_KEY_FILE = str(tmp_path / "receipt.jwks")
    told, now = scrape(), timezone.now().timestamp()
    assert 89 < (told["sluice_certificate_end_timestamp_seconds certificate=server"] - now) / 86400 <= 90
    assert "sluice_certificate_end_timestamp_seconds certificate=client-authority" not in told
    assert 0 <= now - told["sluice_key_made_timestamp_seconds use=receipt"] < 60


def test_a_store_that_is_away_is_0_and_everything_else_is_told(scrape, nas):
    assert scrape()["sluice_healthy part=store"] == 1
    nas.rename(nas.with_name("unmounted"))
    told = scrape()
    assert told["sluice_healthy part=store"] == 0
    assert "sluice_store_free_bytes" not in told and told["sluice_uploads state=waiting"] == 0


def test_a_database_that_is_away_is_0_and_the_answer_comes_all_the_same(scrape, monkeypatch):
    from services_app.config import health

    def away():
        raise Error

    monkeypatch.setattr(health, "_write_and_take_back", away)
    health.believed.cache_clear()
    told = scrape()
    assert told["sluice_healthy part=database"] == 0
    assert "sluice_uploads state=waiting" not in told and "sluice_ledger_head" not in told


def test_no_label_holds_a_name_a_path_a_token_or_a_person(control, scrape, uploads, grant_token, settings):
    canary, token = "canary-patient-name", grant_token(sub="person-4711", collection="mri-2026")
    uploads("PUT", "/u", token=token, body=b"text\n", HTTP_CONTENT_DISPOSITION=f'attachment; filename="{canary}.txt"')
    control("GET", "/u", token=f"{canary}.{canary}.{canary}")
    control("GET", f"/{canary}")
    text = control("GET", "/metrics", peer=Connection(WATCHER)).content.decode()
    assert [secret for secret in (canary, token, "person-4711", "mri-2026", str(settings.NAS_ROOT)) if secret in text] == []
    closed = {"protocol", "code", "event", "part", "state", "certificate", "use", "le"}
    assert set(re.findall(r'[{,](\w+)="', text)) <= closed
    values = {value for name, value in re.findall(r'[{,](\w+)="([^"]*)"', text) if name != "le"}
    assert all(re.fullmatch(r"[a-z0-9_-]{1,24}", value) for value in values), values


def test_a_fault_of_the_store_on_the_way_is_timed_like_a_success(known_store, scrape, monkeypatch):
    from services_app.uploads.content import receive

    before = scrape()["sluice_commit_seconds_count"]
    upload = begun(claims_object(), announced(4))
    monkeypatch.setattr(receive.current_store().__class__, "publish", lambda *_: (_ for _ in ()).throw(StoreUnavailable()))
    with pytest.raises(StoreUnavailable):
        receive.commit(upload)
    assert scrape()["sluice_commit_seconds_count"] == before + 1


COUNTS = """
import sys
import django
django.setup()
from services_app.metrics import counted, shared
counted.takeovers.inc(3)
lines = shared.told().decode().splitlines()
print(shared.IS_SHARED, next(line for line in lines if line.startswith("sluice_takeovers_total")), flush=True)
sys.stdin.read()
"""


def counting(folder: Path) -> subprocess.Popen:
    """A process that counts three takeovers, tells what there are, and stays until its stdin ends."""
    env = {**os.environ, "METRICS_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "services_app.config.settings"}
    env["INTERNAL_API_KEY"] = INTERNAL_KEY
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", COUNTS], cwd=ROOT, env=env, **pipes)


def test_processes_of_one_host_tell_their_sum_also_of_those_that_ended_and_leave_no_more_files_than_they_were(tmp_path):
    folder, said = tmp_path / "metrics", []
    for _ in range(3):
        with counting(folder) as first:
            said.append(first.stdout.readline())
            with counting(folder) as second:
                said.append(second.stdout.readline())
                second.kill()
    assert said == [f"True sluice_takeovers_total {n}.0\n" for n in (3, 6, 9, 12, 15, 18)]
    assert sorted(path.name for path in folder.glob("*.lock")) == ["0.lock", "1.lock"]
    assert len(list(folder.glob("counter_*.db"))) == 2
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in ("open", "link", "not/there"):
        with counting(tmp_path / folder) as process:
            assert process.stdout.readline() == "False sluice_takeovers_total 3.0\n"
    assert list((tmp_path / "open").iterdir()) == []


def test_a_folder_without_room_is_not_used_and_kills_nobody(tmp_path):
    with mounted(tmp_path, "size=128k") as place, counting(place / "metrics") as process:
        assert process.stdout.readline() == "False sluice_takeovers_total 3.0\n"


BEHIND_A_FORK = """
import os
import django
django.setup()
from services_app.metrics import counted, shared
if os.fork() == 0:
    counted.takeovers.inc()
    before = len(os.listdir("/proc/self/fd"))
    counted.takeovers.inc()
    os._exit(len(os.listdir("/proc/self/fd")) - before)
print(os.waitstatus_to_exitcode(os.wait()[1]))
lines = shared.told().decode().splitlines()
print(next(line for line in lines if line.startswith("sluice_takeovers_total")), sorted(os.listdir(os.environ["METRICS_DIR"])))
"""


def test_a_process_for_whose_numbers_there_is_no_room_goes_on_with_those_of_the_one_that_made_it(tmp_path):
    """As a worker of gunicorn that is begun anew: to count must never be what a request fails by."""
    env = {"METRICS_DIR": str(tmp_path / "metrics"), "DJANGO_SETTINGS_MODULE": "services_app.config.settings"}
    env["INTERNAL_API_KEY"] = INTERNAL_KEY
    with mounted(tmp_path / "metrics", "size=212k", "mode=0700"):
        ran = subprocess.run(
            [sys.executable, "-c", BEHIND_A_FORK], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=True
        )
    kinds = ("counter_0.db", "gauge_mostrecent_0.db", "histogram_0.db")
    assert ran.stdout == f"0\nsluice_takeovers_total 2.0 {['0.lock', '1.lock', *kinds]}\n"


def test_a_body_is_counted_while_it_comes_in(known_store):
    """Hours before its end."""
    counter = counted.received_bytes.labels("whole")
    before, seen = counter._value.get(), []
    body = request_body(a_zip())
    fill = body.fill

    def watched(view):
        seen.append(counter._value.get() - before)
        return fill(view)

    body.fill = watched
    received(body, claims_object(), announced(len(a_zip())))
    assert seen == [0, len(a_zip())]
