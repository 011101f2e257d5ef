"""What may stand in the files at all. A directive that could park a body is refused wherever it turns up."""

import re
from pathlib import Path

import crossplane
import pytest

from tests.nginx.rig import TREE

FILES = sorted(TREE.rglob("*.conf"))

# What differs from place to place, and nothing that changes how requests are handled.
SITE_MAY_HOLD = {
    "upstream", "server", "zone", "keepalive", "keepalive_requests", "keepalive_timeout", "listen", "server_name", "include",
    "ssl_certificate", "ssl_certificate_key",
    "map", "default",  # the list of other origins: the example has none
    "proxy_ssl_certificate", "proxy_ssl_certificate_key", "proxy_ssl_trusted_certificate", "proxy_ssl_crl", "proxy_ssl_name",
}  # fmt: skip

# Directives that write bodies, keep responses, bring in files to serve, or run code.
NEVER = re.compile(
    r"proxy_set_body|mirror|mirror_request_body|proxy_store.*|proxy_cache.*|slice|client_body_in_file_only"
    r"|client_body_in_single_buffer|proxy_force_ranges|proxy_intercept_errors|post_action|debug_connection"
    r"|debug_points|working_directory|(fastcgi|uwsgi|scgi|grpc|memcached)_(pass|.*buffering|.*cache.*|.*store.*)"
    r"|dav_.*|create_full_put_path|autoindex|alias|root|index|try_files|js_.*|perl.*|load_module|lua.*|echo.*|more_.*"
    r"|image_filter.*|gzip.*|ssi.*|sub_filter.*|addition_.*|stub_status|resolver.*|stream|mail|user|http2.*|quic.*|satisfy"
)
# Variables that hold a body, a token or what a client may choose freely, kept out of logs and of files' names.
NEVER_MENTIONED = ("$request_body", "$request_body_file", "$document_root", "$realpath_root")
NEVER_LOGGED = (
    "$request ", '$request"', "$request_uri", "$uri", "$document_uri", "$args", "$query_string", "$is_args", "$arg_",
    "$http_", "$cookie_", "$upload_url_token", "$upload_bearer_token", "$upload_authorization", "$upload_binding",
)  # fmt: skip

AT_HTTP_LEVEL = {
    "proxy_request_buffering": ["off"],
    "proxy_pass_request_body": ["on"],
    "proxy_http_version": ["1.1"],
    "proxy_pass_request_headers": ["off"],
    "proxy_max_temp_file_size": ["0"],
    "server_tokens": ["off"],
    "client_body_temp_path": ["conf/no-spill"],
    "proxy_temp_path": ["conf/no-spill"],
    "fastcgi_temp_path": ["conf/no-spill"],
    "uwsgi_temp_path": ["conf/no-spill"],
    "scgi_temp_path": ["conf/no-spill"],
    "proxy_ssl_verify": ["on"],
    "proxy_ssl_protocols": ["TLSv1.3"],
    "proxy_ssl_server_name": ["on"],
}
# The question that is asked about an upload, which never has a body; and small bodies (ADR 0024), in these places alone.
EXCEPTIONS = [("proxy_pass_request_body", "conf.d/authorize.conf"), ("proxy_request_buffering", "snippets/collected.conf")]
COLLECTED = {
    ("conf.d/web.conf", "location /api/"),
    ("conf.d/web.conf", "location /"),
    ("conf.d/uploads.conf", "location /.check/"),
}
# A body of chunks is collected as it came: at worst `1\r\nx\r\n` for each byte.
FRAMING = 6


def directives(path: Path):
    """(directive, arguments, line, heads of the blocks around it) of one file; includes are not followed."""
    parsed = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False, strict=False)
    assert parsed["status"] == "ok", parsed["errors"]

    def walk(block, around):
        for entry in block:
            yield entry["directive"], entry["args"], entry["line"], around
            if entry["directive"] not in ("map", "types"):
                name = " ".join([entry["directive"], *entry["args"]])
                yield from walk(entry.get("block", []), (*around, name))

    yield from walk(parsed["config"][0]["parsed"], ())


@pytest.fixture(scope="module")
def everything():
    return [(path.relative_to(TREE).as_posix(), *entry) for path in FILES for entry in directives(path)]


def test_nothing_that_could_keep_or_copy_a_body_is_used_anywhere(everything):
    assert [(name, line, directive) for name, directive, _, line, _ in everything if NEVER.fullmatch(directive)] == []


def test_a_method_is_changed_only_to_the_one_that_was_routed(everything):
    found = {(name, around, *args) for name, directive, args, _, around in everything if directive == "proxy_method"}
    places = ("location /.body/", "location /.control/")
    assert found == {("conf.d/uploads.conf", (place,), "$upload_method") for place in places}


def test_what_makes_nginx_stream_and_fail_closed_is_set_once_at_http_level(everything):
    for directive, wanted in AT_HTTP_LEVEL.items():
        found = [(name, args, around) for name, found, args, _, around in everything if found == directive]
        found = [entry for entry in found if (directive, entry[0]) not in EXCEPTIONS]
        assert [(args, around) for _, args, around in found] == [(wanted, ())], f"{directive}: {found}"
        assert found[0][0].startswith("snippets/"), "included at http level by nginx.conf"


def test_small_bodies_are_collected_and_no_others(everything):
    """Every location that passes requests on either streams the file, or carries no body, or collects it."""
    included = {(name, around[-1]) for name, _, args, _, around in everything if args == ["snippets/collected.conf"]}
    assert included == COLLECTED
    (switched,) = [
        (name, around, args) for name, directive, args, _, around in everything if (directive, args) == ("proxy_request_buffering", ["on"])
    ]
    assert switched == ("snippets/collected.conf", (), ["on"])
    passing = {(name, around[-1]) for name, directive, _, _, around in everything if directive == "proxy_pass"}
    others = {("conf.d/uploads.conf", "location /.body/"), ("conf.d/uploads.conf", "location /.control/")}
    assert passing == COLLECTED | others | {("conf.d/authorize.conf", "location = /.authorize")}


def test_every_limit_counts_clients_and_none_counts_single_addresses_of_ipv6(everything):
    zones = {args[0] for _, directive, args, _, _ in everything if directive in ("limit_req_zone", "limit_conn_zone")}
    assert zones == {"$client", "$login_client"}
    for path in FILES:
        if "$binary_remote_addr" in path.read_text():
            assert path.relative_to(TREE).as_posix() == "maps/client.conf"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TREE).as_posix())
def test_a_file_is_short_enough_to_be_read(path):
    assert len(path.read_text().splitlines()) < 60


def test_every_file_is_used_and_included_by_its_name(everything):
    included = {args[0] for _, directive, args, _, _ in everything if directive == "include"}
    assert "*" not in "".join(included), "a glob would run a file that nobody reviewed"
    files = {path.relative_to(TREE).as_posix() for path in FILES}
    assert files - included == {"nginx.conf", "site.example.conf"}
    assert included - files == {"site.conf"}


def test_response_headers_are_added_in_one_file_and_on_every_answer(everything):
    found = [(name, args, around) for name, directive, args, _, around in everything if directive == "add_header"]
    assert {name for name, _, _ in found} == {"snippets/response-headers.conf"}
    assert all(args[-1] == "always" and around == () for _, args, around in found)


def test_a_snippet_with_proxy_set_header_goes_into_locations_alone(everything):
    """One proxy_set_header in a location drops all inherited ones, so that none may be inherited."""
    for name, directive, args, _, around in everything:
        if directive == "include" and args[0].startswith("snippets/to-") and not name.startswith("snippets/to-"):
            assert "".join(around).startswith("location"), f"{name} includes {args[0]} outside a location"


def test_if_does_nothing_but_return(everything):
    inside = {directive for _, directive, _, _, around in everything if any(head.startswith("if ") for head in around)}
    assert inside == {"return"}


def test_error_log_is_never_debug_and_silent_about_every_request(everything):
    """nginx prints the request line, whatever is wrong: so the one line for all requests stands at http level, and no other does."""
    levels = [(name, args[-1], around) for name, directive, args, _, around in everything if directive == "error_log"]
    assert sorted(levels) == [("nginx.conf", "warn", ()), ("snippets/quiet-errors.conf", "emerg", ())]
    included = [(name, around) for name, _, args, _, around in everything if args == ["snippets/quiet-errors.conf"]]
    assert included == [("nginx.conf", ("http",))]
    quieter = {directive for _, directive, *_ in everything if directive.endswith("_log_level") or directive == "log_not_found"}
    assert quieter == set(), "they would only move a line from one level to another"


def test_no_log_holds_what_a_client_may_write_into_a_url_or_header(everything):
    formats = [(name, " ".join(args)) for name, directive, args, _, _ in everything if directive == "log_format"]
    assert [name for name, _ in formats] == ["snippets/access-log.conf"]
    assert [word for word in NEVER_LOGGED if word in formats[0][1]] == []
    access_logs = [args for _, directive, args, _, _ in everything if directive == "access_log"]
    assert access_logs == [["logs/access.json", "sluice"]]


def test_no_variable_that_holds_a_body_is_mentioned():
    for path in FILES:
        assert [word for word in NEVER_MENTIONED if word in path.read_text().replace("(!) No $request", "")] == []


def test_a_buffer_is_larger_than_the_limit_that_it_serves_and_than_any_honest_framing_of_it(everything):
    """With equal sizes a chunked body reaches for the disk. Where none of these stands, those of unbuffered.conf hold."""
    sizes = {}
    for name, directive, args, _, around in everything:
        if directive in ("client_max_body_size", "client_body_buffer_size"):
            sizes.setdefault((name, around), {})[directive] = args[0]
    bounded = {place: found for place, found in sizes.items() if found.get("client_max_body_size") != "0"}
    refusing = next(place for place in bounded if place[0] == "conf.d/problems.conf")
    assert bounded.pop(refusing) == {"client_max_body_size": "1"}, "no body is read there, it is dropped"
    assert bounded.keys() == {("snippets/unbuffered.conf", ()), ("conf.d/uploads.conf", ("location /.check/",))}
    for found in bounded.values():
        assert _bytes(found["client_body_buffer_size"]) > FRAMING * _bytes(found["client_max_body_size"])


def test_the_site_file_holds_only_what_differs_from_place_to_place(everything):
    found = {
        directive
        for name, directive, _, _, around in everything
        if name == "site.example.conf" and not (around == ("upstream",) and directive == "server")
    }
    assert found <= SITE_MAY_HOLD, found - SITE_MAY_HOLD


def test_no_connection_to_the_uploads_listener_is_kept(everything):
    """nginx 1.29.7 and later keep connections unless the header says otherwise; a dead one is a 502 for a body."""
    body = [(directive, *args) for _, directive, args, _, around in everything if around == ("location /.body/",)]
    assert ("proxy_set_header", "Connection", "close") in body
    site = [
        (directive, *args)
        for name, directive, args, _, around in everything
        if around == ("upstream services_uploads",)
    ]
    assert ("keepalive_requests", "1") in site
    assert "keepalive" not in {directive for directive, *_ in site}


def _bytes(size: str) -> int:
    return int(size[:-1]) * {"k": 1 << 10, "m": 1 << 20}[size[-1]] if size[-1] in "km" else int(size)
