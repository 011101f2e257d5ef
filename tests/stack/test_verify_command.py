"""`./run verify`: a receipt, and a file against it, are checked where no server can be asked."""

import json
import subprocess
import sys

import pytest

from dev.client import Client
from dev.paths import ROOT
from tests import tokens

CONTENT = b"PK\x03\x04" + b"the whole file" * 1000


@pytest.fixture(scope="module")
def known(stack, tmp_path_factory):
    """A folder with `receipt.jws`, `keys.json` and `scan.zip`."""
    folder = tmp_path_factory.mktemp("verify")
    client = Client(stack.edge_port, stack.keys.edge_ca)
    receipt = client.put(tokens.mint(stack), CONTENT).json()["receipt"]
    (folder / "receipt.jws").write_text(receipt + "\n")
    (folder / "keys.json").write_text(json.dumps(client.receipt_keys()))
    (folder / "scan.zip").write_bytes(CONTENT)
    return folder


def verify(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "run", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_genuine_receipt_and_its_file_are_told_in_words_and_as_json(known):
    told = verify(known / "receipt.jws", known / "scan.zip", "--keys", known / "keys.json")
    assert told.returncode == 0, told.stderr
    assert "Genuine: " in told.stdout and "This is the file that was stored." in told.stdout
    told = verify(known / "receipt.jws", "--keys", known / "keys.json", "--json")
    found = json.loads(told.stdout)
    assert (told.returncode, found["receipt"], found["size"]) == (0, "genuine", len(CONTENT)) and "file" not in found


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"!", CONTENT[:-1], CONTENT + b"!"], ids=["changed", "shorter", "longer"])
def test_another_file_is_told_apart(known, tmp_path, content):
    other = tmp_path / "other.zip"
    other.write_bytes(content)
    told = verify(known / "receipt.jws", other, "--keys", known / "keys.json", "--json")
    assert (told.returncode, json.loads(told.stdout)["file"]) == (1, "another")


def test_what_is_not_genuine_is_named(known, tmp_path):
    head, body, signature = (known / "receipt.jws").read_text().strip().split(".")
    forged = tmp_path / "forged.jws"
    for text, code in (
        (f"{head}.{body}.{signature[:-4]}AAAA", "signature_bad"),
        (f"{head}.{body}", "malformed"),
        ("\x00\xff" * 10_000, "malformed"),
    ):
        forged.write_text(text)
        told = verify(forged, "--keys", known / "keys.json", "--json")
        assert (told.returncode, json.loads(told.stdout)["code"]) == (1, code)
    told = verify(known / "receipt.jws", "--keys", known / "keys.json", "--issuer", "https://another.example", "--json")
    assert (told.returncode, json.loads(told.stdout)["code"]) == (1, "wrong_issuer")


def test_what_cannot_be_checked_is_one_line_and_no_verdict(known, tmp_path):
    for arguments in (
        (tmp_path / "absent", "--keys", known / "keys.json"),
        (known / "receipt.jws", "--keys", tmp_path / "absent"),
        (known / "receipt.jws", "--keys", known / "scan.zip"),
        (known / "receipt.jws", tmp_path / "absent", "--keys", known / "keys.json"),
        (known / "receipt.jws", tmp_path, "--keys", known / "keys.json"),
        (known / "receipt.jws",),
    ):
        told = verify(*arguments)
        assert (told.returncode, told.stdout, told.stderr.count("\n")) == (2, "", 1), told
