"""The types of file that a clinical store takes: what begins how, under which names, and what is a case of what.

This table is asked before libmagic. `name` is what the receipt says: as registered with IANA where it is, else as its own
documentation or the common libraries have it. An allow-list takes a file if it names the type, an alias of it, one of what
it is `within`, or one of their families (`text/*`). docs/media-types.md is made from it (`./run docs`); the same names in
words stand in web_app/collections/media_types.py, and tests/contract holds the two together.

`begins` are patterns on bytes at an offset. Types whose beginning no text has by chance stand in PLAIN_MARKS and are looked
for first; what stands in BINARY is looked for only in what is no clean text, for a CSV may well begin with `PAR1`.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    name: str
    begins: tuple[tuple[int, re.Pattern], ...] = ()  # any of them
    within: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


def at(offset: int, pattern: bytes) -> tuple[int, re.Pattern]:
    return offset, re.compile(pattern, re.DOTALL)


EMPTY = Type("application/x-empty", aliases=("inode/x-empty",))
UNKNOWN = Type("application/octet-stream")

ZIP = Type(
    "application/zip",
    (at(0, rb"(?:PK\x07\x08|PK00)?PK\x03\x04"), at(0, rb"PK\x05\x06")),
    aliases=("application/x-zip", "application/x-zip-compressed"),
)
GZIP = Type("application/gzip", (at(0, rb"\x1f\x8b\x08"),), aliases=("application/x-gzip", "application/x-bgzip"))
BZIP2 = Type(
    "application/x-bzip2",
    (at(0, rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"),),
    aliases=("application/bzip2", "application/x-bzip"),
)
XZ = Type("application/x-xz", (at(0, rb"\xfd7zXZ\x00"),), aliases=("application/xz",))
# Usually compressed: then it is a gzip, bzip2 or xz file as well. As text it begins with two versions of R: that which wrote it, and
# the least that reads it.
R_DATA = Type(
    "application/x-r-data",
    (
        at(0, rb"RD[XB][23]\n[XB]\n"),
        at(0, rb"X\n\x00\x00\x00[\x02\x03]"),
        at(0, rb"(?:RDA[23]\r?\n)?A\r?\n(?:2\r?\n\d{6}\r?\n131840|3\r?\n\d{6}\r?\n197888)\r?\n"),
    ),
    within=(GZIP.name, BZIP2.name, XZ.name),
)
# Armoured, or packets (RFC 9580): a session key by password (version, cipher, S2K, hash), or for somebody's key (version, 8 bytes
# of the key's id, its algorithm).
PGP = Type(
    "application/pgp-encrypted",
    (
        at(0, rb"(?:\xef\xbb\xbf)?\s{0,64}-----BEGIN PGP MESSAGE-----\r?\n"),
        at(0, rb"[\x8c\xc3].(?:\x04[\x01-\x0d]|[\x05\x06][\x01-\x0d][\x01-\x03])[\x00\x01\x03][\x01-\x0e].{8}"),
        at(0, rb"(?:\x84.|\x85[\x00-\x08].|\xc1(?:[\x20-\xbf]|[\xc0-\xdf].))\x03.{8}[\x01\x02\x10\x12\x16\x19]"),
    ),
)

PLAIN_MARKS = (
    R_DATA,
    PGP,
    Type("application/pdf", (at(0, rb"(?:\xef\xbb\xbf)?\s{0,64}%PDF-\d"),), aliases=("application/x-pdf",)),
    Type(
        "application/x-stata-dta",
        (at(0, rb"<stata_dta><header><release>"), at(0, rb"[\x69\x6c\x6e-\x73][\x01\x02]\x01\x00")),
    ),
    Type("application/x-sas-xport", (at(0, rb"HEADER RECORD\*{7}(?:LIBRARY|LIBV8  ) HEADER RECORD!{7}"),)),
    Type("application/x-spss-por", (at(440, rb".{0,40}SPSSPORT"),)),
    # Version, two fields of 80 characters, then a date and a time.
    Type("application/x-edf", (at(0, rb"0 {7}.{160}\d\d\.\d\d\.\d\d\d\d\.\d\d\.\d\d\d"),), aliases=("biosig/edf",)),
    Type("application/vnd.isac.fcs", (at(0, rb"FCS[23]\.\d {4}"),)),
    Type("application/x-nrrd", (at(0, rb"NRRD000\d\r?\n"),)),
    Type("application/x-metaimage", (at(0, rb"ObjectType *= *Image\r?\n"),)),
    Type("application/postscript", (at(0, rb"%!PS-Adobe-\d"),)),
    Type("application/rtf", (at(0, rb"\{\\rtf\d"),), aliases=("text/rtf",)),
)

ZSTD = Type(
    "application/zstd",
    (at(0, rb"\x28\xb5\x2f\xfd"), at(0, rb"[\x50-\x5f]\x2a\x4d\x18")),
    aliases=("application/x-zstd",),
)
TAR = Type("application/x-tar", aliases=("application/tar",))  # known by its check sum
DICOM = Type("application/dicom", (at(128, rb"DICM"),))  # or by its first elements
HDF5 = Type(
    "application/x-hdf5",
    tuple(at(offset, rb"\x89HDF\r\n\x1a\n") for offset in (0, 512, 1024, 2048)),
    aliases=("application/hdf5",),
)
BINARY = (
    ZIP,
    GZIP,
    BZIP2,
    XZ,
    ZSTD,
    Type("application/x-7z-compressed", (at(0, rb"7z\xbc\xaf\x27\x1c"),)),
    Type(
        "application/vnd.rar", (at(0, rb"Rar!\x1a\x07"),), aliases=("application/x-rar", "application/x-rar-compressed")
    ),
    DICOM,
    Type(
        "application/x-sas-data",
        (at(0, rb"\x00{12}\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\x00\x09\xc7\x31\x8c\x18\x1f\x10\x11"),),
        aliases=("application/x-sas7bdat",),
    ),
    Type(
        "application/x-sas-catalog",
        (at(0, rb"\x00{12}\xc2\xea\x81\x63\xb3\x14\x11\xcf\xbd\x92\x08\x00\x09\xc7\x31\x8c\x18\x1f\x10\x11"),),
    ),
    Type("application/x-spss-sav", (at(0, rb"\$FL[23]@\(#\)"),)),
    Type("application/vnd.apache.parquet", (at(0, rb"PAR[1E]"),), aliases=("application/x-parquet",)),
    Type(
        "application/vnd.apache.arrow.file",
        (at(0, rb"ARROW1\x00\x00"), at(0, rb"FEA1")),
        aliases=("application/x-feather",),
    ),
    Type("application/vnd.apache.arrow.stream", (at(0, rb"\xff\xff\xff\xff..[\x00\x01]\x00\x10\x00\x00\x00"),)),
    Type(
        "application/x-matlab-data",
        (at(124, rb"\x00\x01IM|\x01\x00MI"), at(0, rb"MATLAB 7\.3 MAT-file.{493}\x89HDF\r\n\x1a\n")),
    ),
    HDF5,
    Type("application/x-hdf", (at(0, rb"\x0e\x03\x13\x01"),)),
    Type("application/x-netcdf", (at(0, rb"CDF[\x01\x02\x05]"),), aliases=("application/netcdf",)),
    Type(
        "application/x-nifti",
        (at(344, rb"n[i+]1\x00"), at(4, rb"n[i+]2\x00\r\n\x1a\n")),
        aliases=("image/nifti", "image/x-nifti", "image/x.nifti"),
    ),
    Type("application/x-numpy-data", (at(0, rb"\x93NUMPY[\x01-\x03]\x00"),)),
    Type("application/x-bdf", (at(0, rb"\xffBIOSEMI"),), aliases=("biosig/bdf",)),
    Type("application/vnd.sqlite3", (at(0, rb"SQLite format 3\x00"),), aliases=("application/x-sqlite3",)),
    Type(
        "application/x-dosexec",
        (at(0, rb"MZ.{58,1000}?PE\x00\x00"),),
        aliases=("application/vnd.microsoft.portable-executable",),
    ),
    Type("image/png", (at(0, rb"\x89PNG\r\n\x1a\n"),)),
    Type("image/jpeg", (at(0, rb"\xff\xd8\xff[^\xf7]"),), aliases=("image/jpg",)),
    Type("image/jls", (at(0, rb"\xff\xd8\xff\xf7"),)),
    Type("image/tiff", (at(0, rb"II\x2a\x00|MM\x00\x2a|II\x2b\x00\x08\x00|MM\x00\x2b\x00\x08"),)),
    Type("image/jp2", (at(0, rb"\x00\x00\x00\x0cjP  \r\n\x87\n"),)),
    Type("image/gif", (at(0, rb"GIF8[79]a"),)),
    Type("audio/mpeg", (at(0, rb"ID3[\x02-\x04]\x00"),)),
)

_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
# A ZIP is one of these by what stands in it, never by its names alone (contents.py).
INSIDE_ZIP = (
    Type(_OOXML + "spreadsheetml.sheet", within=(ZIP.name,)),
    Type(_OOXML + "wordprocessingml.document", within=(ZIP.name,)),
    Type(_OOXML + "presentationml.presentation", within=(ZIP.name,)),
    Type(_ODF + "spreadsheet", within=(ZIP.name,)),
    Type(_ODF + "text", within=(ZIP.name,)),
    Type(_ODF + "presentation", within=(ZIP.name,)),
)

PLAIN = Type("text/plain")
CSV = Type("text/csv", within=(PLAIN.name,), aliases=("application/csv", "text/x-csv"))
TSV = Type("text/tab-separated-values", within=(CSV.name,))
NDJSON = Type(
    "application/x-ndjson",
    within=(PLAIN.name,),
    aliases=("application/jsonl", "application/x-jsonlines", "application/fhir+ndjson"),
)
# One value is one line of them, or looks like that where 64 KiB do not show its end.
JSON = Type("application/json", within=(PLAIN.name, NDJSON.name), aliases=("text/json",))
FHIR_JSON = Type("application/fhir+json", within=(JSON.name,))
XML = Type("application/xml", within=(PLAIN.name,), aliases=("text/xml",))
FHIR_XML = Type("application/fhir+xml", within=(XML.name,))
SVG = Type("image/svg+xml", within=(XML.name,))
HTML = Type("text/html", within=(PLAIN.name,))

# Asked only of text; the patterns are on its first characters that are no blank (nor HL7's VT).
TEXT = tuple(
    (Type(name, within=(PLAIN.name,), aliases=aliases), re.compile(pattern))
    for name, aliases, pattern in (
        ("application/hl7-v2", ("x-application/hl7-v2+er7", "application/hl7-v2+er7"), r"(?:MSH|FHS|BHS)\|\^~\\&"),
        ("text/x-vcf", ("application/x-vcf",), r"##fileformat=VCFv\d"),
        ("text/x-sam", ("application/x-sam",), r"@(?:HD\tVN|SQ\tSN|RG\tID|PG\tID):"),
        ("text/x-fasta", (), r">\S[^\r\n]*\r?\n(?:[A-Z*-]{8,}|[a-z]{8,})(?:\r?\n|\Z)"),
        ("text/x-fastq", (), r"@[^\r\n]+\r?\n[A-Za-z.*-]+\r?\n\+[^\r\n]*\r?\n[!-~]+(?:\r?\n|\Z)"),
        ("text/vcard", (), r"BEGIN:VCARD\r?\n"),
        ("text/calendar", (), r"BEGIN:VCALENDAR\r?\n"),
    )
)

# What libmagic is believed of bytes that nothing above knows: types that it tells by four bytes or more, and by the same name in
# 5.44 and 5.46. Its other answers rest on one or two bytes; such a file is `application/octet-stream`. An alias is what people call it.
LIBMAGIC = (
    Type("application/vnd.ms-excel"),
    Type("application/msword"),
    Type("application/vnd.ms-powerpoint"),
    Type("application/vnd.ms-outlook"),
    Type("application/x-ole-storage", aliases=("application/cdfv2",)),
    Type("application/x-msaccess"),
    Type("application/x-executable"),
    Type("application/x-pie-executable"),
    Type("application/x-sharedlib"),
    Type("application/x-mach-binary"),
    Type("application/x-iso9660-image"),
    Type("application/vnd.ms-cab-compressed"),
    Type("application/vnd.tcpdump.pcap"),
    Type("application/x-lz4"),
    Type("application/x-cpio"),
    Type("application/x-archive"),
    Type("application/x-lzip"),
    Type("application/x-xar"),
    Type("application/x-rpm"),
    Type("application/vnd.debian.binary-package"),
    Type("application/wasm"),
    Type("application/x-ms-shortcut"),
    Type("application/x-ms-evtx"),
    Type("application/vnd.ms-htmlhelp"),
    Type("application/vnd.ms-tnef"),
    Type("application/vnd.lotus-1-2-3"),
    Type("application/x-qemu-disk"),
    Type("application/mxf"),
    Type("audio/amr"),
    Type("audio/basic"),
    Type("audio/x-aiff", aliases=("audio/aiff",)),
    Type("audio/flac", aliases=("audio/x-flac",)),
    Type("audio/midi"),
    Type("audio/ogg"),
    Type("audio/x-wav", aliases=("audio/wav", "audio/vnd.wave")),
    Type("audio/x-m4a", aliases=("audio/mp4",)),
    Type("font/sfnt"),
    Type("font/ttf"),
    Type("font/woff"),
    Type("font/woff2"),
    Type("image/avif"),
    Type("image/fits"),
    Type("image/heic", aliases=("image/heif",)),
    Type("image/jxl"),
    Type("image/vnd.dwg"),
    Type("image/wmf"),
    Type("image/x-exr"),
    Type("image/x-jp2-codestream"),
    Type("image/x-xcf"),
    Type("image/vnd.adobe.photoshop"),
    Type("image/vnd.djvu"),
    Type("image/webp"),
    Type("image/bmp", aliases=("image/x-ms-bmp",)),
    Type("model/gltf-binary"),
    Type("video/3gpp"),
    Type("video/3gpp2"),
    Type("video/x-flv"),
    Type("video/mp4"),
    Type("video/mp2t"),
    Type("video/mpeg"),
    Type("video/quicktime"),
    Type("video/webm"),
    Type("video/x-matroska"),
    Type("video/x-ms-asf"),
    Type("video/x-msvideo", aliases=("video/vnd.avi",)),
)

TYPES = {
    each.name: each
    for each in (
        *(
            EMPTY,
            UNKNOWN,
            *PLAIN_MARKS,
            *BINARY,
            TAR,
            *INSIDE_ZIP,
            PLAIN,
            CSV,
            TSV,
            JSON,
            NDJSON,
            FHIR_JSON,
            XML,
            FHIR_XML,
            SVG,
            HTML,
        ),
        *(each for each, _ in TEXT),
        *LIBMAGIC,
    )
}
