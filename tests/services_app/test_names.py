"""What a sender calls its file, in every way that it can say it."""

import base64
import encodings
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services_app.store.paths import MAX_NAME_BYTES
from services_app.uploads.protocols import ietf, tus, whole
from services_app.uploads.wire.digests import Asked
from services_app.uploads.wire.names import from_disposition, from_metadata


def latin(text: str, encoding: str = "utf-8") -> str:
    """As WSGI hands over what a sender wrote in that encoding."""
    return text.encode(encoding).decode("latin-1")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="scan.zip"', "scan.zip"),
        ("attachment; filename=scan.zip", "scan.zip"),
        ("attachment;filename = two words.zip ;size=4", "two words.zip"),
        ('attachment; FILENAME="a.zip"', "a.zip"),
        ('attachment; filename="a;b=c.zip"', "a_b=c.zip"),
        ('attachment; x="; filename=evil.zip"; filename=good.zip', "good.zip"),
        ('attachment; filename="a\\"b.zip"', "a_b.zip"),
        ('attachment; filename="never closed.zip', "never closed.zip"),
        ('attachment; filename="C:\\Users\\ada\\scan.zip"', "scan.zip"),
        ('attachment; filename="patient\\\\scan.zip"', "patient_scan.zip"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename=", "upload"),
        ("attachment", "upload"),
        ("filename=x", "upload"),
        ("", "upload"),
        (";;;", "upload"),
        # RFC 8187: both charsets, before `filename` wherever it stands, and left for it when it is broken.
        ("attachment; filename*=UTF-8''M%C3%BCller%20%F0%9F%A7%A0.zip", "Müller 🧠.zip"),
        ("attachment; filename*=utf-8'de'M%C3%BCller.zip", "Müller.zip"),
        ("attachment; filename*=\"UTF-8''M%C3%BCller.zip\"", "Müller.zip"),
        ("attachment; filename*=ISO-8859-1''M%FCller.zip", "Müller.zip"),
        ("attachment; filename=\"plain.zip\"; filename*=UTF-8''b%C3%B6ld.zip", "böld.zip"),
        ("attachment; filename*=UTF-8''b%C3%B6ld.zip; filename=\"plain.zip\"", "böld.zip"),
        ("attachment; filename=\"plain.zip\"; filename*=UTF-8''%FF.zip", "plain.zip"),
        ("attachment; filename=\"plain.zip\"; filename*=UTF-8''100%.zip", "plain.zip"),
        ("attachment; filename=\"plain.zip\"; filename*=klingon''a.zip", "plain.zip"),
        ("attachment; filename=\"plain.zip\"; filename*=a.zip", "plain.zip"),
        ("attachment; filename*=UTF-8''M%FCller.zip", "Müller.zip"),
        ("attachment; filename*=UTF-8''100%.zip", "100%.zip"),
        ("attachment; filename*=klingon''a.zip", "a.zip"),
        ("attachment; filename*=a.zip", "a.zip"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("attachment; filename*=UTF-8''a%00b.zip", "ab.zip"),
        ("attachment; filename*=UTF-8''a%0D%0AX-Evil:%201.zip", "aX-Evil_ 1.zip"),
        ("attachment; filename*=UTF-8''%E2%80%AEgnp.exe", "gnp.exe"),
        ("attachment; filename*=UTF-8''%2e%2e", "upload"),
        ("attachment; filename*=UTF-8''%3D%3Futf-8%3FB%3FYQ%3D%3D%3F%3D", "_=_utf-8_B_YQ==_="),
        # Raw bytes
        (f'attachment; filename="{latin("Müller – 文.zip")}"', "Müller – 文.zip"),
        (f'attachment; filename="{latin("Müller – 1.zip", "cp1252")}"', "Müller – 1.zip"),
        (f"attachment; filename={latin('Müller.zip', 'latin-1')}", "Müller.zip"),
        # RFC 2047
        ('attachment; filename="=?UTF-8?B?TcO8bGxlci56aXA=?="', "Müller.zip"),
        ('attachment; filename="=?UTF-8?B?TcO8bGxlci56aXA?="', "Müller.zip"),
        ('attachment; filename="=?utf-8?q?M=C3=BCller_1.zip?="', "Müller 1.zip"),
        ("attachment; filename==?iso-8859-1?Q?M=FCller.zip?=", "Müller.zip"),
        ('attachment; filename="=?iso-8859-1*de?Q?M=FCller?= 1.zip"', "Müller 1.zip"),
        ('attachment; filename="=?utf-8?Q?M=C3?= =?utf-8?Q?=BCller?=\t=?utf-8?B?LnppcA==?="', "Müller.zip"),
        ('attachment; filename="=?utf-8?Q?..=2F..=2Fetc=2Fpasswd?="', "passwd"),
        ('attachment; filename="=?klingon?Q?a?=.zip"', "_=_klingon_Q_a_=.zip"),
        ('attachment; filename="=?punycode?Q?a?=.zip"', "_=_punycode_Q_a_=.zip"),
        ('attachment; filename="=?utf-8?B?!?=.zip"', "_=_utf-8_B___=.zip"),
        ('attachment; filename="=?utf-8?X?a?= b.zip"', "_=_utf-8_X_a_= b.zip"),
    ],
)
def test_a_name_is_read_as_rfc_6266_8187_and_2047_say_and_made_safe(header, name):
    assert from_disposition(header) == name


def test_a_name_of_ten_kilobytes_is_shortened_and_keeps_its_extension():
    name = from_disposition(f'attachment; filename="{"n" * 10_000}.zip"')
    assert name.endswith("n.zip") and len(name.encode()) <= MAX_NAME_BYTES
    name = from_disposition("attachment; filename*=UTF-8''" + "%C3%BC" * 2700 + ".zip")
    assert name.endswith("ü.zip") and len(name.encode()) <= MAX_NAME_BYTES


@pytest.mark.parametrize("sent", ["Müller.zip".encode(), "Müller.zip".encode("cp1252"), b"=?utf-8?Q?M=C3=BCller.zip?="])
def test_one_file_has_one_name_whichever_way_it_comes_in(sent):
    disposition = {"HTTP_CONTENT_DISPOSITION": f'attachment; filename="{sent.decode("latin-1")}"', "CONTENT_LENGTH": "1"}
    metadata = {"HTTP_UPLOAD_METADATA": f"filename {base64.b64encode(sent).decode()}", "HTTP_UPLOAD_LENGTH": "1"}
    sent_by = ((whole, disposition), (ietf, disposition), (tus, metadata))
    names = {protocol.new_upload(meta, Asked()).name for protocol, meta in sent_by}
    assert names == {"Müller.zip"}


PARTS = st.sampled_from(
    ["attachment", "filename", "*", "*0", "*1*", "=", ";", '"', "'", "\\", "%", "%C3", "%00", "UTF-8''", "utf-16''",
     "idna''", "punycode''", "undefined''", "a", " ", "\t", "ü", "\x80", ",", "=?", "?=", "?", "utf-8", "hex", "utf-16", "B", "Q",
     "=C3", "=", "Lw==", "idna", "undefined"]
)  # fmt: skip


@given(st.lists(PARTS, max_size=30).map("".join) | st.text(alphabet=st.characters(max_codepoint=255), max_size=200))
@example("attachment; filename*=undefined''a")
@example("attachment; filename*99999999999=x")
@example("attachment; filename*²=x")
@example("attachment; filename==?utf-7?Q?+2AA-?=")
@example("attachment; filename==?hex?B?Lw==?=")
@example("attachment; filename==?a\0b?B?Lw==?=")
@example("attachment; filename==?undefined?B?Lw==?=")
@example("attachment; filename==?utf-8?Q?\u00fc=?=")
def test_no_header_whatever_makes_the_name_fail(header):
    for name in (from_disposition(header), from_metadata(header.encode("latin-1"))):
        assert 0 < len(name.encode()) <= MAX_NAME_BYTES and "/" not in name and "\\" not in name


@pytest.mark.parametrize("part", [';a="', "; ", '\\"', "=?utf-8?Q?a?= ", "=?", "=?punycode?B?" + "a" * 50 + "?=", "%", "/\\", "=?a*"])
def test_a_header_as_long_as_nginx_passes_on_is_read_at_once(part):
    header = "attachment; filename=" + (part * 16384)[:16384]
    began = time.process_time()
    from_disposition(header)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("called", ["utf-8", "UTF_8", "KOI8-R", "koi8-u", "windows-1252", "Shift_JIS", "gb18030", "iso-8859-15"])
def test_a_charset_is_known_however_it_is_spelt(called):
    word = base64.b64encode("x.zip".encode(called)).decode()
    assert from_disposition(f'attachment; filename="=?{called}?B?{word}?="') == "x.zip"


def test_charsets_that_nobody_knows_leave_nothing_behind():
    """Python's own memory of them has no bound: a sender who names others each time would fill all that there is."""
    before = len(encodings._cache)
    made_up = "".join(f"=?none-{number}?Q?a?= =?utf{'-' * number}8?Q?a?=" for number in range(1, 50))
    assert from_disposition(f'attachment; filename="{made_up}"') and from_metadata(made_up.encode())
    assert len(encodings._cache) <= before + 1
