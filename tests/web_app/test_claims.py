"""web_app.tokens: no token is made that docs/token-format.md forbids."""

import json

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OKPKey

from web_app.tokens.claims import ClaimError, Quota, UploadClaims, cookie_digest
from web_app.tokens.issue import KeyFileUnusable, TokenSigner

GOOD = {
    "issuer": "https://web.example",
    "audience": "https://services.example",
    "issued_at": 1_000,
    "grant": "019ab0c0-0000-7000-8000-000000000001",
    "subject": "abc_-9",
    "start_by": 1_900,
    "expires": 87_400,
    "collection": "mri-2026",
    "max_size": 1000,
}


@pytest.mark.parametrize(
    ("claim", "differing"),
    [
        ("iss", {"issuer": ""}),
        ("aud", {"audience": ""}),
        ("jti", {"grant": "019ab0c0-0000-4000-8000-000000000001"}),
        ("jti", {"grant": "019AB0C0-0000-7000-8000-000000000001"}),
        ("sub", {"subject": "jane@site.example"}),
        ("sub", {"subject": "a" * 65}),
        ("sub", {"subject": "ok\n"}),
        ("start_by", {"start_by": 1_000}),
        ("start_by", {"start_by": 87_401}),
        ("collection", {"collection": "../etc"}),
        ("collection", {"collection": "MRI"}),
        ("collection", {"collection": "a" * 64}),
        ("collection", {"collection": "mri\n"}),
        ("max_size", {"max_size": 0}),
        ("max_uploads", {"max_uploads": 0}),
        ("max_uploads", {"max_uploads": 10_001}),
        ("max_unfinished", {"max_unfinished": 0}),
        ("max_staged", {"max_staged": 0}),
        ("quotas", {"quotas": (Quota("person", "bytes", 0),)}),
        ("length", {"length": -1}),
        ("length", {"length": 1001}),
        ("sha256", {"sha256": "AB" * 32}),
        ("media_types", {"media_types": ("zip",)}),
        ("media_types", {"media_types": ("*/*",)}),
        ("media_types", {"media_types": ("a/b",) * 65}),
        ("upload_id", {"upload_id": "1"}),
        ("cnf", {"cookie_sha256": "short"}),
    ],
)
def test_claim_that_services_would_refuse_is_never_signed(claim, differing):
    with pytest.raises(ClaimError) as caught:
        UploadClaims(**{**GOOD, **differing})
    assert caught.value.claim == claim


def test_claims_cannot_be_changed_afterwards():
    with pytest.raises(AttributeError):
        UploadClaims(**GOOD).max_size = 1


def test_optional_claims_that_say_nothing_are_left_out():
    assert set(UploadClaims(**GOOD).payload()) == {
        "iss", "aud", "iat", "nbf", "jti", "sub", "start_by", "exp", "collection", "max_size", "max_uploads",
    }  # fmt: skip


def test_all_optional_claims_are_spelled_as_documented():
    payload = UploadClaims(
        **GOOD,
        length=0,
        sha256="ab" * 32,
        media_types=("image/*",),
        upload_id=GOOD["grant"],
        cookie_sha256=cookie_digest("x" * 43),
    ).payload()
    assert payload["length"] == 0
    assert payload["sha256"] == "ab" * 32
    assert payload["media_types"] == ["image/*"]
    assert payload["upload_id"] == GOOD["grant"]
    assert payload["cnf"] == {"cookie_sha256": cookie_digest("x" * 43)}


def test_cookie_digest_is_base64url_without_padding():
    # printf test | openssl dgst -sha256 -binary | basenc --base64url | tr -d =
    assert cookie_digest("test") == "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"


def key_file(tmp_path, keys, private=True):
    path = tmp_path / "keys.jwks"
    path.write_text(json.dumps(KeySet(keys).as_dict(private=private)))
    return path


def test_newest_key_signs_and_the_header_says_so(tmp_path):
    old, new = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
    token = TokenSigner.from_file(key_file(tmp_path, [old, new])).sign(UploadClaims(**GOOD))
    signed = jws.deserialize_compact(token, new, algorithms=["Ed25519"])
    assert signed.headers() == {"alg": "Ed25519", "typ": "upload+jwt", "kid": new.thumbprint()}
    assert json.loads(signed.payload) == UploadClaims(**GOOD).payload()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no JWK Set"),
        ("[]", "no JWK Set"),
        ('{"keys": {}}', "no key"),
        ('{"keys": []}', "no key"),
        ('{"keys": [1]}', "no Ed25519 key"),
        ('{"keys": [{"kty": "OKP", "crv": "Ed25519"}]}', "damaged"),
        ('{"keys": [{"kty": "OKP", "crv": "X25519", "x": "AA", "d": "AA"}]}', "no Ed25519 key"),
        pytest.param(json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=True)]}), "no Ed25519 key", id="P-256"),
        pytest.param(json.dumps({"keys": [OKPKey.generate_key("Ed25519").as_dict(private=False)]}), "public only", id="public only"),
        pytest.param(json.dumps({"keys": [{**OKPKey.generate_key("Ed25519").as_dict(private=True), "kid": "1"}]}), "thumbprint", id="kid"),
        pytest.param(json.dumps({"keys": [{**OKPKey.generate_key("Ed25519").as_dict(private=True), "alg": "EdDSA"}]}), "purpose", id="alg"),
    ],
)
def test_file_that_cannot_sign_is_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "keys.jwks"
    path.write_text(content)
    with pytest.raises(KeyFileUnusable, match=reason):
        TokenSigner.from_file(path)


def test_bad_older_key_is_noticed_before_the_next_rotation(tmp_path):
    old, new = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
    path = tmp_path / "keys.jwks"
    path.write_text(json.dumps({"keys": [old.as_dict(private=False), new.as_dict(private=True)]}))
    with pytest.raises(KeyFileUnusable, match="public only"):
        TokenSigner.from_file(path)


def test_missing_key_file_is_named_without_its_path(tmp_path):
    with pytest.raises(KeyFileUnusable) as caught:
        TokenSigner.from_file(tmp_path / "absent.jwks")
    assert str(caught.value) == "it cannot be read (FileNotFoundError)"
