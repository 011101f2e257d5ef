"""`./run docs`: docs/media-types.md, made from the table of each tier. tests/docs compares the file with them."""

from dev.paths import ROOT
from services_app.uploads.content.media.table import LIBMAGIC, TYPES
from web_app.collections.media_types import KNOWN

TARGET = ROOT / "docs" / "media-types.md"

HEAD = """\
# Media types

Made by `./run docs` from `services_app/uploads/content/media/table.py` and `web_app/collections/media_types.py`. Do not edit.

The type of a file is read from its first 64 KiB. What its sender says of it, and its name, are not asked. It stands
in the receipt, in the upload's state (as soon as 64 KiB or the whole file are there, also of an upload that was
refused for it), in the problem of a refusal (`detected`) and in the log. [ADR
0018](adr/0018-types-from-our-own-table.md) says how it is found out.

## What a list takes

A collection's list names types. An empty list takes every file. Any other takes a file if it holds one of these:

- the file's type as it stands in the first column below, or another name of it;
- what the type is *within*, or another name of that: an `.xlsx` is a ZIP, so `application/zip` takes it; a table with
  tabs is a CSV, and every text is `text/plain`. Not the other way round: a list that names only Excel workbooks takes
  no other ZIP;
- the family of one of these: `text/*` takes CSV, and JSON and XML as well, for they are within `text/plain`.

A list may name nothing but what stands in this table, and families (`type/*`) of it: anything else could never take a
file, and is refused when the collection is made. All names are in lower case.

`python services_app/manage.py detect_type FILE` says what a file is taken for, and which names take it; with
`--allowed LIST` it tries a list. `python web_app/manage.py media_types NAME …` says which collections hold one of
these names, and without a name lists them all.

## How doubt is settled

- A **table** (`text/csv`) is one by its shape: nearly every row has several cells. Between them stand commas,
  semicolons or bars; with tabs it is `text/tab-separated-values`. Names of columns alone will do, rows may differ in
  length, cells may hold line breaks, and a few lines may stand above it. One column of single words under a name is a
  table too; a single word is not. Where blanks follow the commas, as in prose, the rows have to agree in length and
  must not read as sentences. Logs, settings, programs, lists and tables of Markdown,
  `data:` addresses and what laboratory devices send (ASTM) are `text/plain`.
- **Text** may be UTF-8, UTF-16 or UTF-32, with or without a byte order mark (UTF-32 only with), or any 8-bit
  encoding. A Ctrl-Z at its end is part of it, and so is a stray control character: one, or one in a thousand.
  UTF-16 without its mark is known by what all scripts share: line ends, blanks, commas, digits. A text with hardly any
  of these, as a single word may be, needs the mark.
- **JSON** and **XML** are judged by as much as the first 64 KiB show. A word in angle brackets makes no XML: it takes a
  declaration, an attribute, or an element that is closed. With a declaration no name of an element but `html` makes a
  page. `NaN` and `Infinity`, as Python and R write them, are JSON here.
- One **JSON** value may be one line of NDJSON: 64 KiB do not always show whether another follows. It is JSON then, and a
  list of NDJSON (FHIR's as well) takes it.
- **HL7** may come in the frames of its transport (MLLP), as many as there are.
- **DICOM** may lack its preamble; without the file meta information as well it is known by its first elements, unless
  it is deflated.
- A **ZIP** is an Office or OpenDocument file if the parts that these consist of are found in it. Names alone are no
  evidence: then it is `application/zip`.
- **Compressed** data are what they are compressed with: `.nii.gz`, `.vcf.gz` and BAM are `application/gzip`. R data
  alone are looked for inside, since R compresses them by itself; as text (`ascii = TRUE`) as well.
- **PGP** messages may be armoured or binary, for a key or with a password. They are within no text.
- What libmagic is believed of is marked below. Anything else that it claims is `application/octet-stream`.

## Types

| type | in words | other names | within | usual endings |
|---|---|---|---|---|
"""


def main() -> int:
    TARGET.write_text(render())
    print(f"  {TARGET.relative_to(ROOT)}")
    return 0


def render() -> str:
    """The whole document. Raises KeyError for a type that one tier does not know."""
    return HEAD + "".join(_row(known.name, known.words, known.endings) for known in KNOWN)


def _row(name: str, words: str, endings: str) -> str:
    each = TYPES[name]
    told = " (libmagic)" if each in LIBMAGIC else ""
    shown = (
        _names((name,)) + told,
        words,
        _names(each.aliases),
        _names(each.within),
        " ".join(f".{one}" for one in endings.split()),
    )
    return f"| {' | '.join(shown)} |\n".replace("|  |", "| |").replace("|  |", "| |")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
