"""What an operator watches, on a real stack: metrics of both tiers, the alert rules and the dashboard on top of them, `status`."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from dev.client import Client
from dev.health import inside
from dev.paths import ROOT
from dev.ports import free_ports
from dev.stack import Stack
from tests.conftest import absent
from tests.curl import curl
from tests.waiting import wait_for

FILES = ROOT / "ansible/roles/monitoring/files"
RULES, DASHBOARD, SCRAPE = (FILES / name for name in ("sluice.rules.yml", "sluice.dashboard.json", "sluice.scrape.example.yml"))
CANARY = "Zebrafink-Okapi-7731"
CONTENT = b"a,b\n" * 9


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    hooks = folder / "hooks.toml"
    hook = ['name = "index"', 'kind = "command"', 'command = ["/bin/true"]', 'collections = "all"', "since = 2020-01-01T00:00:00Z"]
    hooks.write_text("\n".join(["[[hook]]", *hook]))
    hooks.chmod(0o640)
    with Stack(folder, reconcile_every=1, env={"control": {"HOOKS_FILE": str(hooks)}}) as stack:
        yield stack


def answer(stack: Stack, name: str, path: str = "/metrics") -> tuple[int, str]:
    """The control listener's, to the client certificate of that name."""
    certificate, key = (getattr(stack.keys, f"{name}_{part}") for part in ("cert", "key"))
    with contextlib.closing(inside(stack.control_port, stack.keys, certificate, key)) as connection:
        connection.request("GET", path, headers={"Host": "192.0.2.10:8002"})  # Prometheus names its target
        response = connection.getresponse()
        return response.status, response.read().decode()


def samples(text: str) -> dict[str, float]:
    return {" ".join([one.name, *map(str, one.labels.values())]): one.value for family in parsed(text) for one in family.samples}


def services_metrics(stack: Stack) -> dict[str, float]:
    status, text = answer(stack, "metrics")
    assert status == 200
    return samples(text)


@pytest.fixture(scope="module")
def canary(own) -> dict:
    """One upload whose every word could leak; its sender hands its receipt in."""
    client = Client(own.edge_port, own.keys.edge_ca, own.api_key)
    grant = client.new_grant(own.collection)
    named = {"Content-Disposition": f'attachment; filename="{CANARY}.csv"'}
    told = client.send("PUT", f"/u/{grant['token']}", [CONTENT], len(CONTENT), named)
    assert told.status == 201
    client.hand_in(told.json()["receipt"])
    assert client.call("GET", f"/u/{grant['token']}/{CANARY}").status == 404
    return {"grant": grant["id"], "token": grant["token"], **told.json()}


def test_the_control_listener_tells_of_what_the_uploads_listener_received(own, canary):
    told = services_metrics(own)
    assert told["sluice_received_bytes_total whole"] == len(CONTENT)
    assert (told["sluice_uploads_ended_total committed"], told["sluice_ledger_head"]) == (1, 1)
    assert 0 < told["sluice_tail_seconds_sum"] < 10 and told["sluice_healthy store"] == 1
    assert 80 < (told["sluice_certificate_end_timestamp_seconds server"] - time.time()) / 86400 <= 90


def test_what_was_counted_stays_counted_when_a_listener_starts_anew(own, canary):
    own.restart("uploads")
    own.restart("control")
    assert services_metrics(own)["sluice_received_bytes_total whole"] == len(CONTENT)


def test_only_the_certificate_that_is_named_is_told(own):
    assert [answer(own, name)[0] for name in ("nginx", "web_app", "metrics")] == [403, 403, 200]
    assert answer(own, "metrics", "/internal/v1/status")[0] == 403


def test_nobody_gets_them_through_nginx_or_from_web_app(own, canary):
    for path in ("/metrics", "/u/metrics", "/.control/metrics", "/internal/v1/status", "/api/v1/metrics", f"/u/{canary['token']}/metrics"):
        for more in ((), ("--header", f"Authorization: Bearer {own.api_key}")):
            reply = curl(own, path, *more)
            assert reply.status >= 400 and b"sluice_" not in reply.body, path
    with contextlib.closing(http.client.HTTPConnection("localhost", timeout=10)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.fspath(own.web_socket))
        connection.request("GET", "/metrics", headers={"X-Forwarded-Proto": "https"})
        assert connection.getresponse().status == 404


def test_web_app_tells_by_a_command_what_its_workers_and_reconcile_counted(own, canary):
    told = wait_for(lambda: after_a_round(samples(own.manage("web_app", "metrics"))))
    assert (told["sluice_web_events_total grant_issued"], told["sluice_web_events_total upload_stored"]) == (1, 1)
    assert told["sluice_web_receipts_total verified"] == 1 and told["sluice_web_healthy database"] == 1
    assert abs(time.time() - told["sluice_web_reconcile_round_timestamp_seconds"]) < 60


def after_a_round(told: dict[str, float]) -> dict[str, float] | None:
    return told if told["sluice_web_reconcile_round_timestamp_seconds"] else None


def test_no_name_path_token_person_or_id_is_in_any_metric(own, canary):
    text = answer(own, "metrics")[1] + own.manage("web_app", "metrics")
    people = [own.username, own.collection, own.api_key, "localhost", "127.0.0.1"]
    secrets = [CANARY, *canary["token"].split("."), canary["upload_id"], canary["grant"], canary["sha256"], os.fspath(own.nas), *people]
    values = {value for pair in re.findall(r"\{(.*)\}", text) for value in re.findall(r'="([^"]*)"', pair)}
    assert [secret for secret in secrets if any(secret in value for value in values)] == []
    assert [secret for secret in secrets[:9] if secret in text] == []


def test_every_query_of_the_rules_and_of_the_dashboard_names_metrics_that_exist(own, canary):
    text = answer(own, "metrics")[1] + own.manage("web_app", "metrics")
    there = {sample.name for family in parsed(text) for sample in family.samples}
    asked = {**panels(), **alerts()}
    assert len(asked) > 40
    for title, query in asked.items():
        outside_of_strings = re.sub(r'"[^"]*"', "", query)
        named = set(re.findall(r"\bsluice_\w+", outside_of_strings))
        assert named or re.match(r"up\{|time\(\) - node_textfile_mtime_seconds\{", query), title
        assert named - there == set(), title


def panels() -> dict[str, str]:
    """Each query of the dashboard, under its panel's title and its letter."""
    board = json.loads(DASHBOARD.read_text())
    return {f"{panel['title']} {one['refId']}": one["expr"] for panel in board["panels"] for one in panel.get("targets", [])}


def alerts() -> dict[str, str]:
    text = RULES.read_text()
    found = re.findall(r"- alert: (\w+)\n\s+expr: (?:>-?\n\s+)?(.+?)\n\s+(?:for|labels):", text, re.DOTALL)
    assert len(found) == text.count("- alert:")
    return dict(found)


def test_promtool_takes_rules_and_queries_and_alerts_fire_when_they_should(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        absent("promtool is missing.\n  sudo apt install prometheus")
    queries = [{"record": "panel", "expr": query} for query in panels().values()]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": queries}]}))
    for what in (
        ["check", "rules", "--lint=none", tmp_path / "panels.yml"],
        ["check", "rules", RULES],
        ["test", "rules", ROOT / "tests/stack/sluice.rules.test.yml"],
        ["check", "config", "--syntax-only", SCRAPE],
    ):
        done = subprocess.run([promtool, *what], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_prometheus_scrapes_by_the_example_and_judges_every_rule(own, canary, tmp_path):
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        absent("Prometheus is missing.\n  sudo apt install prometheus")
    (tmp_path / "rules").mkdir()
    shutil.copy(RULES, tmp_path / "rules" / RULES.name)
    example = SCRAPE.read_text()
    for there, here in {
        "sluice/inside-ca.crt": own.keys.inside_ca,
        "sluice/metrics.crt": own.keys.metrics_cert,
        "sluice/metrics.key": own.keys.metrics_key,
        "192.0.2.10:8002": f"127.0.0.1:{own.control_port}",
        "scrape_configs:": "global: {scrape_interval: 1s, evaluation_interval: 1s}\nscrape_configs:",
    }.items():
        assert there in example
        example = example.replace(there, str(here))
    (tmp_path / "prometheus.yml").write_text(example)
    (port,) = free_ports(1)
    options = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    log = (tmp_path / "log").open("w")
    with log, subprocess.Popen([prometheus, *options], stdout=log, stderr=log) as process:
        try:
            found = wait_for(lambda: asked_of_prometheus(port, 'query?query=up{job="sluice-services"}==1')["result"])
            assert found[0]["metric"]["instance"] == f"127.0.0.1:{own.control_port}"
            assert asked_of_prometheus(port, "query?query=sluice_ledger_head")["result"][0]["value"][1] == "1"
            rules = wait_for(lambda: judged(asked_of_prometheus(port, "rules")["groups"][0]["rules"]))
            assert {rule["health"] for rule in rules} == {"ok"}
            firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
            assert firing == set(), "all is well"
        finally:
            process.terminate()


def judged(rules: list[dict]) -> list[dict] | None:
    return None if "unknown" in {rule["health"] for rule in rules} else rules


def asked_of_prometheus(port: int, what: str) -> dict:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        try:
            connection.request("GET", f"/api/v1/{what}")
            return json.loads(connection.getresponse().read())["data"]
        except (ConnectionError, ValueError, KeyError):
            return {"result": [], "groups": [{"rules": [{"health": "unknown"}]}]}


def status(stack: Stack, app: str, *options: str) -> tuple[int, str]:
    env = stack._env("web_app" if app == "web_app" else "control")
    command = [sys.executable, f"{app}/manage.py", "status", *options]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_one_command_on_the_web_tier_shows_both_and_each_fault_with_its_cure(own, canary):
    wait_for(lambda: status(own, "web_app")[0] == 0)
    code, said = status(own, "web_app", "--json")
    told = json.loads(said)
    assert (code, told["services"]["ledger"]["head"], told["web"]["grants"]["open"], told["problems"]) == (0, 1, 0, [])
    for app in ("web_app", "services_app"):
        said = status(own, app)[1]
        assert [word for word in (CANARY, os.fspath(own.nas), own.username) if word in said] == []
    away = own.nas.with_name("unmounted")
    own.nas.rename(away)
    try:
        assert status(own, "services_app")[0] == 2
        code, said = status(own, "web_app")
        assert code == 2 and re.search(r"CRITICAL  store: absent\n +→ .*manage.py init_store", said), said
    finally:
        away.rename(own.nas)
    own.stop_process("control")
    try:
        code, said = status(own, "web_app")
        assert code == 2 and re.search(r"CRITICAL  the services tier cannot be asked.*\n +→ .*sluice-control", said), said
        assert said.startswith("web tier")
    finally:
        own.start_process("control")
