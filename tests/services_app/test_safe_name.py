"""What is left of a sender's file name on the NAS."""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services_app.store.paths import FALLBACK_NAME, MAX_NAME_BYTES, object_directory, safe_name
from tests.services_app.making import some_uuid


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("scan.zip", "scan.zip"),
        ("Befund Müller.pdf", "Befund Müller.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "_.._boot.ini"),
        ("patient\\scan.zip", "patient_scan.zip"),
        ("a\\", "a_"),
        ("/abs/olute", "olute"),
        ("C:\\Users\\ada\\scan.dcm", "scan.dcm"),
        ("C:\\Users/ada\\sc/an.dcm", "an.dcm"),
        ("\\\\nas\\share\\scan.dcm", "scan.dcm"),
        ("folder/", FALLBACK_NAME),
        ("", FALLBACK_NAME),
        (".", FALLBACK_NAME),
        ("..", FALLBACK_NAME),
        ("....", FALLBACK_NAME),
        (" . . ", FALLBACK_NAME),
        ("\0", FALLBACK_NAME),
        ("a\0b.txt", "ab.txt"),
        ("a\r\nb.txt", "ab.txt"),
        ("\x1b[31mred.txt", "[31mred.txt"),
        ("\u202egnp.exe", "gnp.exe"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\u2066a\u2069\u200f.txt", "a.txt"),
        ("a\u2028b\u2029c", "abc"),
        ("zero\u200bwidth\ufeff.txt", "zerowidth.txt"),
        (".hidden", "hidden"),
        ("trailing. . ", "trailing"),
        ("two  spaces\u00a0here.txt", "two spaces here.txt"),
        ("CON", "_CON"),
        ("CON.txt", "_CON.txt"),
        ("con.tar.gz", "_con.tar.gz"),
        ("nul", "_nul"),
        ("LPT9.x", "_LPT9.x"),
        ("CON .txt", "_CON .txt"),
        ("console.txt", "console.txt"),
        ('a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"),
        ("🧠 scan.nii.gz", "🧠 scan.nii.gz"),
        ("Ａ.txt", "Ａ.txt"),
        ("e\u0301.txt", "é.txt"),
        ("\ud800lone.txt", "lone.txt"),
        ("\ue000private.txt", "private.txt"),
        ("%2e%2e%2fx", "%2e%2e%2fx"),
        ("-rf", "_-rf"),
        (".-rf", "_-rf"),
        ("\u200b-rf", "_-rf"),
        ("\u2014help", "_\u2014help"),
        ("~root", "_~root"),
        ("#all", "_#all"),
        ("@list", "_@list"),
        ("+x", "_+x"),
        ("=1+1", "_=1+1"),
        ("\u0338overlaid", "_\u0338overlaid"),
        ("scan-1~2 #3 (4) [5].zip", "scan-1~2 #3 (4) [5].zip"),
        ("$(id).zip", "_(id).zip"),
        ("${HOME}.zip", "__HOME_.zip"),
        ("`id`.zip", "_id_.zip"),
        ("a;b&c'd!e.zip", "a_b_c_d_e.zip"),
        ("a{b,c}.zip", "a_b,c_.zip"),
        ("\u037e\u1fef.zip", "__.zip"),
        ("it\u2019s \u201cgood\u201d.zip", "it_s _good_.zip"),
        ("..\uff0fetc\u2044pass\u2215wd\u29f8x\u2571y", "_etc_pass_wd_x_y"),
        ("a\uff3cb\ufe68c\u2216d\u29f5e", "a_b_c_d_e"),
        ("scan\u2024pdf\uff0eexe\u2025\u2026\ufe52", "scan_pdf_exe___"),
        ("\u2100\u2488.zip", "__.zip"),
        ("1\u00bc \u30ce \u30fb \uff08\uff11\uff09.zip", "1\u00bc \u30ce \u30fb \uff08\uff11\uff09.zip"),
        ("scan.pdf\u3164\u2800\uffa0\u2003\u202f.exe", "scan.pdf .exe"),
        ("a\u034f\ufe0f\u180b\U000e0100b", "ab"),
        (".sluice-store", "sluice-store"),
        ("\ufe63rf", "_\ufe63rf"),
        ("\uff0drf", "_\uff0drf"),
        ("\uff5eroot", "_\uff5eroot"),
        ("\uff1d1+1", "_\uff1d1+1"),
        ("\uff04(id).zip", "_(id).zip"),
        ("a\uff1bb\uff06c\uff40d\uff5ce\ufe64f\uff02g\uff1ah\u2047.zip", "a_b_c_d_e_f_g_h_.zip"),
        ("\uff23\uff2f\uff2e.txt", "_\uff23\uff2f\uff2e.txt"),
        ("\u5831\u544a\uff08\u6700\u7d42\uff09\u3001\uff12.pdf", "\u5831\u544a\uff08\u6700\u7d42\uff09\u3001\uff12.pdf"),
    ],
)
def test_a_name_is_kept_as_far_as_nothing_can_misread_it(given_name, kept):
    assert safe_name(given_name) == kept


def test_the_extension_survives_shortening():
    for extension in (".zip", ".nii.gz", ".vcf.gz.tbi", ".tar.gz.gpg", ".7z.001", ".sas7bdat.xz"):
        name = safe_name("n" * 10_000 + extension)
        assert name.endswith("n" + extension) and len(name.encode()) == MAX_NAME_BYTES, extension
    assert safe_name("n" * 10_000 + ".not an extension.zip").endswith("nn.zip")
    assert safe_name("a.nii." + "g" * 10_000 + ".gz") == "a.nii." + "g" * (MAX_NAME_BYTES - 9) + ".gz"


def test_a_character_is_never_cut_in_half():
    name = safe_name("🧠" * 3000 + ".zip")
    assert set(name.removesuffix(".zip")) == {"🧠"} and len(name.encode()) <= MAX_NAME_BYTES


def test_an_extension_that_is_none_is_cut_as_well():
    assert len(safe_name("a." + "b" * 10_000).encode()) <= MAX_NAME_BYTES


ANYTHING = st.text(max_size=400) | st.text(
    alphabet="./\\ \0\u202e:*CONcon1é\u0301\u0338\u200d🧠a-~=$`\u2044\uff0f\u2024\u3164\ufe0f\u037e\u1fef\u1100\u1161", max_size=400
)


@given(ANYTHING)
@example("e\u200d\u0301")
@example("." * 300 + "x")
@example("a" * 199 + " .b")
@example("a" * 199 + "é.b")
@example("\u202econ")
@example("c\u200don.txt")
@example("x" * 190 + "." + " " * 15 + "y")
def test_the_result_is_always_one_component_of_at_most_200_bytes(name):
    safe = safe_name(name)
    encoded = safe.encode("utf-8")
    assert 0 < len(encoded) <= MAX_NAME_BYTES
    assert not set(safe) & set("/\\\"'`$;&!<>:|?*{}\uff0f\uff3c\uff0e\u2024\u2044\u2215") and safe[0] not in "-~#@+="
    assert not safe.startswith((".", " ")) and not safe.endswith((".", " "))
    assert not any(unicodedata.category(c)[0] == "C" for c in safe)
    assert safe_name(safe) == safe


@given(ANYTHING)
def test_the_result_can_be_the_name_of_a_real_file(tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / safe_name(name)
    try:
        path.write_bytes(b"x")
        assert path.read_bytes() == b"x"
    finally:
        path.unlink(missing_ok=True)


def test_an_objects_folder_is_made_of_ids_and_the_month_only():
    upload_id = some_uuid()
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert object_directory("mri-2026", upload_id, at) == ("mri-2026", "2026", "03", str(upload_id))
