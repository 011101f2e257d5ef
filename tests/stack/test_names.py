"""File names are data of the sender: whatever they hold, the file lands in its own folder under a harmless name."""

import pytest

from tests.curl import bearer, curl
from tests.tokens import mint

NAMES = {
    "../../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "_.._boot.ini",
    "C:\\Users\\ada\\scan.dcm": "scan.dcm",
    "-rf $(id) `id`.zip": "_-rf _(id) _id_.zip",
    "..\uff0f..\uff0fetc\u2044passwd": "_.._etc_passwd",
    "/absolute": "absolute",
    "..": "upload",
    ".": "upload",
    "": "upload",
    "nul\0byte.txt": "nulbyte.txt",
    "new\r\nline.txt": "newline.txt",
    ".hidden": "hidden",
    "trailing. . ": "trailing",
    "con.txt": "_con.txt",
    'quo"te<>|?*:.txt': "quo_te______.txt",
    "befund\u202egpj.exe": "befundgpj.exe",  # right-to-left override
    "\u05e9\u05dc\u05d5\u05dd.dcm": "\u05e9\u05dc\u05d5\u05dd.dcm",
    "u\u0308ber.txt": "\u00fcber.txt",
    "\U0001f9ec genome.vcf": "\U0001f9ec genome.vcf",
    "scan.manifest.json": "scan.manifest.json",
    ".sluice-store": "sluice-store",
}


@pytest.mark.parametrize(("given", "stored"), NAMES.items(), ids=[repr(name) for name in NAMES])
def test_a_name_is_made_harmless(stack, api, given, stored):
    told = api.put(mint(stack), b"content", name=given).json()
    folder = stack.stored(told["upload_id"]).parent
    assert {entry.name for entry in folder.iterdir()} == {stored, stored + ".manifest.json"}
    assert (folder / stored).read_bytes() == b"content"


def test_a_name_of_10_kb_is_shortened_and_keeps_its_extension(stack, api):
    told = api.put(mint(stack), b"content", name="x" * 10_000 + ".nii.gz").json()
    stored = next(stack.nas.glob(f"collections/*/*/*/{told['upload_id']}/*.gz"))
    assert stored.name.endswith("x.nii.gz")
    assert len(stored.name.encode()) <= 200


def test_a_name_beyond_all_header_limits_is_a_problem_and_no_disconnect(stack):
    name = "%D7%A9" * 10_000
    answer = curl(
        *(stack, "/u", "-X", "PUT", "--data-binary", "content", *bearer(mint(stack))),
        *("-H", f"Content-Disposition: attachment; filename*=UTF-8''{name}"),
    )
    assert (answer.status, answer.json()["code"]) == (400, "request_malformed")


def test_a_name_in_plain_quotes_works_as_browsers_and_scripts_send_it(stack, api):
    headers = {"Content-Disposition": 'attachment; filename="two words.csv"'}
    told = api.put(mint(stack), b"a,b\n1,2\n", headers=headers).json()
    assert stack.stored(told["upload_id"]).name == "two words.csv"


def test_two_files_of_one_name_never_meet(stack, api):
    first = api.put(mint(stack), b"first", name="same.txt").json()
    second = api.put(mint(stack), b"second", name="same.txt").json()
    assert stack.stored(first["upload_id"]).read_bytes() == b"first"
    assert stack.stored(second["upload_id"]).read_bytes() == b"second"
