"""What web_app holds its receipts against: `GET /internal/v1/ledger?seq=…`, `ledger/continuations?after=…`, `ledger/checkpoint`."""

from django.http import JsonResponse

from services_app.ledger.models import Entry
from services_app.ledger.record import CONTINUED
from services_app.proof import checkpoints
from services_app.store.current import current_store
from services_app.uploads import errors
from services_app.uploads.wire.callers import from_web_app

AT_ONCE = 100  # numbers in one request, whose line gunicorn bounds (limit_request_line)
CONTINUATIONS = 10  # in one answer, of some 50 KiB each at most


@from_web_app
def entries(request):
    """The hashes of the entries that `seq` names, of those that are here; and the head, null before the first one."""
    seqs = [_number(text) for text in _asked(request, "seq").getlist("seq")]
    if len(seqs) > AT_ONCE:
        raise errors.RequestMalformed
    head = Entry.objects.order_by("-seq").values("seq", "hash").first()
    found = Entry.objects.filter(seq__in=seqs).values_list("seq", "hash")
    return JsonResponse({"head": head, "entries": {str(seq): digest for seq, digest in found}})


@from_web_app
def continuations(request):
    """Where somebody went on after a restore, beyond the entry `after`: number and signed statement, oldest first."""
    after = _number(_asked(request, "after").get("after", "0"))
    found = list(Entry.objects.filter(event=CONTINUED, seq__gt=after).order_by("seq")[: CONTINUATIONS + 1])
    page = [{"seq": entry.seq, "signed": entry.facts.get("signed", "")} for entry in found[:CONTINUATIONS]]
    return JsonResponse({"continuations": page, "next": page[-1]["seq"] if len(found) > CONTINUATIONS else None})


@from_web_app
def checkpoint(request):
    """Where the ledger stands now, signed; null before the first entry."""
    _asked(request)
    head = Entry.objects.order_by("-seq").first()
    return JsonResponse({"checkpoint": head and checkpoints.of_entry(head, current_store())})


def _asked(request, *names: str):
    if request.method != "GET":
        raise errors.MethodNotAllowed("GET")
    if not request.GET.keys() <= set(names):
        raise errors.RequestMalformed
    return request.GET


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise errors.RequestMalformed
    return int(text)
