"""Files of every kind that the table names, each written by the library that people write it with. All data are made up.

Run with the Python of dev/samples-requirements.txt: `make_samples.py FOLDER`.
"""

import bz2
import datetime
import gzip
import io
import json
import lzma
import sqlite3
import struct
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import docx
import h5py
import nibabel
import nrrd
import numpy as np
import odf.opendocument
import openpyxl
import pandas as pd
import pptx
import py7zr
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pydicom
import pyedflib
import pyreadr
import pyreadstat
import scipy.io
import xlwt
from Bio import bgzf
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

ROWS = 4000
FRAME = pd.DataFrame(
    {
        "PATIENT": [f"P{n:05}" for n in range(ROWS)],
        "VISIT": [n % 7 for n in range(ROWS)],
        "WEIGHT": [55.5 + n % 40 for n in range(ROWS)],
    }
)
SMALL = FRAME.head(3)
CUBE = np.arange(24, dtype="int16").reshape(2, 3, 4)
ODM = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" FileType="Snapshot" '
    'FileOID="X">\n<Study OID="S"/>\n</ODM>\n'
)
FHIR = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient", "id": "1"}}]}


def main(folder: Path) -> None:
    statistics(folder)
    columns_and_arrays(folder)
    images(folder)
    signals(folder)
    office(folder)
    archives(folder)
    texts(folder)


def statistics(folder: Path) -> None:
    for name, frame in (("small", SMALL), ("large", FRAME)):
        pyreadstat.write_xport(frame, folder / f"{name}-5.xpt", table_name="DM", file_format_version=5)
        pyreadstat.write_xport(frame, folder / f"{name}-8.xpt", table_name="DM", file_format_version=8)
        pyreadstat.write_dta(frame, folder / f"{name}-8.dta", version=8)
        pyreadstat.write_dta(frame, folder / f"{name}-12.dta", version=12)
        pyreadstat.write_dta(frame, folder / f"{name}-15.dta", version=15)
        frame.to_stata(folder / f"{name}-114.dta", version=114, write_index=False)
        frame.to_stata(folder / f"{name}-118.dta", version=118, write_index=False)
        pyreadstat.write_sav(frame, folder / f"{name}.sav")
        pyreadstat.write_sav(frame, folder / f"{name}.zsav", compress=True)
        pyreadstat.write_por(frame, folder / f"{name}.por")
        for how in ("gzip", None):
            pyreadr.write_rds(folder / f"{name}-{how}.rds", frame, compress=how)
            pyreadr.write_rdata(folder / f"{name}-{how}.rda", frame, df_name="dm", compress=how)
    plain = (folder / "large-None.rda").read_bytes()
    (folder / "large-bzip2.rda").write_bytes(bz2.compress(plain))
    (folder / "large-xz.rda").write_bytes(lzma.compress(plain))
    sas(folder / "no-rows.sas7bdat")


def sas(path: Path) -> None:
    """No free library writes one; this is a table without columns, and pandas opens it."""
    header, page = bytearray(1024), bytearray(4096)
    header[:32] = bytes.fromhex("000000000000000000000000c2ea8160b31411cfbd92080009c7318c181f1011")
    header[32:39] = b"\x22\x22\x00\x32\x22\x01\x31"  # 32 bits, little-endian, Unix
    header[84:92], header[92:100], header[156:164] = b"SAS FILE", b"DM      ", b"DATA    "
    header[196:208] = struct.pack("<III", 1024, 4096, 1)
    header[216:224] = b"9.0401M7"
    page[16:24] = struct.pack("<HHHH", 0, 2, 2, 0)
    page[24:48] = struct.pack("<IIBBHIIBBH", 1024, 480, 0, 0, 0, 2048, 12, 0, 0, 0)
    page[1024:1028], page[2048:2052] = b"\xf7" * 4, b"\xf6" * 4
    path.write_bytes(header + page)
    with pd.read_sas(path, iterator=True) as reader:
        assert (reader.row_count, reader.column_count) == (0, 0)


def columns_and_arrays(folder: Path) -> None:
    table = pa.Table.from_pandas(FRAME)
    pa.parquet.write_table(table, folder / "x.parquet")
    pa.feather.write_feather(FRAME, folder / "x.feather")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nobody should write it any more, but files of it are there
        pa.feather.write_feather(FRAME, folder / "old.feather", version=1)
    with pa.ipc.new_stream(folder / "x.arrows", table.schema) as stream:
        stream.write_table(table)
    np.save(folder / "x.npy", CUBE)
    with h5py.File(folder / "x.h5", "w") as file:
        file["cube"] = CUBE
    with h5py.File(folder / "block.h5", "w", userblock_size=512) as file:
        file["cube"] = CUBE
    with h5py.File(folder / "73.mat", "w", userblock_size=512) as file:
        file["cube"] = CUBE
    with (folder / "73.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    scipy.io.savemat(folder / "5.mat", {"cube": CUBE})
    with scipy.io.netcdf_file(folder / "x.nc", "w") as file:
        file.createDimension("n", 3)
    sqlite3.connect(folder / "x.sqlite3").executescript("CREATE TABLE dm (id TEXT); INSERT INTO dm VALUES ('P1')")


def images(folder: Path) -> None:
    for name, syntax in (
        ("explicit", ExplicitVRLittleEndian),
        ("implicit", ImplicitVRLittleEndian),
        ("deflated", DeflatedExplicitVRLittleEndian),
        ("big-endian", ExplicitVRBigEndian),
    ):
        scan = pydicom.Dataset()
        scan.SOPClassUID, scan.SOPInstanceUID, scan.Modality = "1.2.840.10008.5.1.4.1.1.4", "1.2.3", "MR"
        scan.PatientID, scan.StudyDate, scan.Rows, scan.Columns = "P00001", "20260101", 2, 12
        scan.file_meta = FileMetaDataset()
        scan.file_meta.TransferSyntaxUID = syntax
        scan.file_meta.MediaStorageSOPClassUID, scan.file_meta.MediaStorageSOPInstanceUID = scan.SOPClassUID, "1.2.3"
        pydicom.dcmwrite(folder / f"{name}.dcm", scan, enforce_file_format=True)
        (folder / f"{name}-no-preamble.dcm").write_bytes((folder / f"{name}.dcm").read_bytes()[132:])
        (folder / f"{name}-no-length.dcm").write_bytes((folder / f"{name}.dcm").read_bytes()[144:])
        if name != "deflated":  # of which nothing can be known without its syntax
            little, bare = name != "big-endian", io.BytesIO()
            pydicom.dcmwrite(bare, scan, implicit_vr=name == "implicit", little_endian=little)
            raw = bare.getvalue()
            begins = raw.index(b"\x08\x00\x16\x00" if little else b"\x00\x08\x00\x16")
            (folder / f"{name}-bare.dcm").write_bytes(raw[begins:])
    for name, kind in (("1", nibabel.Nifti1Image), ("2", nibabel.Nifti2Image)):
        nibabel.save(kind(CUBE, np.eye(4)), folder / f"{name}.nii")
    nibabel.save(nibabel.Nifti1Pair(CUBE, np.eye(4)), folder / "pair.img")
    nibabel.save(nibabel.Nifti1Image(CUBE, np.eye(4)), folder / "x.nii.gz")
    nrrd.write(str(folder / "x.nrrd"), CUBE)
    picture = Image.new("RGB", (40, 30), "red")
    for ending in ("png", "jpg", "tif", "gif", "jp2", "pdf", "bmp", "webp"):
        picture.save(folder / f"x.{ending}")


def signals(folder: Path) -> None:
    for ending, kind in (("edf", pyedflib.FILETYPE_EDFPLUS), ("bdf", pyedflib.FILETYPE_BDFPLUS)):
        with pyedflib.EdfWriter(str(folder / f"x.{ending}"), 1, file_type=kind) as file:
            file.setStartdatetime(datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC))
            file.writeSamples([np.zeros(500)])


class Forwards(io.FileIO):
    def __init__(self, path: Path):
        super().__init__(path, "w")

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, *where) -> int:
        raise OSError


def office(folder: Path) -> None:
    book = openpyxl.Workbook()
    for row in FRAME.itertuples(index=False):
        book.active.append(list(row))
    book.save(folder / "large.xlsx")
    SMALL.to_excel(folder / "small.xlsx", index=False)
    # As a program writes it that cannot go back in its output.
    with (
        zipfile.ZipFile(folder / "small.xlsx") as book,
        Forwards(folder / "streamed.xlsx") as out,
        zipfile.ZipFile(out, "w") as copy,
    ):
        for member in book.namelist():
            copy.writestr(zipfile.ZipInfo(member), book.read(member), zipfile.ZIP_DEFLATED)
    document = docx.Document()
    document.add_paragraph("Nothing of note.")
    document.save(folder / "x.docx")
    pptx.Presentation().save(folder / "x.pptx")
    odf.opendocument.OpenDocumentText().save(folder / "x.odt")
    odf.opendocument.OpenDocumentSpreadsheet().save(folder / "x.ods")
    odf.opendocument.OpenDocumentPresentation().save(folder / "x.odp")
    old = xlwt.Workbook()
    old.add_sheet("DM").write(0, 0, "PATIENT_ID")
    old.save(folder / "x.xls")


def archives(folder: Path) -> None:
    data = FRAME.to_csv(index=False).encode()
    (folder / "x.csv.gz").write_bytes(gzip.compress(data))
    (folder / "x.csv.bz2").write_bytes(bz2.compress(data))
    (folder / "x.csv.xz").write_bytes(lzma.compress(data))
    (folder / "x.csv.zst").write_bytes(pa.compress(data, codec="zstd", asbytes=True))
    for name in ("x.vcf.gz", "x.bam"):
        with bgzf.BgzfWriter(folder / name) as out:
            out.write(data)
    with zipfile.ZipFile(folder / "plain.zip", "w") as out:
        out.writestr("dm.csv", data)
    # Names alone make no Office file: an anonymised export, a folder of somebody's, a ZIP with documents in it.
    for name, inside in (
        ("names.zip", {"word/document.xml": b"<p/>", "xl/workbook.xml": b"<p/>", "[Content_Types].xml": b"<p/>"}),
        ("types.zip", {"[Content_Types].xml": b"nothing of Office", "dm.csv": data}),
        ("stored.zip", {"a.docx": (folder / "x.docx").read_bytes(), "b.xlsx": (folder / "small.xlsx").read_bytes()}),
        ("mimetype.zip", {"mimetype": b"text/plain", "dm.csv": data}),
    ):
        with zipfile.ZipFile(folder / name, "w") as out:
            for member, content in inside.items():
                out.writestr(member, content)
    with zipfile.ZipFile(folder / "empty.zip", "w"):
        pass
    for name, form in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        with tarfile.open(folder / f"{name}.tar", "w", format=form) as out:
            out.add(folder / "x.csv.gz", "dm.csv.gz")
    old = bytearray((folder / "ustar.tar").read_bytes())
    old[148:156], old[257:512] = b" " * 8, bytes(255)
    old[148:156] = b"%06o\0 " % sum(old[:512])
    (folder / "v7.tar").write_bytes(old)
    with py7zr.SevenZipFile(folder / "x.7z", "w") as out:
        out.writestr(data, "dm.csv")


def texts(folder: Path) -> None:
    FRAME.to_csv(folder / "comma.csv", index=False)
    FRAME.to_csv(folder / "semicolon.csv", index=False, sep=";", decimal=",")
    FRAME.to_csv(folder / "bar.csv", index=False, sep="|")
    FRAME.to_csv(folder / "tab.tsv", index=False, sep="\t")
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"):
        FRAME.assign(SITE="Zürich").to_csv(folder / f"{encoding}.csv", index=False, encoding=encoding)
    (folder / "utf-16-be-mark.csv").write_bytes(b"\xfe\xff" + FRAME.to_csv(index=False).encode("utf-16-be"))
    FRAME["PATIENT"].to_csv(folder / "one-column.csv", index=False)
    FRAME.assign(NOTE="first line\nsecond, line").to_csv(folder / "breaks.csv", index=False, quoting=1)
    FRAME.head(0).to_csv(folder / "header.csv", index=False)
    FRAME.to_json(folder / "x.json", orient="records")
    FRAME.to_json(folder / "indented.json", orient="records", indent=2)
    FRAME.to_json(folder / "x.ndjson", orient="records", lines=True)
    (folder / "fhir.json").write_text(json.dumps(FHIR))
    (folder / "odm.xml").write_text(ODM)
    FRAME.to_html(folder / "x.html")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
