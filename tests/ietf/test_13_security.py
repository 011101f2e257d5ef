"""Section 13 Security Considerations, as far as it binds a server."""

import time

from tests.ietf.speaker import Speaker
from tests.tokens import mint, uuid7


def test_only_who_holds_the_token_reaches_the_upload(begun):
    own = begun.location.rsplit("/", 1)[1]
    for target in (f"/u/{own}", f"/u/a.b.c/{own}"):
        assert begun.send("HEAD", target).status == 401


def test_the_location_leaks_nothing_of_the_inside(client):
    location = client.create(b"hello", content_disposition='inline; filename="secret.txt"').headers["Location"]
    assert "secret" not in location
    assert location.count("/") == 5  # https://host/u/token/id


def test_a_name_that_points_elsewhere_is_made_harmless(stack, client):
    client.create(b"hello", complete="?1", content_disposition="inline; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd")
    stored = stack.stored(client.location.rsplit("/", 1)[1])
    assert stored.parent.name == client.location.rsplit("/", 1)[1]
    assert "/" not in stored.name


def test_what_is_allowed_is_asked_again_when_the_upload_is_finished(stack):
    jti, now = str(uuid7()), int(time.time())
    client = Speaker(stack, mint(stack, jti=jti))
    client.create(b"hello")
    late = Speaker(stack, mint(stack, jti=jti, iat=now - 9000, nbf=now - 9000, start_by=now - 8000, exp=now - 3600))
    late.location = client.location.replace(client.home, late.home)
    reply = late.append(5, complete="?1")
    assert reply.status == 401
    assert client.ask().headers["Upload-Complete"] == "?0"


def test_the_type_of_the_whole_is_judged_however_it_is_cut(speak):
    client = speak(media_types=["text/plain"])
    client.create(b"MZ")
    client.append(2, b"\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00")
    assert client.append(16, b"\x00" * 600, complete="?1").status == 415
    assert client.ask().status == 410


def test_a_grant_cannot_hold_more_uploads_open_than_it_allows(speak):
    client = speak(max_uploads=2)
    first, _, _ = (client.create(b"a").headers["Location"] for _ in range(3))
    client.location = first.removeprefix(f"https://localhost:{client.port}")
    assert client.ask().status == 410
