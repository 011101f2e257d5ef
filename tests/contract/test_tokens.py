"""web_app mints, services_app verifies: the two spell the same claims, each in its own code."""

import dataclasses
import json
import secrets
import subprocess
import sys
import time
import uuid

import pytest
from joserfc.jwk import KeySet, OKPKey

import services_app.tokens.claims as theirs
import services_app.tokens.names as their_names
import web_app.tokens.claims as ours
import web_app.tokens.names as our_names
from services_app.tokens import errors
from services_app.tokens.verify import MAX_LENGTH, MAX_LIFE, TokenVerifier, check_binding
from services_app.uploads.ids import uuid7 as services_app_uuid7
from web_app.grants.ids import uuid7 as web_app_uuid7
from web_app.tokens.claims import BINDING, ClaimError, UploadClaims, cookie_digest
from web_app.tokens.issue import TokenSigner

ISSUER, AUDIENCE = "https://web.example", "https://services.example"
NOW = int(time.time())
LEAST = {
    "issuer": ISSUER,
    "audience": AUDIENCE,
    "issued_at": NOW,
    "grant": "01890000-0000-7000-8000-000000000001",
    "subject": "u_42-A",
    "start_by": NOW + 900,
    "expires": NOW + 86400,
    "collection": "mri-2026",
    "max_size": 1 << 40,
}
MOST = LEAST | {
    "max_uploads": 10_000,
    "max_unfinished": 1000,
    "max_staged": 1 << 43,
    "quotas": tuple(ours.Quota(of, unit, 2**63 - 1) for of in theirs.QUOTAS_OF for unit in theirs.UNITS),
    "length": 327 << 20,
    "sha256": "ab" * 32,
    "media_types": ("application/zip", "image/*"),
    "unpack_folders": True,
    "upload_id": "01890000-0000-7000-8000-000000000002",
    "cookie_sha256": cookie_digest("c" * 43),
}
# web_app's field → services_app's field
SAME = {
    "grant": "jti",
    "subject": "sub",
    "issued_at": "iat",
    "start_by": "start_by",
    "expires": "exp",
    "collection": "collection",
    "max_size": "max_size",
    "max_uploads": "max_uploads",
    "max_unfinished": "max_unfinished",
    "max_staged": "max_staged",
    "quotas": "quotas",
    "length": "length",
    "sha256": "sha256",
    "media_types": "media_types",
    "unpack_folders": "unpack_folders",
    "upload_id": "upload_id",
    "cookie_sha256": "cookie_sha256",
}


def new_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": "Ed25519"}, auto_kid=True)


OLD, NEW = new_key(), new_key()


def signer(tmp_path, *keys) -> TokenSigner:
    path = tmp_path / "token-private.jwks"
    path.write_text(json.dumps(KeySet(list(keys)).as_dict(private=True)))
    return TokenSigner.from_file(path)


def verifier(tmp_path, *keys) -> TokenVerifier:
    path = tmp_path / "token-public.jwks"
    path.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))
    return TokenVerifier.from_file(path, ISSUER, AUDIENCE)


@pytest.mark.parametrize("said", [LEAST, MOST], ids=["least", "most"])
def test_what_web_app_says_is_what_services_app_understands_field_by_field(tmp_path, said):
    claims = UploadClaims(**said)
    found = verifier(tmp_path, NEW).verify(signer(tmp_path, NEW).sign(claims), NOW)
    for field, its in SAME.items():
        value = getattr(found, its)
        assert (str(value) if isinstance(value, uuid.UUID) else value) == getattr(claims, field), field
    assert found.nbf == claims.issued_at


NAMES = {
    "issuer": ISSUER,
    "audience": AUDIENCE,
    "issued_at": NOW,
    "subject": "u_42-A",
    "grants": ("01890000-0000-7000-8000-000000000001",),
    "uploads": ("01890000-0000-7000-8000-000000000002",),
    "cookie_sha256": cookie_digest("c" * 43),
    "collection": "mri-2026",
}


def names_verifier(tmp_path, *keys) -> TokenVerifier:
    verifier(tmp_path, *keys)
    path = tmp_path / "token-public.jwks"
    return TokenVerifier.from_file(path, ISSUER, AUDIENCE, their_names.MAX_LIFE, their_names.NamesClaims)


def test_a_names_token_says_to_services_app_what_web_app_says(tmp_path):
    claims = our_names.NamesClaims(**NAMES)
    token = signer(tmp_path, NEW).sign(claims)
    found = names_verifier(tmp_path, NEW).verify(token, NOW)
    for field in ("grants", "uploads"):
        assert tuple(map(str, getattr(found, field))) == getattr(claims, field)
    assert (found.sub, found.iat, found.exp, found.cookie_sha256) == (claims.subject, NOW, claims.expires, claims.cookie_sha256)
    assert found.collection == claims.collection
    assert claims.payload().keys() == their_names._CLAIMS | {"collection"}
    own = our_names.NamesClaims(**NAMES | {"collection": None})
    assert own.payload().keys() == their_names._CLAIMS
    assert names_verifier(tmp_path, NEW).verify(signer(tmp_path, NEW).sign(own), NOW).collection is None
    assert {field.name for field in dataclasses.fields(claims)} == NAMES.keys()


def test_neither_side_takes_one_kind_of_token_for_the_other(tmp_path):
    names, upload = (signer(tmp_path, NEW).sign(each) for each in (our_names.NamesClaims(**NAMES), UploadClaims(**LEAST)))
    for checked, token in ((verifier(tmp_path, NEW), names), (names_verifier(tmp_path, NEW), upload)):
        with pytest.raises(errors.TokenType):
            checked.verify(token, NOW)
    assert our_names.NamesClaims.TYPE == their_names.NamesClaims.TYPE != UploadClaims.TYPE == theirs.Claims.TYPE
    assert our_names.NamesClaims(**NAMES).payload()["aud"] == their_names.NamesClaims.audience(AUDIENCE) != AUDIENCE


def test_both_sides_bound_a_names_token_alike(tmp_path):
    assert our_names.MAX_IDS == their_names.MAX_IDS and our_names.LIFE <= their_names.MAX_LIFE
    ids = tuple(f"01890000-0000-7000-8000-{number:012}" for number in range(our_names.MAX_IDS + 1))
    most = our_names.NamesClaims(**NAMES | {"grants": (), "uploads": ids[:-1]})
    assert len(names_verifier(tmp_path, NEW).verify(signer(tmp_path, NEW).sign(most), NOW).uploads) == our_names.MAX_IDS
    bad = [{"uploads": ids, "grants": ()}, {"uploads": (), "grants": ()}, {"grants": ids[:1] * 2}]
    bad += [{"cookie_sha256": ""}, {"collection": "A"}]
    for wrong in bad:
        with pytest.raises(ClaimError):
            our_names.NamesClaims(**NAMES | wrong)


def test_no_field_of_either_side_is_left_out_of_this_comparison():
    assert {field.name for field in dataclasses.fields(UploadClaims)} == {*SAME, "issuer", "audience"}
    assert {field.name for field in dataclasses.fields(theirs.Claims)} == {*SAME.values(), "nbf"}


def test_both_sides_know_the_same_claims():
    assert UploadClaims(**MOST).payload().keys() == theirs._REQUIRED | theirs._OPTIONAL
    assert UploadClaims(**LEAST).payload().keys() == theirs._REQUIRED
    assert theirs._FORMS.keys() | {"iss", "aud"} == theirs._REQUIRED | theirs._OPTIONAL


def test_a_claim_that_only_web_app_knew_would_be_refused(tmp_path, monkeypatch):
    real = UploadClaims.payload
    monkeypatch.setattr(UploadClaims, "payload", lambda self: real(self) | {"priority": 1})
    with pytest.raises(errors.TokenClaims):
        verifier(tmp_path, NEW).verify(signer(tmp_path, NEW).sign(UploadClaims(**LEAST)), NOW)


@pytest.mark.parametrize("claim", sorted(UploadClaims(**LEAST).payload()))
def test_a_claim_that_web_app_forgot_would_be_refused(tmp_path, monkeypatch, claim):
    real = UploadClaims.payload
    monkeypatch.setattr(
        UploadClaims, "payload", lambda self: {name: value for name, value in real(self).items() if name != claim}
    )
    with pytest.raises(errors.TokenClaims):
        verifier(tmp_path, NEW).verify(signer(tmp_path, NEW).sign(UploadClaims(**LEAST)), NOW)


def test_the_newest_key_signs_and_any_listed_one_verifies(tmp_path):
    by_old, by_new = signer(tmp_path, OLD), signer(tmp_path, OLD, NEW)
    assert by_new.kid == NEW.thumbprint() == NEW.kid
    both = verifier(tmp_path, OLD, NEW)
    for one in (by_old, by_new):
        assert both.verify(one.sign(UploadClaims(**LEAST)), NOW)
    with pytest.raises(errors.TokenKeyUnknown):
        verifier(tmp_path, OLD).verify(by_new.sign(UploadClaims(**LEAST)), NOW)


def test_a_binding_that_web_app_puts_into_a_token_is_met_by_its_cookie_alone(tmp_path):
    cookie = secrets.token_urlsafe(32)  # as web_app makes them
    assert BINDING.fullmatch(cookie)
    claims = UploadClaims(**LEAST | {"cookie_sha256": cookie_digest(cookie)})
    found = verifier(tmp_path, NEW).verify(signer(tmp_path, NEW).sign(claims), NOW)
    check_binding(found, cookie)
    with pytest.raises(errors.TokenBinding):
        check_binding(found, secrets.token_urlsafe(32))


LONG_NAMES = {"issuer": ISSUER + "/i" * 30, "subject": "s" * 64, "collection": "c" * 63}


def test_a_token_with_every_claim_and_many_types_is_within_services_apps_limit(tmp_path):
    types = tuple(f"application/vnd.maker{number:02}.format" for number in range(48))
    token = signer(tmp_path, NEW).sign(UploadClaims(**MOST | LONG_NAMES | {"media_types": types}))
    verifier(tmp_path, NEW)
    checked = TokenVerifier.from_file(tmp_path / "token-public.jwks", LONG_NAMES["issuer"], AUDIENCE).verify(token, NOW)
    assert checked.media_types == types


def test_a_token_that_services_app_would_find_too_long_is_never_made(tmp_path):
    types = tuple(f"application/vnd.a-rather-long-name-of-a-format-{number:02}" for number in range(64))
    try:
        token = signer(tmp_path, NEW).sign(UploadClaims(**MOST | {"media_types": types}))
    except ClaimError:
        return
    assert len(token) <= MAX_LENGTH


def test_the_longest_life_that_web_app_gives_a_token_is_the_one_that_services_app_grants(tmp_path):
    assert ours.LONGEST_LIFE == MAX_LIFE
    at_most = UploadClaims(**LEAST | {"expires": NOW + ours.LONGEST_LIFE})
    assert verifier(tmp_path, NEW).verify(signer(tmp_path, NEW).sign(at_most), NOW).exp == at_most.expires
    for too_long in (1, 86400):
        with pytest.raises(ClaimError):
            UploadClaims(**LEAST | {"expires": NOW + ours.LONGEST_LIFE + too_long})


@pytest.mark.parametrize("make", [services_app_uuid7, web_app_uuid7], ids=["services_app", "web_app"])
def test_ids_of_either_side_are_uuid7_to_the_other(tmp_path, make):
    for _ in range(50):
        grant = make()
        claims = UploadClaims(**LEAST | {"grant": str(grant), "upload_id": str(grant)})
        found = verifier(tmp_path, NEW).verify(signer(tmp_path, NEW).sign(claims), NOW)
        assert found.jti == found.upload_id == grant


@pytest.mark.parametrize("make", [services_app_uuid7, web_app_uuid7], ids=["services_app", "web_app"])
def test_ids_of_either_side_sort_by_the_time_they_were_made(make, monkeypatch):
    ids = []
    for second in (1, 2, 3, 1000, 1_700_000_000, 4_000_000_000):
        monkeypatch.setattr(time, "time_ns", lambda second=second: second * 1_000_000_000)
        ids.append(str(make()))
    assert ids == sorted(ids) and len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("field", "pattern", "their_form"),
    [("subject", "SUBJECT", "sub"), ("collection", "COLLECTION", "collection"), ("sha256", "SHA256", "sha256")],
)
@pytest.mark.parametrize(
    "value",
    ["a", "A", "0", "-", "_", "a-b", "a_b", "a" * 63, "a" * 64, "a" * 65, "ab" * 32, "AB" * 32, "", "a b", "é", "a\n"],
)
def test_both_sides_draw_the_same_line(field, pattern, their_form, value):
    allowed_here = getattr(ours, pattern).fullmatch(value) is not None
    assert theirs._FORMS[their_form](value) is allowed_here, field


@pytest.mark.parametrize(
    "value", ["image/png", "image/*", "*/*", "image/", "/png", "IMAGE/png", "image/p*", "a/b;c=d", "a" * 64 + "/b", "a" * 65 + "/b",
              "a/" + "b" * 127, "a/" + "b" * 128, "application/vnd.x+zip", "image/png\n"]
)  # fmt: skip
def test_both_sides_draw_the_same_line_for_media_types(value):
    assert theirs._FORMS["media_types"]([value]) is (ours.MEDIA_TYPE.fullmatch(value) is not None)


def test_neither_side_imports_django_for_this():
    program = (
        "import sys, web_app.tokens.issue, web_app.receipts.verify, services_app.tokens.verify, services_app.receipts.issue\n"
        "print('django' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "False"
