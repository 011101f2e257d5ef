"""Towards the services tier: who it must be, which connections are kept, what is tried again."""

import ssl

import pytest

from dev.pki import Authority
from tests.nginx.rig import TOKEN, Rig, services_context


def context_with(pki, certificate, key) -> ssl.SSLContext:
    context = services_context(pki)
    context.load_cert_chain(certificate, key)
    return context


def wrong_name(pki, _folder):
    return context_with(pki, *pki.inside.issue("other", "other.sluice.internal", server=True))


def wrong_authority(pki, folder):
    other = Authority(folder / "other", "another inside CA")
    return context_with(pki, *other.issue("services", "services.sluice.internal", server=True))


def not_a_server(pki, _folder):
    return context_with(pki, pki.nginx_cert, pki.nginx_key)


def old_tls(pki, _folder):
    context = services_context(pki)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@pytest.mark.parametrize("impostor", [wrong_name, wrong_authority, not_a_server, old_tls])
def test_nothing_is_sent_to_a_services_tier_that_cannot_prove_its_name(binary, pki, tmp_path, impostor):
    with Rig(tmp_path / "rig", binary, pki, context=impostor(pki, tmp_path)) as rig:
        answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"12345")
        assert (answer.status, answer.code(), answer.header("Retry-After")) == (503, "draining", "5")
        assert rig.uploads.requests == rig.control.requests == []


def test_nginx_shows_its_own_certificate(rig):
    """The upstreams of this rig refuse a handshake without one of the inside authority."""
    assert rig.uploads.context.verify_mode == ssl.CERT_REQUIRED
    assert rig.ask("PUT", f"/u/{TOKEN}", body=b"12345").status == 200


def test_each_body_has_a_connection_of_its_own_that_resumes_the_tls_session(rig):
    rig.uploads.insist_on_keeping = True
    before = rig.uploads.connections
    for _ in range(8):
        assert rig.ask("PUT", f"/u/{TOKEN}", body=b"12345").status == 200
    assert rig.uploads.connections - before == 8
    # Each worker makes its first handshake in full.
    assert sum(seen.resumed for seen in rig.uploads.requests) >= 8 - len(rig.workers())


def test_questions_share_kept_connections(rig):
    before = rig.control.connections
    for _ in range(20):
        assert rig.ask("GET", f"/u/{TOKEN}").status == 200
    assert rig.control.connections - before <= 2 * len(rig.workers())


def test_a_kept_connection_that_died_is_replaced_without_the_client_noticing(rig):
    for _ in range(8):
        assert rig.ask("GET", f"/u/{TOKEN}").status == 200
    dead = {seen.connection for seen in rig.control.requests}

    def die(answer):
        return lambda seen: (None, {}, b"") if seen.connection in dead else answer

    rig.control.answers["/authorize"] = die((204, {}, b""))
    rig.control.answers["/u"] = die((200, {}, b"alive"))
    for _ in range(8):
        answer = rig.ask("GET", f"/u/{TOKEN}")
        assert (answer.status, answer.body) == (200, b"alive")


def test_a_listener_that_dies_with_each_question_is_told_as_away_and_not_as_a_fault(rig):
    """It is asked a second time where a kept connection died, so two statuses are noted of one question."""
    assert rig.ask("GET", f"/u/{TOKEN}").status == 200
    rig.control.answers["/authorize"] = (None, {}, b"")
    for method, body in (("PUT", b"12345"), ("GET", b"")) * 4:
        answer = rig.ask(method, f"/u/{TOKEN}", body=body)
        assert (answer.status, answer.code(), answer.header("Retry-After")) == (503, "draining", "5")


def test_a_body_is_sent_once_whatever_happens(rig):
    rig.uploads.answers["/u"] = (None, {}, b"")
    answer = rig.ask("PUT", f"/u/{TOKEN}", body=b"x" * 100_000)
    assert (answer.status, answer.code(), answer.header("Retry-After")) == (503, "draining", "5")
    assert len(rig.uploads.requests) == 1


def test_while_the_services_tier_is_away_the_answer_is_to_try_again(binary, pki, tmp_path):
    with Rig(tmp_path / "rig", binary, pki) as rig:
        rig.uploads.close()
        assert rig.ask("PUT", f"/u/{TOKEN}", body=b"12345").code() == "draining"
        rig.control.close()
        for method, body in (("PUT", b"12345"), ("GET", b"")):
            answer = rig.ask(method, f"/u/{TOKEN}", body=body)
            assert (answer.status, answer.code(), answer.header("Retry-After")) == (503, "draining", "5")


def test_while_web_app_is_away_people_see_words_and_programs_a_problem(binary, pki, tmp_path):
    with Rig(tmp_path / "rig", binary, pki) as rig:
        rig.web.close()
        page, program = rig.ask("GET", "/"), rig.ask("GET", "/api/v1/uploads")
        assert (page.status, page.header("Retry-After")) == (503, "5")
        assert page.header("Content-Type") == "text/html; charset=utf-8" and b"<h1>" in page.body
        assert (program.status, program.code()) == (503, "draining")
        assert rig.ask("PUT", f"/u/{TOKEN}", body=b"12345").status == 200, "uploads go on"
