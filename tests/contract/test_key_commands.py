"""`token_keys` and `receipt_keys`: each key's way from new to retired, as an operator goes it."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from dev import environments, pki

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["token", "receipt"])
def keys(request, tmp_path):
    """Its command, its private file, and a function that runs the command."""
    made = pki.Pki(tmp_path / "pki")
    private = tmp_path / "fresh-private.jwks"
    if request.param == "token":
        env = environments.web(made, state=tmp_path, bind="unix:/s", public_url="https://localhost", services_url="https://localhost")
        app, env = "web_app", {**env, "TOKEN_KEY_FILE": str(private)}
    else:
        env = environments.services(made, state=tmp_path, nas=tmp_path / "nas", uploads_bind="", control_bind="")
        app, env = "services_app", {**env, "RECEIPT_KEY_FILE": str(private)}

    def run(*arguments):
        command = [sys.executable, f"{app}/manage.py", f"{request.param}_keys", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    return request.param, private, run


def kids(path):
    return [key["kid"] for key in json.loads(path.read_text())["keys"]]


def test_a_key_signs_when_told_to_and_goes_when_told_to(keys, tmp_path):
    name, private, run = keys
    public = tmp_path / "public.jwks"
    first = run("new").stdout.strip()
    assert run("list").stdout == f"{first} signs\n" and stat.S_IMODE(private.stat().st_mode) == 0o600
    second = run("new").stdout.strip()
    assert run("list").stdout == f"{second}\n{first} signs\n", "nobody has its public half yet"
    assert run("export", "--to", public).returncode == 0
    assert kids(public) == [second, first] and '"d"' not in public.read_text() and '"d"' not in run("export").stdout
    refused = run("retire", first)
    assert refused.returncode != 0 and "sign first" in refused.stderr and kids(private) == [second, first]
    assert run("sign-with", second).returncode == 0
    assert kids(private) == [first, second]
    assert run("retire", first).returncode == 0
    assert run("export", "--to", public).returncode == 0
    # Old receipts stay verifiable; old tokens must not.
    assert kids(public) == ([second] if name == "token" else [first, second])
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_a_kid_may_begin_with_a_hyphen(keys):
    """One in 64 does; argparse takes it for an option."""
    _, private, run = keys
    made = (OKPKey.generate_key("Ed25519", auto_kid=True) for _ in range(10_000))
    hyphen = next(key for key in made if key.kid.startswith("-"))
    private.write_text(json.dumps({"keys": [hyphen.as_dict(private=True)]}))
    other = run("new").stdout.strip()
    assert run("sign-with", other).returncode == 0 and run("sign-with", hyphen.kid).returncode == 0
    assert run("sign-with", other).returncode == 0 and run("retire", hyphen.kid).returncode == 0
    assert kids(private) == [other]


def test_a_file_that_is_no_key_set_is_left_alone(keys):
    _, private, run = keys
    private.write_text("not a key set")
    refused = run("new")
    assert refused.returncode != 0 and "no set of Ed25519 keys" in refused.stderr
    assert private.read_text() == "not a key set" and "Traceback" not in refused.stderr


def test_a_link_that_leads_nowhere_is_a_file_that_is_away_and_not_one_that_is_not_there(keys, tmp_path):
    """As where secrets have a mount of their own: a first key would sign at once, and retired ones would be verified no more."""
    name, private, run = keys
    first, public = run("new").stdout.strip(), tmp_path / "public.jwks"
    assert run("export", "--to", public).returncode == 0
    read = [(private, ("new",)), *([(public, ("export", "--to", public))] if name == "receipt" else [])]
    for file, command in read:
        kept = file.rename(tmp_path / "kept")
        file.symlink_to(tmp_path / "mount" / file.name)
        refused = run(*command)
        assert refused.returncode != 0 and "cannot be read (FileNotFoundError)" in refused.stderr and file.is_symlink()
        kept.rename(file)
        assert kids(file) == [first]


def test_both_tiers_keep_their_keys_alike():
    ours, theirs = (ROOT / path for path in ("web_app/tokens/keyring.py", "services_app/receipts/keyring.py"))
    assert ours.read_text() == theirs.read_text()
