"""Which type a file is, and whether a list takes it. Files made by other people's libraries are judged in tests/samples."""

import bz2
import gzip
import json
import random
import struct
import threading
import time
import zlib

import pytest

from services_app.uploads.content import media
from services_app.uploads.content.media.table import LIBMAGIC, TYPES
from tests.services_app.making import a_zip

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
ROWS = b"PATIENT,AGE\r\n" + b"".join(b"P%04d,%d\r\n" % (n, 40 + n % 50) for n in range(200))
LARGE = media.SNIFF_BYTES
ASCII_R = b"A\n3\n262658\n197888\n5\nUTF-8\n787\n3\n13\n3\n1\n2\n3\n254\n"  # saveRDS(ascii = TRUE)


def first(content: bytes) -> str:
    return media.detect(content[: media.SNIFF_BYTES])


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"", "application/x-empty"),
        (a_zip(), "application/zip"),
        (PNG, "image/png"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"hello, world\n", "text/plain"),
        (bytes(128) + b"DICM" + bytes(100), "application/dicom"),
        (b"\x1f\x8b\x08" + bytes(20), "application/gzip"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(20), "application/vnd.rar"),
        (b"MZ" + bytes(62) + b"PE\x00\x00" + bytes(20), "application/x-dosexec"),
        (b"ObjectType = Image\nNDims = 3\n", "application/x-metaimage"),
        (b"%!PS-Adobe-3.0\n", "application/postscript"),
        (b"\r\n%PDF-1.4\n" + bytes(99), "application/pdf"),
        (b"FCS3.1         256    1545    1792", "application/vnd.isac.fcs"),
        (bytes(12) + bytes.fromhex("c2ea8163b31411cfbd92080009c7318c181f1011"), "application/x-sas-catalog"),
        (b"\x0e\x03\x13\x01" + bytes(20), "application/x-hdf"),
        (b"\xff\xd8\xff\xf7" + bytes(20), "image/jls"),
        (b"\xed\xab\xee\xdb\x03\x00" + bytes(99), "application/x-rpm"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x23", "audio/mpeg"),
        (b"-----BEGIN PGP MESSAGE-----\n\nwcBMA\n", "application/pgp-encrypted"),
        (bytes.fromhex("8c0d040903025b1a") + bytes(range(128, 255)), "application/pgp-encrypted"),  # gpg -c
        (bytes.fromhex("8c0d040703085b1a") + bytes(range(128, 255)), "application/pgp-encrypted"),
        (bytes.fromhex("c32e0409030a") + bytes(range(128, 255)), "application/pgp-encrypted"),
        (bytes.fromhex("85010c03a1b2c3d4e5f60718010800") + bytes(range(128, 255)), "application/pgp-encrypted"),  # gpg -e
        (bytes.fromhex("845e03a1b2c3d4e5f607181201") + bytes(range(128, 255)), "application/pgp-encrypted"),
        (ASCII_R, "application/x-r-data"),
        (b"RDA3\n" + ASCII_R, "application/x-r-data"),
        (gzip.compress(ASCII_R, mtime=0), "application/x-r-data"),
        (bz2.compress(b"RDA2\n" + ASCII_R.replace(b"A\n3\n262658\n197888", b"A\n2\n262658\n131840")), "application/x-r-data"),
        (b'{"hr": NaN, "least": -Infinity, "most": Infinity}', "application/json"),
        (b'{"a": NaN}\n{"a": NaN}\n', "application/x-ndjson"),
        (b"[" + b"NaN, " * LARGE, "application/json"),
        (b"[" + b"-Infinity," * LARGE, "application/json"),
        (b"[nan]", "text/plain"),
        (b"<?xml-stylesheet href='x.xsl'?><a x='1'/>", "application/xml"),
        (b"<?xml-model href='x'?>\n<p><b>1</b></p>", "application/xml"),
        (b'{"id": "1", "resourceType": "Patient"}', "application/fhir+json"),
        (b'{"notes": [], "of": {"resourceType": "Patient"}}', "application/json"),
        (
            b'{"entry": [{"a": "{"}, {"resourceType": "Patient"}], "id": 1, "resourceType": "Bundle"}',
            "application/fhir+json",
        ),
        (b'{"a": "resourceType", "resourceType": {"x": "Bundle"}}', "application/json"),
        (b'["resourceType", {"x": "Bundle"}]', "application/json"),
        (b"{\\rtf1\\ansi x}", "application/rtf"),
        (
            b"\xe9\x01\x02\x03" + bytes(range(256)),
            "application/octet-stream",
        ),  # one byte makes it a program for libmagic
        (b"MSH|^~\\&|LAB|H|||20260101||ORU^R01|1|P|2.5\rPID|1||P1\r", "application/hl7-v2"),
        (b"\x0bMSH|^~\\&|LAB|H|||20260101||ORU^R01|1|P|2.5\rPID|1||P1\r\x1c\r", "application/hl7-v2"),
        *((b"\x0bMSH|^~\\&|LAB|H|||20260101||ORU^R01|1|P|2.5\rPID|1||P1\r\x1c\r" * n, "application/hl7-v2") for n in (2, 3, 9, 2000)),
        (b"\r\n\nMSH|^~\\&|LAB|H|||20260101||ORU^R01|1|P|2.5\rPID|1||P1\r", "application/hl7-v2"),
        (b"##fileformat=VCFv4.2\n#CHROM\tPOS\nchr1\t5\n", "text/x-vcf"),
        (b"@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:5\n", "text/x-sam"),
        (b">chr1 description\nACGTACGTAC\nACGT\n", "text/x-fasta"),
        (b"@read1\nACGT\n+\n!!!!\n", "text/x-fastq"),
        (b"BEGIN:VCARD\nVERSION:4.0\nEND:VCARD\n", "text/vcard"),
        (b"<!DOCTYPE html><title>x</title>", "text/html"),
        (b"<!-- a page --><!DOCTYPE html>\n<p>x", "text/html"),
        (b"<html>\n<head><meta charset='utf-8'>", "text/html"),
        (b"<p>one<br>two</p> three", "text/html"),
        (b"<!DOCTYPE html-export><html-export><a>1</a></html-export>", "application/xml"),
        (b"<?xml version='1.0'?><table><a>1</a></table>", "application/xml"),
        (b"<?xml version='1.0'?>\n<!-- x --><body/>", "application/xml"),
        (b'<!DOCTYPE a SYSTEM "a.dtd"><a>1</a>', "application/xml"),
        (b"<patient><id>1</id></patient>\n", "application/xml"),
        (b"<patients><patient><id>1</id></patient>" + b"<patient><id>1</id></patient>" * 3000, "application/xml"),
        (b"<patient/>", "application/xml"),
        (b"<x:patient>", "application/xml"),
        (b'<patient id="1">\n<visit n="1"/>\n</patient>', "application/xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b'<Bundle xmlns="http://hl7.org/fhir"><type value="collection"/></Bundle>', "application/fhir+xml"),
        (b"<?xml version='1.0'?><!-- " + b"x" * LARGE, "application/xml"),
        ('<?xml version="1.0" encoding="UTF-16"?><ClinicalDocument/>'.encode("utf-16"), "application/xml"),
    ],
)
def test_the_type_is_read_from_the_first_bytes(head, found):
    assert first(head) == found


# What libmagic takes for a plotter file, a mail, a picture, a program …: the first words of ordinary tables.
FIRST_CELLS = (
    *(
        "PATIENT",
        "PATIENT_ID",
        "SPECIMEN",
        "INCLUSION",
        "DF1",
        "IN_DATE",
        "P1",
        "P6",
        "BM",
        "MZ",
        "PAR1",
        "FEA1",
        "GIF89a",
        "II*",
    ),
    *(
        "Subject: x",
        "From x",
        "Received: x",
        "Date: 1",
        "To: x",
        "function",
        "import",
        "#!/bin/sh",
        "BZh",
        "Rar!",
        "8BPS",
        "FORM",
    ),
    *(
        "RIFF",
        "BEGIN",
        "%!",
        "@",
        "&",
        "diff",
        "CDF",
        "LZIP",
        "7z",
        "NRRD",
        "ID;P",
        "x86",
        "package",
        "class",
        "SIMPLE",
        "0",
        "BC",
    ),
)


@pytest.mark.parametrize("between", [",", ";", "\t", "|"])
def test_a_table_is_a_table_whatever_its_first_words_are(between):
    kind = "text/tab-separated-values" if between == "\t" else "text/csv"
    tables = {
        cell: between.join((cell, "AGE", "SEX")) + "\n" + f"P1{between}40{between}f\n" * 3 for cell in FIRST_CELLS
    }
    found = {cell: first(table.encode()) for cell, table in tables.items()}
    assert found == dict.fromkeys(FIRST_CELLS, kind)
    assert {first(table.splitlines()[0].encode()) for table in tables.values()} == {
        kind
    }  # the names of its columns alone


@pytest.mark.parametrize(
    "table",
    [
        ROWS + b"\x1a",
        ROWS + b"\x1a\x00\x00\x00",
        ROWS[:100] + b"\x00" + ROWS[100:],
        b"a,b\n1,2\n3,\x00\n4,5\n",
        b"a,b\n1,2\n3\x00,\n4,5\n",
        b"NAME,SIGN\nA,:(\nB,1\nC,2\nD,3\nE,4\n",
        b"ID|NAME\n--|----\n1|A\n2|B\n",
        b"data:time,data:value\n1,2\n",
        b'id,"age","bmi"\n1,"(0,5]","[18,25)"\n2,"(5,10]","[25,30)"\n3,"(0,5]","[18,25)"\n',
        b"id;age\n1;[0,5[\n2;[5,9[\n",
        b"id,text\n1,:)\n2,:(\n3,8)\n",
        b"drug,dose\nA,- 5\nB,- 6\n",
        ROWS + b"\x00",
        b"a,b\r\n1,2\r\n\x1a",
        ROWS.replace(b"\r\n", b"\n"),
        ROWS.replace(b"\r\n", b"\r"),
        b"\r\n" + ROWS,
        b"sep=;\r\nPATIENT;WEIGHT\r\nP1;70,5\r\n",
        b"# exported 2026-01-01, 10:00\n" + ROWS,
        b"PATIENT,AGE\nP1,40,,,\nP2\nP3,41,late\nP4,7\nP5,8\n",
        b'PATIENT,NOTE\nP1,"one\n\ntwo, three\nfour"\nP2,"a ""b"""\n',
        "PATIENT;GEWICHT (kg);GRÖSSE\nP1;70,5;1,80\n".encode("cp1252"),
        "ПАЦИЕНТ;ВЕС\nП1;70\n".encode("cp1251"),
        "患者,年齢\n一,40\n".encode("shift-jis"),
        b"PATIENT, AGE, SEX\nP1, 40, f\nP2, 41, m\n",
        b"subject, age\nS1, 40\nS2, 41\n",
        b"# subject, age\n1.000e+00, 4.000e+01\n2.000e+00, 4.100e+01\n",
        b"1., 2.\n3., 4.\n",
        b"study site, investigator's name\nNew York, Dr. A. Smith\nLos Angeles, Dr. B. Jones\n",
        b"first name, home town\nAnna Maria, New York\nBen, Paris\n",
        b'subject, note\nS1, "was well, and slept."\nS2, "came late, as ever."\n',
        b'site,diagnosis\nS1,"Diabetes mellitus, type 2, without complications"\nS2,"Asthma, mild, since 2020"\n',
        b"<TICKER>,<DATE>,<OPEN>\nA,20260101,1.5\nB,20260101,2.5\n",
        b"<b>,c\n1,2\n",
        b"taken,dose\n2026-11-26 12:00:00,123 mg\n2026-11-26 12:00:01,120 mg\n",
        b"2026-11-26 12:00:00,123\n2026-11-26 12:00:01,124\n",
        b"[Header],,\nVersion,2,\n[Data],,\nSample,Index,Lane\nS1,ACGT,1\n",
        b"rule,if\na=1,2\nb=2,3\n",
        b"H|name|age\nP|a|1\n",
        b"Export of study S\n\nof 2026-01-01\nPATIENT,AGE\nP1,40\n",
        b'"","PATIENT","AGE"\n"1","P1",40\n"2","P2",41\n',
        b"PATIENT\nP1\nP2\nP3\n",
        b",".join(b"COLUMN_%d" % n for n in range(LARGE // 8)) + b"\n",
        ROWS * 40,
    ],
)  # fmt: skip
def test_a_table_is_known_by_its_shape(table):
    assert first(table) == "text/csv"


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"\n" * LARGE,
        b"Dear colleague,\nthank you, and all of yours, for the samples.\nRegards, A\n",
        b"Subject: the samples\nFrom: a@example.org\n\nThank you, all.\n",
        b"#!/bin/sh\nset -e\nexec true\n",
        b"int main(int argc, char **argv)\n{\n\treturn 0;\n}\n",
        b"function f(a,b){return a}",
        b"\tindented\n\tby tabs\n",
        b"x = [1, 2, 3]\ny = [4,5]\n",
        b"import os, sys\nx = [1, 2]\nprint(x, 1)\n",
        b"from os import path, sep\nfrom sys import argv, exit\n",
        b"# Title\n\n- a, b\n- c, d\n",
        b"1. one, two\n2. three, four\n",
        b"| a | b |\n|---|:-:|\n| 1 | 2 |\n",
        b"data:application/zip;base64,QUJD",
        b"data:;base64,QUJD",
        b"data:text/plain,one",
        b"Hello,\n",
        b"INSERT INTO dm VALUES (1,'a');\nINSERT INTO dm VALUES (2,'b');\n",
        b"[section]\nkey = value\n",
        b"{not json}\n",
        b"[1, 2,, 3]",
        b"key: value\nother: 1\n",
        b"> quoted\n> again\nanswer\n",
        b"P1 # a netpbm picture\n2 2\n0 1 1 0\n",
        "Grüße aus Zürich\n".encode("latin-1"),
        "\ufeffnotes\n".encode("utf-16-be"),
        b"notes" * 30 + b"\x00",
        b"x" * (LARGE - 1) + "é".encode(),  # cut within a character
        b"1.5 2.5 3.5\n" * 10,
        b"----- a log -----\n\x1b[32mdone\x1b[0m\n",
        b"2026-11-26 12:00:00,123 INFO started\n2026-11-26 12:00:01,456 WARNING slow, a little\n",
        b"[2026-11-26 12:00:00,123] INFO in app: started\n[2026-11-26 12:00:01,456] INFO in app: done\n",
        b"INFO:root:started, now\nINFO:root:stopped, then\n",
        b"INFO 2026-11-26 12:00:00,123 app started\nINFO 2026-11-26 12:00:01,456 app done\n",
        b"1\n00:00:01,600 --> 00:00:04,200\nHello, you\n\n2\n00:00:05,600 --> 00:00:06,200\nHello\n",
        b"ANNA: Well, I think so.\nBEN: No, I do not.\nANNA: Yes, you do.\n",
        b"Hello, how are you?\nFine, thanks.\nGood, see you tomorrow.\n",
        b"In the morning the patient, who was tired\nof the long waiting, went home\nwithout his letter, and called\n",
        b"Anna, Ben, and I went home.\nThen you, he, and they came.\n",
        b"[study]\nsites=A,B,C\nvisits=1,2,3\n",
        b"; settings; of the scanner\n; and more; of them\n[scan]\n; one; two\nrows = 1; 2\n",
        b"sites=A,B,C\nvisits = 1,2\n",
        b"\n3H|`^&|||LAB|||||||P|1|20260101\rP|1||P1\rL|1|N\r",
        b"H|\\^&|||LAB|||||||P|1|20260101\rP|1||P1\rR|1|^^^GLU|5.5|mmol/l\rL|1|N\r",
        b"\x021H|\\^&|||LAB|||||||P|1|20260101\rP|1||P1\rR|1|^^^GLU|5.5|mmol/l\rL|1|N\r",
        b"<patient> reports pain since Monday.\n",
        b"<patient> reports <b>pain</b> since Monday.\n",
        b'<patient id="1"> reports pain\n',
        b"<b>, said the editor\n",
    ],
)  # fmt: skip
def test_other_text_is_plain_text(content):
    assert first(content) == "text/plain"


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -2.5e3, True, None, "x\u00e9\\\"" * 9], "b": {}},
        [],
        [{"id": n, "name": "né" * 5} for n in range(9000)],
        ["x" * 2 * LARGE],
        [[[[1]]]] * 20000,
        [123456789.25] * 9000,
        [True, False, None] * 9000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_json_at_any_length_wherever_its_head_is_cut(value, indent, encoding):
    content = json.dumps(value, indent=indent, ensure_ascii=False).encode(encoding)
    shifted = [b"\n " * n + content for n in (range(2) if encoding == "utf-8" else range(1))]
    assert {first(each) for each in shifted} == {"application/json"}


def test_lines_of_json_are_ndjson():
    lines = b'{"id": 1, "name": "n\xc3\xa9"}\n' * 5000
    assert first(lines) == first(lines[:200] + b"\n") == first(b"[1]\n[2]") == "application/x-ndjson"
    assert first(b"[1] [2]") == first(b"{}\nnot json\n") == "text/plain"


TABLES = (
    *(
        "ΑΣΘΕΝΗΣ;ΒΑΡΟΣ\nΜαρία;70\n",
        "ПАЦИЕНТ,ВЕС\r\nМария,70\r\n",
        "Łódź;Źródło\nżółć;łąka\n",
        "jméno\tvěk\nJiří Říha\t40\n",
    ),
    *(
        "患者,年齢\n山田太郎,40\n",
        "מטופל,גיל\nדוד,40\n",
        "المريض;العمر\nمحمد;40\n",
        "ผู้ป่วย,อายุ\nสมชาย,40\n",
        "PATIENT,AGE\nP1,40\n",
    ),
)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_text_in_every_script_with_a_mark_and_without(encoding):
    found = {table: first(table.encode(encoding)) for table in TABLES}
    assert found == {table: "text/tab-separated-values" if "\t" in table else "text/csv" for table in TABLES}
    assert first(("Больной пришёл домой\nв понедельник\n" * 5000).encode(encoding)) == "text/plain"
    assert first('{"имя": "Мария"}'.encode(encoding)) == "application/json"
    assert first("ПАЦИЕНТ;ВЕС".encode(encoding)) == "text/csv"  # the names of columns alone
    assert first("今日は患者さんが来ました。\nまた明日。\n".encode(encoding)) == "text/plain"


def test_numbers_of_16_bits_are_no_text():
    """Voxels and samples without a header decode as UTF-16 now and then; what separates words is not among them."""
    scan = random.Random(7)
    for least, most in (
        (0, 4095),
        (900, 1200),
        (32, 500),
        (40, 1000),
        (-1000, 3000),
        (0, 255),
        (9, 400),
        (0x4E00, 0x7F00),
    ):
        for order, count in (("<", 200), (">", 200), ("<", 3000), (">", 3000)):
            numbers = struct.pack(f"{order}{count}h", *(scan.randint(least, most) for _ in range(count)))
            assert first(numbers) == "application/octet-stream", (least, most, order, count)
    assert {first(scan.randbytes(size)) for size in (100, 1000, 5000) for _ in range(300)} <= {
        "application/octet-stream"
    }


def test_binary_is_never_text_for_a_few_letters():
    assert first(bytes(range(256)) * 9) == first(b"text" + bytes(9)) == first(b"\x00") == "application/octet-stream"
    assert first(b"PATIENT,AGE\n" + bytes(500)) == "application/octet-stream"


def test_every_head_is_judged_in_little_time():
    """65,536 newlines alone took libmagic 0.4 s, under the one lock for all."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(bytes(60 << 20)) + deflate.flush()
    entry = b"PK\x03\x04\x14\x00\x08\x00\x08\x00" + bytes(16) + b"\x01\x00\x00\x00a" + bomb
    pieces = (
        b"\n",
        b"[",
        b"[1,",
        b'{"a":',
        b'"',
        b"\t",
        b",",
        b'a,"b\n',
        b"<",
        b"<!--",
        b"<?",
        b"<a b='c' ",
        b"#\n",
        b">a\n",
        b" ",
        b"\x00",
    )
    pieces += (
        b"\n" * 63 + b"\x00",
        b"\n\x00",
        b"\xff",
        b"\x08\x00\x05\x00CS\x00\x00",
        b"<a>",
        b"<a b='c'></b",
        b'{"a":{},"b":[',
        b'a, "',
        b"a, b. \n",
        b"a=1,2\n",
        "я,\n".encode("utf-16-le"),
        "患，".encode("utf-16-be"),
        b"PK\x03\x04" + bytes(26),
        entry,
    )
    slowest = {}
    for piece in pieces:
        begun = time.process_time()
        first(piece * (LARGE // len(piece) + 1))
        slowest[piece[:8]] = time.process_time() - begun
    assert {piece: seconds for piece, seconds in slowest.items() if seconds > 0.25} == {}


def test_detection_can_be_asked_by_many_threads_at_once():
    found, heads = [], [a_zip(), PNG] * 20
    threads = [threading.Thread(target=lambda head=head: found.append((head, media.detect(head)))) for head in heads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {kind for head, kind in found if head == PNG} == {"image/png"} and len(found) == 40


def test_libmagic_is_believed_only_for_what_the_table_names(monkeypatch):
    said = {
        "video/MP2T": "video/mp2t",
        "application/CDFV2": "application/x-ole-storage",
        "application/vnd.hp-HPGL": None,
    }
    for claim, found in said.items():
        monkeypatch.setattr(media, "_libmagic", lambda head, claim=claim: claim)
        assert first(b"\x00\x01\x02\x03") == (found or "application/octet-stream")


@pytest.mark.parametrize(
    ("kind", "allowed", "taken"),
    [
        ("application/zip", (), True),
        ("application/zip", ("application/zip",), True),
        ("application/zip", ("image/*", "application/zip"), True),
        ("image/png", ("image/*",), True),
        ("image/png", ("image/jpeg",), False),
        ("imagex/png", ("image/*",), False),
        ("application/zip", ("application/zipx",), False),
        ("application/zip2", ("application/zip",), False),
        ("video/MP2T", ("video/mp2t",), True),  # libmagic's spelling; tokens are lower case only
        ("video/MP2T", ("video/*",), True),
        ("application/gzip", ("application/x-gzip",), True),  # another name
        ("application/x-gzip", ("application/gzip",), True),  # stored before names were made one
        ("text/csv", ("text/plain",), True),  # within
        ("text/plain", ("text/csv",), False),
        ("text/tab-separated-values", ("text/csv",), True),
        ("application/json", ("text/*",), True),
        ("application/xml", ("text/xml",), True),
        ("application/fhir+json", ("application/json",), True),
        ("application/json", ("application/fhir+json",), False),
        ("application/json", ("application/x-ndjson",), True),  # one record, on its line
        ("application/fhir+json", ("application/fhir+ndjson",), True),
        ("application/x-ndjson", ("application/json",), False),
        ("application/x-nifti", ("image/*",), False),  # an alias lends its name, not its family
    ],
)
def test_a_list_takes_types_aliases_families_and_what_is_within(kind, allowed, taken):
    assert media.is_allowed(kind, allowed) is taken


def test_the_table_names_each_type_once_and_only_what_is_there():
    names = [name.lower() for each in TYPES.values() for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names)) and [name for name in TYPES if name != name.lower()] == []
    assert {within for each in TYPES.values() for within in each.within} <= TYPES.keys()
    assert LIBMAGIC
