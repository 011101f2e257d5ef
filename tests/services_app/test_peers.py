"""Who may call what: the client certificate names the program, the key opens the internal API, both are needed."""

import pytest

from tests.services_app.making import (
    COLLECTION,
    INTERNAL_KEY,
    NGINX,
    WEB_APP,
    Connection,
    PlainConnection,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]

NOBODYS = "01890000-0000-7000-8000-00000000000f"
FROM_NGINX = [
    ("GET", "/authorize"),
    ("GET", "/u"),
    ("HEAD", "/u"),
    ("OPTIONS", "/u"),
    ("POST", "/u/check"),
    ("GET", f"/u/{NOBODYS}"),
    ("OPTIONS", f"/u/{NOBODYS}"),
]
INTERNAL = [
    ("GET", f"/internal/v1/grants/{NOBODYS}"),
    ("GET", f"/internal/v1/collections/{COLLECTION}/objects"),
    ("GET", f"/internal/v1/objects/{NOBODYS}"),
    ("HEAD", f"/internal/v1/objects/{NOBODYS}"),
    ("DELETE", f"/internal/v1/objects/{NOBODYS}"),
]
WRONG_PEERS = {
    "no certificate": Connection(certificate=False),
    "a certificate without names": Connection(),
    "another name": Connection("other.test.internal"),
    "a name below ours": Connection(f"x.{NGINX}", f"x.{WEB_APP}"),
    "ours with a suffix": Connection(f"{NGINX}.evil.example", f"{WEB_APP}.evil.example"),
    "a wildcard": Connection("*.test.internal"),
    "ours, but as an e-mail address or URI": Connection(other=(("email", NGINX), ("URI", WEB_APP))),
    "a connection without TLS": PlainConnection(),
}
for_every_wrong_peer = pytest.mark.parametrize("peer", WRONG_PEERS.values(), ids=WRONG_PEERS)


def is_forbidden(answer):
    return answer.status_code == 403 and answer["Content-Type"] == "application/problem+json" and (
        answer.request["REQUEST_METHOD"] == "HEAD" or answer.json()["code"] == "peer_forbidden"
    )  # fmt: skip


@for_every_wrong_peer
@pytest.mark.parametrize(("method", "path"), FROM_NGINX)
def test_the_upload_resource_is_for_nginxs_certificate_alone(control, grant_token, peer, method, path):
    assert is_forbidden(control(method, path, token=grant_token(), peer=peer))


@for_every_wrong_peer
def test_bodies_are_for_nginxs_certificate_alone(uploads, grant_token, peer, nas):
    assert is_forbidden(uploads("PUT", "/u", token=grant_token(), body=b"abc", peer=peer))
    assert list((nas / "staging").iterdir()) == []


@for_every_wrong_peer
@pytest.mark.parametrize(("method", "path"), INTERNAL)
def test_the_internal_api_is_for_web_apps_certificate_alone(control, peer, method, path):
    assert is_forbidden(control(method, path, token=INTERNAL_KEY, peer=peer))


@pytest.mark.parametrize(("method", "path"), FROM_NGINX)
def test_web_apps_certificate_does_not_open_the_upload_resource(control, grant_token, method, path):
    assert is_forbidden(control(method, path, token=grant_token(), peer=Connection(WEB_APP)))


def test_web_apps_certificate_sends_no_bodies(uploads, grant_token):
    assert is_forbidden(uploads("PUT", "/u", token=grant_token(), body=b"abc", peer=Connection(WEB_APP)))


@pytest.mark.parametrize(("method", "path"), INTERNAL)
def test_nginxs_certificate_does_not_open_the_internal_api_even_with_the_key(control, method, path):
    assert is_forbidden(control(method, path, token=INTERNAL_KEY, peer=Connection(NGINX)))


@pytest.mark.parametrize("key", [None, "", "x" * 43, INTERNAL_KEY[:-1], INTERNAL_KEY + "k", INTERNAL_KEY.upper(), "é"])
@pytest.mark.parametrize(("method", "path"), INTERNAL)
def test_without_the_right_key_the_internal_api_stays_shut(control, method, path, key):
    assert is_forbidden(control(method, path, token=key, peer=Connection(WEB_APP)))


@pytest.mark.parametrize("scheme", ["Basic", "bearer", "Token", ""])
def test_the_key_is_a_bearer_key(control, scheme):
    answer = control(*INTERNAL[1], peer=Connection(WEB_APP), HTTP_AUTHORIZATION=f"{scheme} {INTERNAL_KEY}")
    assert is_forbidden(answer)


def test_no_key_configured_opens_nothing(control, settings):
    settings.INTERNAL_API_KEYS = []
    for key in ("", None, INTERNAL_KEY):
        assert is_forbidden(control(*INTERNAL[1], token=key, peer=Connection(WEB_APP)))


def test_both_opens(control):
    assert control(*INTERNAL[1], token=INTERNAL_KEY, peer=Connection(WEB_APP)).status_code == 200


def test_during_rotation_both_keys_open_and_afterwards_the_new_one_alone(control, settings):
    old, new = "o" * 43, "n" * 43
    for keys, opens in (([old], {old}), ([old, new], {old, new}), ([new], {new})):
        settings.INTERNAL_API_KEYS = keys
        for key in (old, new):
            answer = control(*INTERNAL[1], token=key, peer=Connection(WEB_APP))
            assert (answer.status_code == 200) == (key in opens)


def test_every_key_is_compared_in_constant_time(control, settings, monkeypatch):
    import hmac

    from services_app.uploads.wire import callers

    settings.INTERNAL_API_KEYS = ["a" * 43, "b" * 43]
    compared = []
    monkeypatch.setattr(
        callers.hmac,
        "compare_digest",
        lambda given, key, real=hmac.compare_digest: compared.append(key) or real(given, key),
    )
    control(*INTERNAL[1], token="a" * 43, peer=Connection(WEB_APP))
    assert compared == [b"a" * 43, b"b" * 43]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_name_beyond_the_handshake(control, path):
    assert control("GET", path, peer=Connection()).status_code == 200


@pytest.mark.parametrize("path", ["/authorize", "/u/check", "/healthz", f"/internal/v1/grants/{NOBODYS}"])
def test_the_uploads_listener_serves_bodies_and_nothing_else(uploads, path):
    answer = uploads("GET", path, token=INTERNAL_KEY, peer=Connection(WEB_APP, NGINX))
    assert answer.status_code == 404 and answer.json()["code"] == "not_found"


def test_the_control_listener_takes_no_body(control, grant_token, nas):
    answer = control("PUT", "/u", token=grant_token(), body=b"abc")
    assert answer.status_code == 405 and list((nas / "staging").iterdir()) == []
