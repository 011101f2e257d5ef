"""Each entry of the table, proved with a file that a real library made (make_samples.py)."""

from services_app.uploads.content import media
from services_app.uploads.content.media.table import BINARY, INSIDE_ZIP, PLAIN_MARKS, TYPES

OFFICE, OPEN = "application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument."
ENDINGS = {
    "application/x-sas-data": "no-rows.sas7bdat",
    "application/x-sas-xport": "small-5.xpt small-8.xpt large-5.xpt large-8.xpt",
    "application/x-stata-dta": "small-8.dta small-12.dta small-15.dta small-114.dta small-118.dta "
    "large-8.dta large-12.dta large-15.dta large-114.dta large-118.dta",
    "application/x-spss-sav": "small.sav large.sav small.zsav large.zsav",
    "application/x-spss-por": "small.por large.por",
    "application/x-r-data": "small-gzip.rds small-None.rds small-gzip.rda small-None.rda large-gzip.rds large-None.rds "
    "large-gzip.rda large-None.rda large-bzip2.rda large-xz.rda",
    "application/vnd.apache.parquet": "x.parquet",
    "application/vnd.apache.arrow.file": "x.feather old.feather",
    "application/vnd.apache.arrow.stream": "x.arrows",
    "application/x-hdf5": "x.h5 block.h5",
    "application/x-matlab-data": "5.mat 73.mat",
    "application/x-netcdf": "x.nc",
    "application/x-numpy-data": "x.npy",
    "application/vnd.sqlite3": "x.sqlite3",
    "application/dicom": "explicit.dcm explicit-no-preamble.dcm explicit-no-length.dcm explicit-bare.dcm "
    "implicit.dcm implicit-no-preamble.dcm implicit-no-length.dcm implicit-bare.dcm "
    "deflated.dcm deflated-no-preamble.dcm deflated-no-length.dcm "
    "big-endian.dcm big-endian-no-preamble.dcm big-endian-no-length.dcm big-endian-bare.dcm",
    "application/x-nifti": "1.nii 2.nii pair.hdr",
    "application/x-nrrd": "x.nrrd",
    "application/x-edf": "x.edf",
    "application/x-bdf": "x.bdf",
    "image/png": "x.png",
    "image/jpeg": "x.jpg",
    "image/tiff": "x.tif",
    "image/gif": "x.gif",
    "image/jp2": "x.jp2",
    "image/bmp": "x.bmp",
    "image/webp": "x.webp",
    "application/pdf": "x.pdf",
    OFFICE + "spreadsheetml.sheet": "small.xlsx large.xlsx streamed.xlsx",
    OFFICE + "wordprocessingml.document": "x.docx",
    OFFICE + "presentationml.presentation": "x.pptx",
    OPEN + "text": "x.odt",
    OPEN + "spreadsheet": "x.ods",
    OPEN + "presentation": "x.odp",
    "application/vnd.ms-excel": "x.xls",
    "application/zip": "plain.zip empty.zip names.zip types.zip stored.zip mimetype.zip",
    "application/gzip": "x.csv.gz x.vcf.gz x.bam x.nii.gz",
    "application/x-bzip2": "x.csv.bz2",
    "application/x-xz": "x.csv.xz",
    "application/zstd": "x.csv.zst",
    "application/x-7z-compressed": "x.7z",
    "application/x-tar": "ustar.tar gnu.tar pax.tar v7.tar",
    "text/csv": "comma.csv semicolon.csv bar.csv utf-8-sig.csv utf-16.csv utf-16-le.csv utf-16-be.csv utf-16-be-mark.csv "
    "utf-32.csv cp1252.csv one-column.csv breaks.csv header.csv",
    "text/tab-separated-values": "tab.tsv",
    "application/json": "x.json indented.json",
    "application/x-ndjson": "x.ndjson",
    "application/fhir+json": "fhir.json",
    "application/xml": "odm.xml",
    "text/html": "x.html",
    "application/octet-stream": "pair.img",  # the voxels alone
}
EXPECTED = {name: kind for kind, names in ENDINGS.items() for name in names.split()}

# Of these there is no library here that writes one; tests/services_app/test_media.py has their beginnings.
UNPROVED = {"application/vnd.isac.fcs", "application/x-hdf", "image/jls", "application/x-sas-catalog", "audio/mpeg"} | {
    "application/vnd.rar",
    "application/x-dosexec",
    "application/x-metaimage",
    "application/pgp-encrypted",
    "application/postscript",
    "application/rtf",
}


def test_every_file_is_taken_for_what_its_library_wrote(samples):
    found = {name: media.detect(content[: media.SNIFF_BYTES]) for name, content in samples.items()}
    assert found == EXPECTED


def test_every_binary_entry_of_the_table_is_proved_by_a_file():
    entries = {each.name for each in (*PLAIN_MARKS, *BINARY, *INSIDE_ZIP)}
    assert entries - set(EXPECTED.values()) == UNPROVED


def test_a_file_is_taken_by_a_list_that_names_what_it_is_within(samples):
    def takes(name, *allowed):
        return media.is_allowed(media.detect(samples[name][: media.SNIFF_BYTES]), allowed)

    assert takes("large.xlsx", "application/zip") and not takes("plain.zip", TYPES[OFFICE + "spreadsheetml.sheet"].name)
    assert takes("x.bam", "application/gzip") and takes("large-gzip.rds", "application/x-gzip")
    assert all(takes(name, "text/csv") for name in ("semicolon.csv", "tab.tsv", "utf-16.csv", "header.csv"))
    assert takes("tab.tsv", "text/tab-separated-values") and not takes("comma.csv", "text/tab-separated-values")
    assert (
        takes("x.json", "text/plain") and takes("odm.xml", "text/xml") and takes("large.por", "application/x-spss-por")
    )
