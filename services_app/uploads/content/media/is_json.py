"""Does it begin like JSON (RFC 8259, and what Python and R write for numbers that are none)?

Of a large file only the beginning is there, which json.loads cannot judge."""

import re

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r"""[\[\]{},:]|true|false|null|NaN|-?Infinity|-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?|"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrtu])*+\""""
)
# The beginning of a token that the end of the head has cut.
_CUT_TOKEN = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\.)*+\\?|[-+.0-9eE]+|-?[A-Za-z]{1,8}')
_VALUE, _FIRST_VALUE, _NAME, _FIRST_NAME, _COLON, _NEXT, _DONE = range(7)


def values(text: str, *, cut: bool) -> int:
    """How many JSON values `text` holds, or 0 if it is no JSON: one, or several of which each begins a line (NDJSON).

    With `cut` the last may be unfinished. No recursion, and nothing is built: 64 KiB of brackets are as cheap as any.
    """
    count, at, opened, expected = 0, 0, bytearray(), _VALUE
    while True:
        gap = _SPACE.match(text, at)
        at = gap.end()
        if at == len(text):
            if expected == _DONE:
                return count
            return count + 1 if cut else 0
        if expected == _DONE:
            if "\n" not in gap[0]:
                return 0
            expected = _VALUE
        token = _TOKEN.match(text, at)
        if token is None or (cut and token.end() == len(text) and token[0][-1].isalnum()):
            rest = _CUT_TOKEN.fullmatch(text, at)
            return count + 1 if cut and rest else 0
        at, mark = token.end(), token[0][0]
        following = _following(mark, expected, opened)
        if following is None:
            return 0
        expected = following
        count += expected == _DONE


def has_member(text: str, name: str, begins: str) -> bool:
    """Whether the first value of this JSON is an object with a text of that name and beginning; what is within it does not count."""
    depth, before, found = 0, "", False
    for each in _TOKEN.finditer(text) if text.startswith("{") else ():
        piece = each[0]
        if found and before == ":":
            return re.match('"' + begins, piece) is not None
        found = found or (depth == 1 and before in "{," and piece == f'"{name}"')
        depth += (piece in "{[") - (piece in "}]")
        if depth == 0:
            return False
        before = piece
    return False


def _following(mark: str, expected: int, opened: bytearray) -> int | None:
    """What may come after a token that begins with `mark`; None where it may not stand. `opened` is the stack of brackets."""
    ends = (mark == "}" and expected in (_FIRST_NAME, _NEXT)) or (mark == "]" and expected in (_FIRST_VALUE, _NEXT))
    if ends and opened and opened[-1] == ord("{" if mark == "}" else "["):
        opened.pop()
    elif expected in (_VALUE, _FIRST_VALUE) and mark not in "]},:":
        if mark in "{[":
            opened.append(ord(mark))
            return _FIRST_NAME if mark == "{" else _FIRST_VALUE
    elif expected in (_NAME, _FIRST_NAME) and mark == '"':
        return _COLON
    elif expected == _COLON and mark == ":":
        return _VALUE
    elif expected == _NEXT and mark == ",":
        return _NAME if opened[-1] == ord("{") else _VALUE
    else:
        return None
    return _NEXT if opened else _DONE
