"""Reads one .http file: what is sent, byte for byte, and what must come back.

    # why: the rule that is broken, with its source
    # expect: 400 request_malformed        one line for each answer; `closed` for an end of connection without an answer
    # reaches: nobody                      one line for each answer, or one for all: nobody, authorize, uploads, control, web_app
    ---
    PUT /u/{token} HTTP/1.1                a line ends in CR LF; \\c at its end leaves that out, and \\xNN, \\r, \\n, \\t are bytes
    Host: {host}

    ---

`# newer: 405 method_not_allowed, nobody` is the one other outcome that is allowed, where versions of nginx differ.
{token}, {bound} with {binding}, {expired} and {host} are filled in. `# line-ends: lf` sends bare LF. `# repeat: N text`
defines {repeated}.
"""

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

REACHES = {"nobody", "authorize", "uploads", "control", "web_app"}


@dataclass(frozen=True)
class Attack:
    why: str
    expect: list[str]
    reaches: list[str]
    newer: tuple[list[str], list[str]] | None
    template: str
    repeated: str

    def outcomes(self) -> list[tuple[list[str], list[str]]]:
        """What may come back, together with how far it may reach."""
        return [(self.expect, self.reaches), *([self.newer] if self.newer else [])]

    @classmethod
    def read(cls, path: Path) -> "Attack":
        head, _, rest = path.read_text().partition("---\n")
        body, end, after = rest.rpartition("---\n")
        assert end and not after, f"{path.name} does not end in a line of ---"
        notes: dict[str, list[str]] = {}
        for line in head.splitlines():
            key, value = re.fullmatch(r"# ([a-z-]+): (.+)", line).groups()
            notes.setdefault(key, []).append(value)
        assert notes.keys() <= {"why", "expect", "reaches", "newer", "line-ends", "repeat"}, path.name
        reaches = notes.get("reaches", ["nobody"])
        assert set(reaches) <= REACHES and notes["why"] and notes["expect"], path.name
        count, _, text = notes.get("repeat", ["0 "])[0].partition(" ")
        ending = "\n" if notes.get("line-ends") == ["lf"] else "\r\n"
        other = notes["newer"][0].split(", ") if "newer" in notes else None
        newer = ([other[0]], [other[1]]) if other else None
        lines = [line[:-2] if line.endswith("\\c") else line + ending for line in body.splitlines()]
        many = reaches if len(reaches) > 1 else reaches * len(notes["expect"])
        return cls(notes["why"][0], notes["expect"], many, newer, "".join(lines), text * int(count))

    def sent(self, **values: str) -> bytes:
        """The bytes, with the placeholders filled in."""
        text = self.template
        for name, value in {**values, "repeated": self.repeated}.items():
            text = text.replace("{" + name + "}", value)
        return codecs.escape_decode(text.encode("latin-1"))[0]
