"""Structured fields (RFC 9651): of the kinds that the IETF draft and RFC 9530 use. One that cannot be parsed is None as a whole."""

import re

_TAIL = "%[89ab][0-9a-f]"
_UTF_8 = "|".join(
    (
        "%[0-7][0-9a-f]",
        f"%(?:c[2-9a-f]|d[0-9a-f]){_TAIL}",
        f"%e0%[ab][0-9a-f]{_TAIL}",
        f"%e[1-9a-cef](?:{_TAIL}){{2}}",
        f"%ed%[89][0-9a-f]{_TAIL}",
        f"%f0%[9ab][0-9a-f](?:{_TAIL}){{2}}",
        f"%f[1-3](?:{_TAIL}){{3}}",
        f"%f4%8[0-9a-f](?:{_TAIL}){{2}}",
    )
)
# Section 3.3: every kind of bare item, since any may be the value of a parameter or of a member that nobody asks for.
_BARE_ITEM = "|".join(
    (
        r"-?[0-9]{1,12}\.[0-9]{1,3}",
        r"@?-?[0-9]{1,15}",
        r'"(?:[ !#-\[\]-~]|\\["\\])*"',
        r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*",
        r":[A-Za-z0-9+/]*={0,2}:",
        r"\?[01]",
        rf'%"(?:[ !#$&-~]|{_UTF_8})*"',
    )
)
_KEY = "[a-z*][a-z0-9_.*-]*"
_PARAMETERS = rf"(?:; *{_KEY}(?:=(?:{_BARE_ITEM}))?)*"
_INNER_LIST = rf"\( *(?:(?:{_BARE_ITEM}){_PARAMETERS}(?: +(?:{_BARE_ITEM}){_PARAMETERS})* *)?\)"
_ITEM = re.compile(rf" *(?P<bare>{_BARE_ITEM}){_PARAMETERS} *")
_MEMBER = re.compile(rf"(?P<key>{_KEY})(?:=(?:(?P<bare>{_BARE_ITEM})|{_INNER_LIST}))?{_PARAMETERS}")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


def item(field: str) -> str | None:
    """The bare item, without its parameters (section 4.2.3)."""
    match = _ITEM.fullmatch(field)
    return match and match["bare"]


def dictionary(field: str) -> dict[str, str] | None:
    """Key → bare item, without parameters; empty for an inner list or a mere key. Of two the last counts (section 4.2.2)."""
    field, found, at = field.strip(" "), {}, 0
    while at < len(field):
        member = _MEMBER.match(field, at)
        if member is None:
            return None
        found[member["key"]] = member["bare"] or ""
        if member.end() == len(field):
            break
        comma = _COMMA.match(field, member.end())
        if comma is None or comma.end() == len(field):
            return None
        at = comma.end()
    return found
