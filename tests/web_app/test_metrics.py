"""web_app's numbers: told by a command alone, true, and without a label that could hold a secret."""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command

from tests.mounts import mounted
from tests.web_app.conftest import PASSWORD
from web_app.audit import security
from web_app.audit.models import Action
from web_app.config import errors
from web_app.config.management.commands import metrics as command
from web_app.config.problems import _codes
from web_app.metrics.shared import REGISTRY

pytestmark = pytest.mark.django_db(transaction=True)
THROUGH_NGINX = {"HTTP_HOST": "localhost:8443", "HTTP_X_FORWARDED_PROTO": "https"}
ROOT = Path(__file__).resolve().parents[2]


def count(name: str, **labels) -> float:
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None, "it stands at 0 from the beginning"
    return value


def sign_in(client, username: str, password: str) -> None:
    form = urlencode({"username": username, "password": password})
    client.post("/accounts/login/", form, content_type="application/x-www-form-urlencoded", **THROUGH_NGINX)


def told(*options) -> str:
    out = StringIO()
    call_command("metrics", *options, stdout=out)
    return out.getvalue()


def test_every_action_of_the_audit_and_every_refusal_is_there_from_the_beginning():
    assert all(count("sluice_web_events_total", action=str(action)) >= 0 for action in Action)
    assert all(count("sluice_web_security_events_total", kind=kind) >= 0 for kind in security.KINDS)
    assert all(count("sluice_web_refusals_total", code=code) >= 0 for code in _codes(errors.Problem))


def test_sign_ins_are_counted_by_how_they_ended(client, person):
    def how_often():
        signed_in = count("sluice_web_events_total", action="signed_in")
        return [signed_in, count("sluice_web_security_events_total", kind="sign_in_failed")]

    before = how_often()
    for password in (PASSWORD, "not the password", "nor this"):
        sign_in(client, person.username, password)
    assert [after - b for after, b in zip(how_often(), before, strict=True)] == [1, 2]


def test_grants_and_refusals_are_counted(key_api, person, collection):
    def how_often():
        issued = count("sluice_web_events_total", action="grant_issued")
        return [issued, count("sluice_web_refusals_total", code="collection_forbidden")]

    before = how_often()
    for slug in (collection.slug, "elsewhere"):
        key_api(person).post("uploads", {"collection": slug})
    assert [after - b for after, b in zip(how_often(), before, strict=True)] == [1, 1]


def test_no_address_tells_them_and_no_label_holds_a_name_or_a_token(client, browser, person, key_api, collection):
    canary = "canary-patient-name"
    key_api(person).post("uploads", {"collection": collection.slug, "name": canary})
    sign_in(client, canary, canary)
    for address in ("/metrics", "/api/v1/metrics", "/admin/metrics", f"/{canary}"):
        for one in (client, browser(person)):
            assert b"sluice_web" not in one.get(address, **THROUGH_NGINX).content
    text = told()
    assert "# TYPE sluice_web_grants gauge" in text
    everything = text + "".join(f"{sample}" for family in REGISTRY.collect() for sample in family.samples)
    assert [secret for secret in (canary, person.username, collection.slug, person.uploader_id) if secret in everything] == []
    labels = {pair for family in REGISTRY.collect() for sample in family.samples for pair in sample.labels.items()}
    labels |= set(re.findall(r'[{,](\w+)="([^"]*)"', text))
    assert {name for name, _ in labels} <= {"action", "kind", "code", "outcome", "part", "certificate", "use"}
    assert all(re.fullmatch(r"[a-z0-9_-]{1,24}", value) for _, value in labels), labels


def test_open_grants_certificates_and_keys_are_found_when_it_is_told(key_api, person, collection):
    key_api(person).post("uploads", {"collection": collection.slug})
    text = told()
    assert "sluice_web_grants 1.0\n" in text and 'sluice_web_healthy{part="database"} 1.0\n' in text
    assert 'sluice_web_certificate_end_timestamp_seconds{certificate="internal-client"}' in text


def test_the_file_is_replaced_whole_and_readable_by_the_collector(tmp_path):
    file = tmp_path / "sluice_web.prom"
    file.write_text("old")
    assert told("--to", str(file)) == ""
    assert "sluice_web_grants" in file.read_text() and file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(CommandError, match="FileNotFoundError"):
        told("--to", str(tmp_path / "nothing" / "x.prom"))
    with pytest.raises(CommandError, match="--every"):
        told("--every", "5")


class Enough(BaseException):
    pass


@pytest.mark.parametrize("broken", ["file", "numbers"])
def test_telling_goes_on_after_a_fault_of_any_kind(tmp_path, monkeypatch, capsys, broken):
    rounds, faults, file = [], [], tmp_path / "sluice_web.prom"
    real = getattr(command, {"file": "_replace", "numbers": "told"}[broken])

    def fail_once(*args):
        if not faults:
            faults.append(None)
            raise OSError(28, f"No space left: {tmp_path}") if broken == "file" else ValueError(str(tmp_path))
        return real(*args)

    def pause(seconds):
        rounds.append(file.exists())
        if len(rounds) == 2:
            raise Enough

    monkeypatch.setattr(command, real.__name__, fail_once)
    monkeypatch.setattr(command.time, "sleep", pause)
    with pytest.raises(Enough):
        told("--to", str(file), "--every", "7")
    assert rounds == [False, True] and str(tmp_path) not in "".join(capsys.readouterr())


COUNTS = """
import sys
import django
django.setup()
from web_app.metrics import counted, shared
counted.reconcile_round.set(int(sys.stdin.read()))
counted.reconciled.labels("completed").inc()
lines = shared.told().decode().splitlines()
print(shared.latest(counted.RECONCILE_ROUND), *(line for line in lines if line.startswith("sluice_web_reconciled_total")))
"""


def test_processes_tell_their_sum_and_the_newest_round(tmp_path):
    env = {**os.environ, "METRICS_DIR": str(tmp_path / "metrics"), "DJANGO_SETTINGS_MODULE": "web_app.config.settings"}
    said = [
        subprocess.run([sys.executable, "-c", COUNTS], cwd=ROOT, env=env, input=str(at), capture_output=True, text=True, check=True).stdout
        for at in (7, 5)
    ]
    assert said == [f'{at}.0 sluice_web_reconciled_total{{outcome="completed"}} {n}.0\n' for at, n in ((7, 1), (5, 2))]


BEHIND_A_FORK = """
import os
import django
django.setup()
from web_app.metrics import counted, shared
if os.fork() == 0:
    counted.refusals.labels("web_busy").inc()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
print(next(line for line in shared.told().decode().splitlines() if 'code="web_busy"' in line))
"""


def test_a_process_for_whose_numbers_there_is_no_room_goes_on_with_those_of_the_one_that_made_it(tmp_path):
    """As a worker of gunicorn, which comes from a process that has loaded all of it."""
    env = {**os.environ, "METRICS_DIR": str(tmp_path / "metrics"), "DJANGO_SETTINGS_MODULE": "web_app.config.settings"}
    with mounted(tmp_path / "metrics", "size=212k", "mode=0700"):
        ran = subprocess.run([sys.executable, "-c", BEHIND_A_FORK], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert ran.stdout == '0\nsluice_web_refusals_total{code="web_busy"} 1.0\n'
