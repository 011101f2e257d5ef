"""Is it a table of text, and what stands between its cells? CSV has no signature; RFC 4180 calls most text a CSV of one column.

So it is judged by its shape: nearly every row has several cells, and the first that has looks like the names of columns.
Rows need not be equally long.
"""

import csv
import io
import itertools
import re

_DELIMITERS = "\t;|,"
_ROWS = 500  # that are looked at
_TABLE = 0.8  # of the rows have more than one cell
_SEP = re.compile(r"sep=([\t;|,])\r?\n", re.IGNORECASE)  # Excel's own first line
_COMMENTS = re.compile(r"(?:#[^\r\n]*+[\r\n]++)*+")
_TITLE = 6  # lines above a table
_PAIRS = ("()", "[]", "{}")  # closed within a cell, or it is the text of a program
_NAME = re.compile(r"[^\W\d][\w.-]{0,63}")
_QUOTED = re.compile(r'"(?:[^"]++|"")*+"')
_SENTENCE = re.compile(r"""[^\W\d]["')»”]?[.!?…]\s*\Z""")
_VALUE = re.compile(r"\S*+|\d[\d.:/-]*+\s[\d.:]++")  # one word, or a date and a time
# Text of other kinds that has delimiters in every line: settings in sections, and what laboratory devices send (ASTM E1394).
_OTHER = re.compile(
    r"\s*+(?:(?:[;#][^\r\n]*+\s*+)*+\[[^\[\]\r\n,;|]++\]\s*+(?:[;#][^\r\n]*+\s*+)*+[\w .-]++=|\d?H\|[^\w\s|]{3}(?:\||\s))"
)
# The address that is a file (RFC 2397), and Python that begins with what it takes from where.
_NO_TABLE = re.compile(r"\s*+(?:data:(?:\w+/[\w.+-]+)?(?:;[\w=.+-]+)*,|from\s+[\w.]+\s+import\s)")
_BULLET = re.compile(r"\s*+(?:[-*+]|\d++[.)])\s")
_INTERVAL = re.compile(r"\s*+[(\[\]][^()\[\]]*+[)\[\]]\s*+")
_RULE = re.compile(r"\s*+:?-+:?\s*+")  # below the names in Markdown
_SETTING = re.compile(r"\s*+[\w.-]++\s*+=")
# How Python and Java log: a time with milliseconds (subtitles have it as well), or a level and a name.
_LOGGED = re.compile(r"\d\d:\d\d:\d\d,\d{3}[\])]?\s+\S|\A(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):[\w.]+:")


def delimiter(text: str, *, cut: bool) -> str | None:
    """Tab, semicolon, bar or comma; a comma also for a table of one column. None if it is no table."""
    if said := _SEP.match(text):
        return said[1]
    if _OTHER.match(text) or _NO_TABLE.match(text):
        return None
    text = text[_COMMENTS.match(text).end() :]
    for each in _DELIMITERS:
        if each in text and _is_table(_rows(text, each, cut), each, text):
            return each
    return "," if _is_one_column(_rows(text, ",", cut)) else None


def _rows(text: str, between: str, cut: bool) -> list[list[str]]:
    """The first rows that are not blank. The last one of a head that was cut is left out, unless it is the only one."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=between, skipinitialspace=True)
    try:
        rows = list(itertools.islice(reader, _ROWS + 1))
    except csv.Error:
        return []
    if len(rows) > 1 and (cut or len(rows) > _ROWS):
        rows.pop()
    return [row for row in rows if any(cell.strip() for cell in row)]


def _is_table(rows: list[list[str]], between: str, text: str) -> bool:
    rows = _without_title(rows)
    wide = [row for row in rows if len(row) > 1]
    if not wide or len(wide) < _TABLE * len(rows) or all(_filled(row) < 2 for row in wide[:2]):
        return False
    if any(name.count(left) != name.count(right) for name in wide[0] for left, right in _PAIRS):
        return False
    if sum(map(_is_torn, wide)) > (1 - _TABLE) * len(wide):
        return False
    if all(_BULLET.match(row[0]) for row in wide) or (between == "|" and any(map(_is_ruled, wide[1:2]))):
        return False
    if (between == "," and _LOGGED.search(",".join(wide[0]))) or all(_SETTING.match(row[0]) for row in wide):
        return False
    if between in ",;" and _is_spaced(text, between):
        return len(wide) > 1 and len({len(row) for row in rows}) == 1 and (between == ";" or not _is_prose(wide))
    return True


def _is_torn(row: list[str]) -> bool:
    """Whether a pair is opened in one cell and closed in another, as in the text of a program. Intervals are none: `(0,5]`, `[0;5[`."""
    cells = [cell for cell in row if not _INTERVAL.fullmatch(cell)]
    for left, right in _PAIRS:
        open_after = [cell.count(left) - cell.count(right) for cell in cells]
        if any(open_after) and sum(open_after) == 0:
            return True
    return False


def _is_ruled(row: list[str]) -> bool:
    """Between bars at both ends."""
    return row[0] == row[-1] == "" and all(_RULE.fullmatch(cell) for cell in row[1:-1])


def _is_spaced(text: str, between: str) -> bool:
    """Whether a blank follows most delimiters, as in prose; within quotes is none."""
    bare = _QUOTED.sub("", text)
    return 2 * bare.count(between + " ") > bare.count(between)


def _is_prose(rows: list[list[str]]) -> bool:
    """Of rows of one length, with blanks after their commas. Names of columns make no sentence; and in a table of two columns
    these names are single words, or one column is, or what follows the comma seldom goes on in small letters.
    """
    if _SENTENCE.search(rows[0][-1]):
        return True
    if len(rows[0]) > 2 or all(_VALUE.fullmatch(cell.strip()) for cell in rows[0]):
        return False
    first, second = ([cell.strip() for cell in column] for column in zip(*rows[1:], strict=True))
    if any(2 * sum(1 for cell in column if _VALUE.fullmatch(cell)) >= len(column) for column in (first, second)):
        return False
    return 2 * sum(1 for cell in second if cell[:1].islower()) > len(second)


def _without_title(rows: list[list[str]]) -> list[list[str]]:
    """Devices and registries write a few lines about the table above it."""
    above = next((number for number, row in enumerate(rows) if _filled(row) > 1), 0)
    return rows[above:] if above <= _TITLE and len(rows) - above > 1 else rows


def _filled(row: list[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _is_one_column(rows: list[list[str]]) -> bool:
    """A name, then values of one word each: as a list of patients' numbers comes."""
    cells = [row[0].strip() for row in rows]
    return (
        len(rows) > 1
        and all(len(row) == 1 for row in rows)
        and _NAME.fullmatch(cells[0]) is not None
        and cells[0] not in cells[1:]
        and all(len(cell) <= 64 and len(cell.split()) == 1 for cell in cells)
    )
