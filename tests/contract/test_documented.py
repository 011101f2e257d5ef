"""docs/token-format.md and docs/upload-api.md say what both sides do."""

import re
from pathlib import Path

import pytest

import services_app.tokens.claims as theirs
import services_app.tokens.verify as services_verify
from services_app.receipts import issue as services_issue
from services_app.tokens import names as their_names
from services_app.tokens.claims import Claims
from services_app.tokens.errors import TokenRefused
from services_app.tokens.names import MAX_IDS, MAX_LIFE, NamesClaims
from web_app.receipts import verify as web_verify
from web_app.tokens import claims as web_claims
from web_app.tokens import issue as web_issue
from web_app.tokens.claims import UploadClaims
from web_app.tokens.names import LIFE
from web_app.tokens.names import NamesClaims as WebNamesClaims

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "token-format.md").read_text()
FLAT = " ".join(TEXT.split())


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its own heading."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


TOKEN_ROWS = rows("Claims of an upload token")


def test_the_documented_claims_of_a_token_are_those_of_both_sides():
    documented = [name for row in TOKEN_ROWS for name in names(row[0])]
    assert len(documented) == len(set(documented))
    assert set(documented) == theirs._REQUIRED | theirs._OPTIONAL
    all_said = web_claims.UploadClaims(
        issuer="i", audience="a", issued_at=1, grant="01890000-0000-7000-8000-000000000001", subject="s", start_by=2,
        expires=3, collection="c", max_size=1, max_unfinished=1, max_staged=1, length=1, sha256="ab" * 32, media_types=("a/b",),
        upload_id="01890000-0000-7000-8000-000000000001", cookie_sha256="A" * 43, quotas=(web_claims.Quota("person", "bytes", 1),),
        unpack_folders=True,
    )  # fmt: skip
    assert set(documented) == all_said.payload().keys()


def test_the_documented_claims_of_a_names_token_are_those_of_services_app_with_its_bounds():
    documented = [name for row in rows("Claims of a names token") for name in names(row[0])]
    assert len(documented) == len(set(documented)) and set(documented) == their_names._CLAIMS | {"collection"}
    section = TEXT.split("## Claims of a names token\n")[1].split("\n## ")[0]
    assert f"at most {MAX_IDS}" in section and f"{LIFE} s" in section and f"{MAX_LIFE} s" in section


def test_the_documented_optional_claims_are_those_that_may_be_absent():
    optional = {name for row in TOKEN_ROWS if "optional" in row[1] for name in names(row[0])}
    assert optional == theirs._OPTIONAL


def test_every_documented_failure_is_a_code_that_exists():
    from_tokens = {cls.code for cls in TokenRefused.__subclasses__()}
    table = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", (DOCS / "upload-api.md").read_text(), re.MULTILINE))
    for row in TOKEN_ROWS:
        code, status = names(row[3])[0], re.search(r"\((\d{3})\)", row[3])
        assert code in from_tokens or status, row
        assert table[code] == (status[1] if status else "401"), row
    before_any_claim = re.search(r"((?:`\w+`(?:, | and ))+`\w+`) come before any claim", FLAT)[1]
    assert set(names(before_any_claim)) < from_tokens


@pytest.mark.parametrize("side", [theirs, web_claims])
def test_the_documented_forms_are_the_patterns_of_both_sides(side):
    forms = {names(row[0])[0]: row[1] for row in TOKEN_ROWS}
    patterns = {pattern.pattern for pattern in vars(side).values() if isinstance(pattern, re.Pattern)}
    assert forms["collection"] == "slug `[a-z0-9][a-z0-9-]{0,62}`" and "[a-z0-9][a-z0-9-]{0,62}" in patterns
    assert forms["sub"] == "string, 1–64 of `[A-Za-z0-9_-]`" and "[A-Za-z0-9_-]{1,64}" in patterns
    assert forms["sha256"].startswith("64 lower-case hex digits") and "[0-9a-f]{64}" in patterns


def test_the_documented_claims_of_a_receipt_are_those_that_web_app_checks():
    documented = [name for row in rows("Claims of a receipt") for name in names(row[0])]
    assert len(documented) == len(set(documented))
    assert set(documented) == web_verify._CLAIMS.keys()


def test_types_and_algorithm_are_spelled_alike_everywhere():
    assert Claims.TYPE == UploadClaims.TYPE == "upload+jwt"
    assert NamesClaims.TYPE == WebNamesClaims.TYPE == "upload-names+jwt"
    assert services_issue.TYPE == web_verify.TYPE == "upload-receipt+jwt"
    algorithms = {module.ALGORITHM for module in (services_verify, services_issue, web_issue, web_verify)}
    assert algorithms == {"Ed25519"}
    assert f"| `typ` | `{Claims.TYPE}` | `{NamesClaims.TYPE}` | `{services_issue.TYPE}` |" in TEXT and "`alg: Ed25519`" in TEXT


def test_the_documented_leeway_is_that_of_both_sides():
    leeway = int(re.search(r"(\d+) s of leeway", FLAT)[1])
    assert services_verify.LEEWAY == web_verify.LEEWAY == leeway


def test_the_documented_lengths_are_those_that_are_checked():
    token, receipt = re.search(r"A token has at most (\d+) characters, a receipt (\d+)", FLAT).groups()
    assert (services_verify.MAX_LENGTH, web_verify._LONGEST) == (int(token), int(receipt))


def test_services_app_keeps_in_its_receipts_to_the_documented_claims():
    import inspect

    source = (
        (DOCS.parent / "services_app/uploads/actions.py")
        .read_text()
        .split("issuer().issue(")[1]
        .split(")\n        upload")[0]
    )
    said = set(re.findall(r'^ +"(\w+)": ', source, re.MULTILINE))
    own = set(
        re.findall(
            r'"(\w+)": ', inspect.getsource(services_issue.ReceiptIssuer.issue).split("payload = ")[1].split("\n")[0]
        )
    )
    assert said | own == web_verify._CLAIMS.keys()
