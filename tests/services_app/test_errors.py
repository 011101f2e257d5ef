"""The table of problems: in the code, in the documentation and in the modules' own trees it is one and the same."""

import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from services_app.ledger import record
from services_app.store import errors as store_errors
from services_app.tokens import errors as token_errors
from services_app.uploads import errors
from services_app.uploads.models import Grant, Upload
from services_app.uploads.wire.answers import problem_response
from services_app.uploads.wire.middleware import as_problem

DOCS = Path(__file__).resolve().parents[2] / "docs"
IANA = "https://iana.org/assignments/http-problem-types#"
DRAFTS_TYPES = {  # draft-ietf-httpbis-resumable-upload, draft-ietf-httpapi-digest-fields-problem-types
    "checksum_unsupported": IANA + "digest-unsupported-algorithms",
    "digest_invalid": IANA + "digest-invalid-values",
    "digest_differs": IANA + "digest-mismatched-values",
    "checksum_differs": IANA + "digest-mismatched-values",
    "wrong_offset": IANA + "mismatching-upload-offset",
    "inconsistent_length": IANA + "inconsistent-upload-length",
}
TREE_LINE = re.compile(r"^[├└]── (\w+)\s*(.*)$", re.MULTILINE)


def problems():
    return [cls for cls in errors.Problem.__subclasses__() if cls is not errors.Unauthorised]


def test_the_documented_table_is_the_table_in_the_code():
    text = (DOCS / "upload-api.md").read_text().split("## Problem codes")[1]
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a code stands twice"
    assert {code: int(status) for code, status in rows} == errors.table()


@pytest.mark.parametrize(
    ("module", "base"),
    [
        (errors, errors.Problem),
        (token_errors, token_errors.TokenRefused),
        (store_errors, store_errors.StoreError),
    ],
    ids=["uploads", "tokens", "store"],
)
def test_the_tree_in_the_docstring_names_every_class_and_no_other(module, base):
    named = [name for name, _ in TREE_LINE.findall(module.__doc__)]
    here = [name for name, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]
    assert len(named) == len(set(named))
    assert {*named, base.__name__} == set(here)
    assert module.__doc__.split("\n\n", 1)[1].lstrip().startswith(base.__name__)


def test_the_tree_of_problems_tells_each_ones_status_and_code():
    for name, rest in TREE_LINE.findall(errors.__doc__):
        cls = getattr(errors, name)
        if cls is not errors.Unauthorised:
            status, code = rest.split()[:2]
            assert (int(status), code) == (cls.status, cls.code)


def test_the_tree_of_token_refusals_tells_each_ones_code():
    for name, rest in TREE_LINE.findall(token_errors.__doc__):
        assert getattr(token_errors, name).code == rest.strip()


def test_no_two_causes_share_a_code():
    codes = [cls.code for cls in (*problems(), *token_errors.TokenRefused.__subclasses__())]
    assert len(codes) == len(set(codes))


def test_every_problem_has_the_members_of_rfc_9457():
    for cls in problems():
        document = cls().document()
        assert document.keys() == {"type", "title", "status", "detail", "code"} and all(document.values())
        assert document["type"] == DRAFTS_TYPES.get(cls.code, f"urn:problem-type:sluice:{cls.code}")


def test_the_same_cause_put_in_other_words_keeps_its_code_and_type():
    for cls in problems():
        for variant in cls.__subclasses__():
            assert (variant.code, variant.type) == (cls.code, cls.type)
            assert variant().document().keys() >= {"type", "title", "status", "detail", "code"}


def test_a_wrong_offset_names_both_as_the_draft_says():
    document = errors.WrongOffset(5, 7).document()
    assert (document["expected-offset"], document["provided-offset"]) == (5, 7)


@pytest.mark.parametrize("refusal", token_errors.TokenRefused.__subclasses__())
def test_every_token_refusal_is_a_401_with_its_own_code(refusal):
    problem = as_problem(refusal())
    assert (problem.status, problem.code, problem.title) == (401, refusal.code, refusal.title)
    assert problem.document()["detail"]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (store_errors.StoreFull, "no_space"),
        (store_errors.CollectionUnknown, "collection_unknown"),
        (store_errors.StoreUnavailable, "store_unavailable"),
        (store_errors.StoreUncertain, "store_unavailable"),
        (store_errors.ObjectExists, "store_unavailable"),
        (store_errors.ObjectUnknown, "store_unavailable"),
    ],
)
def test_every_store_error_has_a_problem(refusal, code):
    assert as_problem(refusal()).code == code


def test_what_is_not_foreseen_is_an_internal_error():
    assert as_problem(RuntimeError("canary")).code == "internal_error"
    assert "canary" not in str(as_problem(RuntimeError("canary")).document())


def test_what_a_retry_cures_says_when():
    waits = {cls.code for cls in problems() if cls.retry_after is not None}
    assert waits == {cls.code for cls in problems() if int(cls.status) in (423, 429, 503)}


@pytest.mark.parametrize("code", sorted(errors.table()))
def test_every_code_can_be_stored_and_told_later(code):
    told = errors.describe(code)
    assert told["code"] == code and told["status"] == errors.table()[code] and told["title"]
    for model, field in ((Grant, "last_refusal"), (Upload, "problem")):
        assert len(code) <= model._meta.get_field(field).max_length


def test_no_code_tells_of_no_problem():
    assert errors.describe("") is None and errors.describe("no_such_code") is None


def test_every_event_of_the_ledger_fits_into_its_column():
    from services_app.ledger.models import Entry

    assert max(map(len, record.EVENTS)) <= Entry._meta.get_field("event").max_length


@pytest.mark.parametrize("problem", [errors.TooSlow, errors.DeadlinePassed, errors.SlowDown])
@pytest.mark.parametrize("method", ["PATCH", "POST", "HEAD"])
def test_a_tus_client_is_told_423_where_it_would_give_up(problem, method):
    others, tus = (
        problem_response(problem(), SimpleNamespace(method=method, META=meta, body_reader=None, person=""))
        for meta in ({}, {"HTTP_TUS_RESUMABLE": "1.0.0"})
    )
    assert (others.status_code, json.loads(others.content)) == (problem.status, problem().document())
    assert (tus.status_code, json.loads(tus.content)) == (423, {**problem().document(), "status": 423})
    assert int(tus["Retry-After"]) > 0


def test_what_does_not_pass_keeps_its_status_for_a_tus_client_as_well():
    request = SimpleNamespace(method="PATCH", META={"HTTP_TUS_RESUMABLE": "1.0.0"}, body_reader=None, person="")
    assert problem_response(errors.TooLarge(), request).status_code == 413
    assert problem_response(errors.StoreUnavailable(), request).status_code == 503
