"""upgrade.yml while uploads run: nothing fails, nothing starts again, nobody is told 5xx; and what is red is gone back from."""

import re

import pytest

from dev.paths import ROOT
from tests.infra.hosts import ADDRESSES
from tests.infra.load import while_uploading
from tests.infra.releases import Releases

RED = "def healthz(request):\n    return JsonResponse({}, status=503)\n\n\ndef _before(request):"
FAILING = """from pathlib import Path

from django.db import migrations


def fail(apps, editor):
    raise RuntimeError


class Migration(migrations.Migration):
    dependencies = [("grants", max(path.stem for path in Path(__file__).parent.glob("0*.py")))]
    operations = [migrations.RunPython(fail)]
"""
BROKEN = {
    "web_app does not start": ("web_app/config/settings.py", "SECURE_SSL_REDIRECT = True", "raise SystemExit(3)"),
    "the uploads listener does not start": (
        "services_app/config/urls_uploads.py",
        "\nurlpatterns = ",
        "\nraise SystemExit(3)\nurls = ",
    ),
    "it is red": ("services_app/config/health.py", "    ok = all(", "    ok = False and all("),
    "web_app is red": ("web_app/config/health.py", "def healthz(request: HttpRequest) -> JsonResponse:", RED),
    # Each of these is met by another step, and on the web tier: the services tier has gone over by then.
    "a migration fails": ("web_app/grants/migrations/9999_trial.py", None, FAILING),
    "a package does not install": ("web_app/requirements.txt", None, "django==0.0.1 --hash=sha256:" + "0" * 64 + "\n"),
    "nginx does not take its tree": ("nginx/conf.d/web.conf", None, "no_such_directive on;\n"),
}


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    return Releases.clone(tmp_path_factory.mktemp("releases") / "sluice")


def runs(hosts, tier: str) -> str:
    return hosts.sh(tier, "basename $(readlink /opt/sluice/current)").strip()


def test_an_upgrade_with_a_migration_costs_no_upload(hosts, edge, releases, count):
    options = releases.with_a_migration()
    said = while_uploading(hosts, edge, count, "upgrade.yml", *options)
    assert re.findall(r"failed=(\d+) .*rescued=(\d+)", said) == [("0", "0")] * 2
    assert {runs(hosts, tier) for tier in ADDRESSES} == {releases.head()}
    for tier, app in (("services", "ledger"), ("web", "grants")):
        assert "[X] 0" in hosts.sh(tier, f"sluice-{tier} showmigrations {app} | grep _trial | tail -1")


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_release_is_gone_back_from_by_itself(hosts, edge, releases, count, fault):
    before = {tier: runs(hosts, tier) for tier in ADDRESSES}
    options = releases.with_a_change(*BROKEN[fault])
    try:
        said = while_uploading(hosts, edge, count, "upgrade.yml", *options, check=False)
    finally:
        releases.go_back()
    assert "runs again" in said and {tier: runs(hosts, tier) for tier in ADDRESSES} == before
    status, upload = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(upload)
    assert "running" in hosts.sh("services", "systemctl is-system-running; true")


def test_going_back_by_hand_is_the_same_playbook(hosts, edge, releases, count):
    while_uploading(hosts, edge, count, "upgrade.yml", "-e", "app_release_version=HEAD")
    assert releases.head() not in {runs(hosts, tier) for tier in ADDRESSES}
