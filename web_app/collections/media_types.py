"""The types that a collection may name, as people call them, in English: pages translate it. A list that names anything else could never
take a file.

What is a file of such a type, and what is a case of what, only services_app knows (its `media/table.py`). These names are
spelled here once more on purpose; tests/contract holds the two together. docs/media-types.md is made from both.
"""

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    words: str
    name: str  # as a receipt says it
    aliases: tuple[str, ...] = ()
    endings: str = ""  # of usual file names


_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."

KNOWN = (
    # Tables and data sets
    Known("CSV (comma, semicolon or tab)", "text/csv", ("application/csv", "text/x-csv"), "csv"),
    Known("CSV with tabs", "text/tab-separated-values", (), "tsv tab txt"),
    Known("SAS dataset", "application/x-sas-data", ("application/x-sas7bdat",), "sas7bdat"),
    Known("SAS catalog", "application/x-sas-catalog", (), "sas7bcat"),
    Known("SAS transport file (XPORT)", "application/x-sas-xport", (), "xpt xport"),
    Known("Stata dataset", "application/x-stata-dta", (), "dta"),
    Known("SPSS dataset", "application/x-spss-sav", (), "sav zsav"),
    Known("SPSS portable file", "application/x-spss-por", (), "por"),
    Known("R data", "application/x-r-data", (), "rds rda rdata"),
    Known("MATLAB data", "application/x-matlab-data", (), "mat"),
    Known("Parquet", "application/vnd.apache.parquet", ("application/x-parquet",), "parquet"),
    Known("Feather or Arrow file", "application/vnd.apache.arrow.file", ("application/x-feather",), "feather arrow"),
    Known("Arrow stream", "application/vnd.apache.arrow.stream", (), "arrows"),
    Known("NumPy array", "application/x-numpy-data", (), "npy"),
    Known("HDF5", "application/x-hdf5", ("application/hdf5",), "h5 hdf5"),
    Known("HDF4", "application/x-hdf", (), "hdf"),
    Known("NetCDF", "application/x-netcdf", ("application/netcdf",), "nc"),
    Known("SQLite database", "application/vnd.sqlite3", ("application/x-sqlite3",), "sqlite sqlite3 db"),
    Known("Access database", "application/x-msaccess", (), "mdb accdb"),
    # Images and signals
    Known("DICOM", "application/dicom", (), "dcm"),
    Known("NIfTI", "application/x-nifti", ("image/nifti", "image/x-nifti", "image/x.nifti"), "nii hdr"),
    Known("NRRD", "application/x-nrrd", (), "nrrd nhdr"),
    Known("MetaImage", "application/x-metaimage", (), "mha mhd"),
    Known("flow cytometry data (FCS)", "application/vnd.isac.fcs", (), "fcs"),
    Known("EDF recording", "application/x-edf", ("biosig/edf",), "edf"),
    Known("BDF recording", "application/x-bdf", ("biosig/bdf",), "bdf"),
    Known("TIFF image", "image/tiff", (), "tif tiff svs"),
    Known("PNG image", "image/png", (), "png"),
    Known("JPEG image", "image/jpeg", ("image/jpg",), "jpg jpeg"),
    Known("JPEG 2000 image", "image/jp2", (), "jp2"),
    Known("JPEG XL image", "image/jxl", (), "jxl"),
    Known("GIF image", "image/gif", (), "gif"),
    Known("BMP image", "image/bmp", ("image/x-ms-bmp",), "bmp"),
    Known("WebP image", "image/webp", (), "webp"),
    Known("HEIC image", "image/heic", ("image/heif",), "heic heif"),
    Known("AVIF image", "image/avif", (), "avif"),
    Known("FITS image", "image/fits", (), "fits"),
    Known("DjVu document", "image/vnd.djvu", (), "djvu"),
    Known("Photoshop image", "image/vnd.adobe.photoshop", (), "psd"),
    Known("JPEG-LS image", "image/jls", (), "jls"),
    Known("JPEG 2000 codestream", "image/x-jp2-codestream", (), "j2k j2c"),
    Known("OpenEXR image", "image/x-exr", (), "exr"),
    Known("GIMP image", "image/x-xcf", (), "xcf"),
    Known("AutoCAD drawing", "image/vnd.dwg", (), "dwg"),
    Known("Windows metafile", "image/wmf", (), "wmf"),
    Known("3D model (glTF)", "model/gltf-binary", (), "glb"),
    Known("SVG drawing", "image/svg+xml", (), "svg"),
    # Archives and compressed files
    Known("ZIP", "application/zip", ("application/x-zip", "application/x-zip-compressed"), "zip"),
    Known("gzip", "application/gzip", ("application/x-gzip", "application/x-bgzip"), "gz tgz bgz bam"),
    Known("bzip2", "application/x-bzip2", ("application/bzip2", "application/x-bzip"), "bz2"),
    Known("XZ", "application/x-xz", ("application/xz",), "xz"),
    Known("Zstandard", "application/zstd", ("application/x-zstd",), "zst"),
    Known("LZ4", "application/x-lz4", (), "lz4"),
    Known("7-Zip", "application/x-7z-compressed", (), "7z"),
    Known("RAR", "application/vnd.rar", ("application/x-rar", "application/x-rar-compressed"), "rar"),
    Known("TAR", "application/x-tar", ("application/tar",), "tar"),
    Known("cpio archive", "application/x-cpio", (), "cpio"),
    Known("ar archive", "application/x-archive", (), "a"),
    Known("lzip", "application/x-lzip", (), "lz"),
    Known("xar archive", "application/x-xar", (), "xar pkg"),
    Known("RPM package", "application/x-rpm", (), "rpm"),
    Known("Debian package", "application/vnd.debian.binary-package", (), "deb"),
    Known("disk image (QEMU)", "application/x-qemu-disk", (), "qcow2"),
    Known("Windows cabinet", "application/vnd.ms-cab-compressed", (), "cab"),
    Known("disc image", "application/x-iso9660-image", (), "iso"),
    # Documents
    Known("PDF", "application/pdf", ("application/x-pdf",), "pdf"),
    Known("Excel workbook", _OOXML + "spreadsheetml.sheet", (), "xlsx"),
    Known("Word document", _OOXML + "wordprocessingml.document", (), "docx"),
    Known("PowerPoint slides", _OOXML + "presentationml.presentation", (), "pptx"),
    Known("Excel workbook (97 to 2003)", "application/vnd.ms-excel", (), "xls"),
    Known("Word document (97 to 2003)", "application/msword", (), "doc"),
    Known("PowerPoint slides (97 to 2003)", "application/vnd.ms-powerpoint", (), "ppt"),
    Known("Outlook message", "application/vnd.ms-outlook", (), "msg"),
    Known("older Office file", "application/x-ole-storage", ("application/cdfv2",)),
    Known("Outlook attachment (TNEF)", "application/vnd.ms-tnef"),
    Known("Lotus 1-2-3 worksheet", "application/vnd.lotus-1-2-3", (), "wk1 wks"),
    Known("Windows help", "application/vnd.ms-htmlhelp", (), "chm"),
    Known("OpenDocument spreadsheet", _ODF + "spreadsheet", (), "ods"),
    Known("OpenDocument text", _ODF + "text", (), "odt"),
    Known("OpenDocument slides", _ODF + "presentation", (), "odp"),
    Known("RTF document", "application/rtf", ("text/rtf",), "rtf"),
    Known("PostScript", "application/postscript", (), "ps eps"),
    # Text
    Known("plain text", "text/plain", (), "txt log"),
    Known("JSON", "application/json", ("text/json",), "json"),
    Known(
        "JSON, one value a line",
        "application/x-ndjson",
        ("application/jsonl", "application/x-jsonlines", "application/fhir+ndjson"),
        "ndjson jsonl",
    ),
    Known("FHIR as JSON", "application/fhir+json", (), "json"),
    Known("XML", "application/xml", ("text/xml",), "xml"),
    Known("FHIR as XML", "application/fhir+xml", (), "xml"),
    Known("HL7 version 2 message", "application/hl7-v2", ("x-application/hl7-v2+er7", "application/hl7-v2+er7"), "hl7"),
    Known("HTML page", "text/html", (), "html htm"),
    Known("VCF (genetic variants)", "text/x-vcf", ("application/x-vcf",), "vcf"),
    Known("SAM (alignments)", "text/x-sam", ("application/x-sam",), "sam"),
    Known("FASTA sequences", "text/x-fasta", (), "fasta fa"),
    Known("FASTQ reads", "text/x-fastq", (), "fastq fq"),
    Known("address card (vCard)", "text/vcard", (), "vcf"),
    Known("calendar (iCalendar)", "text/calendar", (), "ics"),
    # Sound, moving pictures
    Known("AIFF sound", "audio/x-aiff", ("audio/aiff",), "aif aiff"),
    Known("AMR sound", "audio/amr", (), "amr"),
    Known("AU sound", "audio/basic", (), "au"),
    Known("FLAC sound", "audio/flac", ("audio/x-flac",), "flac"),
    Known("MIDI sound", "audio/midi", (), "mid"),
    Known("Ogg sound", "audio/ogg", (), "ogg"),
    Known("WAV sound", "audio/x-wav", ("audio/wav", "audio/vnd.wave"), "wav"),
    Known("MP3 sound", "audio/mpeg", (), "mp3"),
    Known("MPEG-4 sound", "audio/x-m4a", ("audio/mp4",), "m4a"),
    Known("3GPP video", "video/3gpp", (), "3gp"),
    Known("3GPP2 video", "video/3gpp2", (), "3g2"),
    Known("Flash video", "video/x-flv", (), "flv"),
    Known("MP4 video", "video/mp4", (), "mp4"),
    Known("MPEG transport stream", "video/mp2t", (), "ts mts"),
    Known("MPEG video", "video/mpeg", (), "mpg mpeg"),
    Known("QuickTime video", "video/quicktime", (), "mov"),
    Known("WebM video", "video/webm", (), "webm"),
    Known("Matroska video", "video/x-matroska", (), "mkv"),
    Known("Windows Media video", "video/x-ms-asf", (), "asf wmv wma"),
    Known("AVI video", "video/x-msvideo", ("video/vnd.avi",), "avi"),
    Known("MXF video", "application/mxf", (), "mxf"),
    # Others
    Known("Windows program", "application/x-dosexec", ("application/vnd.microsoft.portable-executable",), "exe dll"),
    Known("Linux program", "application/x-executable"),
    Known("Linux program", "application/x-pie-executable"),
    Known("Linux library", "application/x-sharedlib", (), "so"),
    Known("macOS program", "application/x-mach-binary"),
    Known("Windows shortcut", "application/x-ms-shortcut", (), "lnk"),
    Known("Windows event log", "application/x-ms-evtx", (), "evtx"),
    Known("WebAssembly program", "application/wasm", (), "wasm"),
    Known("network capture", "application/vnd.tcpdump.pcap", (), "pcap"),
    Known("font", "font/sfnt", (), "otf"),
    Known("font", "font/ttf", (), "ttf"),
    Known("web font", "font/woff", (), "woff"),
    Known("web font", "font/woff2", (), "woff2"),
    Known("PGP message", "application/pgp-encrypted", (), "asc gpg pgp"),
    Known("empty file", "application/x-empty", ("inode/x-empty",)),
    Known("file of unknown kind", "application/octet-stream"),
)

FAMILIES = {
    "application": "any document, archive or data file",
    "audio": "any audio file",
    "font": "any font file",
    "image": "any image file",
    "model": "any model file",
    "text": "any text file",
    "video": "any video file",
}
_ARCHIVE = {"application/x-tar", "application/tar", "application/*"}
_EMPTY = {"application/x-empty", "inode/x-empty", "application/*"}
_WORDS = {name: each.words for each in KNOWN for name in (each.name, *each.aliases)}


def names() -> set[str]:
    """All that an allow-list may hold: types, aliases, and families as `type/*`."""
    return _WORDS.keys() | {f"{family}/*" for family in FAMILIES}


def in_words(media_type: str) -> str:
    """What people call it; a type that nobody here knows is shown as it is."""
    family, _, subtype = media_type.partition("/")
    if subtype == "*":
        return FAMILIES.get(family, media_type)
    return _WORDS.get(media_type, media_type)


def takes_empty(media_types: list[str]) -> bool:
    """Whether an allow-list takes an empty file."""
    return not media_types or not _EMPTY.isdisjoint(media_types)


def takes_folders(media_types: list[str]) -> bool:
    """Whether an allow-list takes the archive that a folder travels as."""
    return not media_types or not _ARCHIVE.isdisjoint(media_types)


def words() -> dict[str, str]:
    """Type or alias → its words: what the page's script looks up."""
    return dict(_WORDS)


def nearest(text: str) -> list[str]:
    """Up to three names that may have been meant: by file name ending, by a part of the name or the words, by spelling."""
    text = text.lower()
    wanted = text.removesuffix("/*").rpartition("/")[2].removeprefix("x-").strip("*.") or text
    meant = [each.name for each in KNOWN if wanted in each.endings.split()]
    meant += [each.name for each in KNOWN if len(wanted) > 2 and (wanted in each.name or wanted in each.words.lower())]
    meant += [_canonical(name) for name in difflib.get_close_matches(text, names(), n=3, cutoff=0.75)]
    return list(dict.fromkeys(meant))[:3]


def _canonical(name: str) -> str:
    return next((each.name for each in KNOWN if name in each.aliases), name)
