"""What docs/openapi.yaml says is what a real stack answers: schemathesis makes requests of it, good and bad ones, within bounds.

No 5xx, no status, media type, header or body that is not described, and 405 with the right `Allow` for every other method. By hand, with
a stack that runs: `st --config-file tests/contract/schemathesis.toml run web_app/api/openapi.json --url https://HOST …`.
"""

import os
import re
import subprocess
import sys
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest

from dev import openapi
from dev.client import Client
from dev.paths import ROOT
from tests.tokens import mint, mint_names

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
COLLECTION = "machines"
COOKIE = "b" * 43
PASSWORD = "the passphrase of a machine"


@pytest.fixture(scope="module")
def place(stack):
    """A collection of its own, into which one token may put as much as is tried here."""
    stack.create_collection(COLLECTION, "--max-uploads", "10000")
    return stack


ONE_ALONE = ["--phases", "examples,coverage,fuzzing"]  # which leads nowhere


def tried(stack, which: list[str], headers: dict[str, str]) -> str:
    """The report of a run that found nothing; another one is the failure's text."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "--no-color", "run", openapi.TARGET, "--url", stack.url]
    command += ["--tls-verify", stack.keys.edge_ca, *which]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=stack.state, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) generated, \1 passed", done.stdout)[1]) > 10
    return done.stdout


def session(stack) -> dict[str, str]:
    """The cookies of somebody who signed in on the page, and the CSRF token."""
    env = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    stack.manage("web_app", "createsuperuser", "--noinput", "--username", "machine", "--email", "m@example.org", env=env)
    client = Client(stack.edge_port, stack.keys.edge_ca)
    kept = {}

    def keep(reply):
        for line in reply.headers.get_all("Set-Cookie", []):
            kept.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
        return reply

    def headers():
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items()), "Origin": stack.url}

    page = keep(client.send("GET", "/accounts/login/", [], 0, {})).body.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    form = urlencode({"csrfmiddlewaretoken": token, "username": "machine", "password": PASSWORD}).encode()
    sent = {**headers(), "Content-Type": "application/x-www-form-urlencoded"}
    assert keep(client.send("POST", "/accounts/login/", [form], len(form), sent)).status == 302
    return {**headers(), "X-CSRFToken": kept["__Host-sluice-csrf"]}


def test_the_web_api_answers_a_script_as_it_is_described(place):
    tried(place, ["--include-path-regex", "^/api/"], {"Authorization": f"Bearer {place.api_key}"})


def test_the_web_api_answers_a_page_as_it_is_described(place):
    tried(place, ["--include-operation-id", "namesToken", *ONE_ALONE], session(place))


def test_the_upload_resource_answers_as_it_is_described(place):
    token = mint(place, collection=COLLECTION, max_uploads=10000, max_size=1 << 20)
    tried(place, ["--include-path-regex", "^/u(?!/names)"], {"Authorization": f"Bearer {token}"})


def test_names_are_told_as_it_is_described(place):
    token = mint_names(place, COOKIE, grants=["0190a000-0000-7000-8000-000000000000"])
    headers = {"Authorization": f"Bearer {token}", "Cookie": f"__Host-sluice-binding={COOKIE}"}
    tried(place, ["--include-operation-id", "names", *ONE_ALONE], headers)
