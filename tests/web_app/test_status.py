"""`manage.py status` of the web tier: both tiers on one page, what is wrong, and the command that cures it."""

import datetime
import json
import re
import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import Error

import web_app
from web_app.config import health
from web_app.metrics import shared
from web_app.status import judge, page, services
from web_app.storage import errors

pytestmark = pytest.mark.django_db(transaction=True)

PROBLEM = {"level": "warning", "what": "3 uploads wait to be settled", "cure": "run: manage.py recover"}


@pytest.fixture(autouse=True)
def all_is_well(settings, monkeypatch):
    """`reconcile` has just been round, and the services tier answers as it is told to."""
    (settings.STATIC_ROOT / "staticfiles.json").touch()
    health.believed.cache_clear()
    monkeypatch.setattr(shared, "latest", lambda name: time.time() - 30)
    answer = {"report": {"tier": "services", "problems": []}, "page": ["services tier 9.9"]}

    class Api:
        def ask(self, method, path):
            assert (method, path) == ("GET", "status")
            if isinstance(answer.get("fault"), Exception):
                raise answer["fault"]
            return answer

    monkeypatch.setattr(services, "internal_api", Api)
    yield answer
    (settings.STATIC_ROOT / "staticfiles.json").unlink(missing_ok=True)


def status(*options) -> tuple[int, str]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("status", *options, stdout=out)
    return ended.value.code, out.getvalue()


def test_where_all_is_well_one_page_shows_both_tiers_and_exits_0():
    code, said = status()
    assert code == 0, said
    assert said.splitlines()[0] == f"web tier {web_app.__version__}" and said.splitlines()[-1] == "services tier 9.9"
    assert "database      ok" in said and "reconcile     last round 30 s ago" in said and "token   key" in said
    code, said = status("--json")
    told = json.loads(said)
    assert (code, told["problems"], told["web"]["tier"], told["services"]["tier"]) == (0, [], "web", "services")


def test_what_the_services_tier_finds_counts_here(all_is_well):
    all_is_well["report"]["problems"] = [PROBLEM]
    assert status()[0] == 1
    assert json.loads(status("--json")[1])["problems"] == [{"tier": "services", **PROBLEM}]


@pytest.mark.parametrize(
    ("fault", "cure"),
    [
        (errors.StorageUnreachable(), "systemctl start sluice-control"),
        (errors.StorageFailing(), "systemctl status sluice-control"),
        (errors.StorageRefused(), "INTERNAL_API_KEY"),
        (errors.StorageAnswerBad(), "upgrade the services tier"),
        (None, "upgrade the services tier"),
    ],
)
def test_a_services_tier_that_cannot_be_asked_is_critical_and_this_tier_is_shown_all_the_same(all_is_well, fault, cure):
    all_is_well["fault"] = fault
    if fault is None:
        del all_is_well["page"]
    code, said = status()
    assert code == 2 and said.startswith("web tier")
    assert re.search(r"CRITICAL  the services tier cannot be asked \(storage_\w+\)\n          → .*" + re.escape(cure), said), said


def test_what_is_wrong_here_is_told_with_its_cure(settings, monkeypatch, tmp_path):
    def away():
        raise Error

    for break_it, level, what, cure in [
        (lambda: monkeypatch.setattr(shared, "latest", lambda name: None), 1, "no round of reconcile", "sluice-reconcile"),
        (lambda: monkeypatch.setattr(shared, "latest", lambda name: time.time() - 1000), 1, "17 minutes ago", "sluice-reconcile"),
        (lambda: (settings.STATIC_ROOT / "staticfiles.json").unlink(), 2, "web.E009", "manage.py collectstatic"),
        (lambda: setattr(settings, "INTERNAL_CLIENT_CERT_FILE", tmp_path / "x"), 2, "internal-client cannot be read", "CLIENT_CERT_FILE"),
        (lambda: setattr(settings, "TOKEN_KEY_FILE", tmp_path / "x"), 2, "the token keys cannot be read", "manage.py check"),
        (lambda: monkeypatch.setattr(health, "_write_and_take_back", away), 2, "database: failing", "manage.py migrate"),
    ]:
        break_it()
        health.believed.cache_clear()
        code, said = status()
        lines = said.splitlines()
        at = next(number for number, line in enumerate(lines) if what in line and line.startswith(("WARNING", "CRITICAL")))
        assert cure in lines[at + 1] and code >= level, said
        assert str(tmp_path) not in said


@pytest.mark.parametrize(("days", "level"), [(-1, "critical"), (4, "critical"), (19, "warning"), (21, None)])
def test_a_certificate_is_told_of_in_time(days, level):
    ends = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=1)).isoformat()
    found = list(judge._certificates([{"certificate": "internal-client", "ends": ends}]))
    assert [one["level"] for one in found] == ([level] if level else [])


def test_a_key_that_signs_for_more_than_a_year_is_told_of():
    made = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=367)).isoformat()
    key = {"use": "token", "kid": "k", "made": made}
    assert [one["cure"][:29] for one in judge._keys([{**key, "signs": True}])] == ["run: manage.py token_keys new"]
    assert not list(judge._keys([{**key, "signs": False}, {**key, "signs": True, "made": None}]))


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (datetime.timedelta(seconds=5), "made 5 s ago"),
        (datetime.timedelta(minutes=7), "made 7 min ago"),
        (datetime.timedelta(hours=30), "made 30 h ago"),
        (datetime.timedelta(days=9, hours=1), "made 9 d ago"),
    ],
)
def test_a_key_says_how_long_ago_it_was_made(ago, told):
    made = (datetime.datetime.now(datetime.UTC) - ago).isoformat()
    assert page._key({"use": "token", "kid": "k", "signs": True, "made": made}) == f"k, {told}, signs"


@pytest.mark.parametrize(("hours", "told"), [(-1, "has ended"), (1, "0 days left")])
def test_a_certificate_that_ended_within_the_day_has_ended(hours, told):
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    assert page._left({"certificate": "internal-client", "ends": ends.isoformat()}) == told


def test_the_version_is_that_of_the_project():
    project = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    assert re.findall(r'^version = "(.+)"$', project, re.MULTILINE) == [web_app.__version__]
