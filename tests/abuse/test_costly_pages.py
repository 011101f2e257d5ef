"""What costs web_app much, asked for by many at once: passwords of strangers, and lists of somebody who has very many uploads."""

import threading
import time
from collections import Counter

from tests.abuse.test_locked_out import form, sign_in
from tests.curl import bearer, curl

ADDRESSES, EACH = [f"127.0.2.{number}" for number in range(1, 9)], 25  # within the burst that an address may have
AT_MOST = 60.0  # seconds

# Somebody with as many uploads, so many of one grant; prints a session's cookie.
GRANTS, OF_EACH = 100, 500
MANY = f"""
import uuid
from django.test import Client
from django.utils import timezone
from web_app.accounts.models import User
from web_app.collections.models import Collection
from web_app.grants.models import Grant, StoredUpload
user, now = User.objects.get(username="demo"), timezone.now()
times = {{name: now for name in ("created_at", "start_by", "expires_at")}}
for _ in range({GRANTS}):
    grant = Grant.objects.create(uploader=user, collection=Collection.objects.first(), state="complete", max_size=9, max_uploads=9, **times)
    said = {{"grant": grant, "sha256": "0" * 64, "media_type": "text/plain", "durable_at": now, "receipt": "x" * 900}}
    StoredUpload.objects.bulk_create([StoredUpload(upload_id=uuid.uuid4(), size=size, **said) for size in range({OF_EACH})])
client = Client()
client.force_login(user)
print("session=" + client.cookies["__Host-sluice-session"].value)
"""


def test_made_up_names_from_eight_addresses_keep_nobody_waiting(own, bystander):
    page, answers = form(own, ADDRESSES[0]), []

    def guess(address: str, number: int):
        answers.append(sign_in(own, page, address, "x" * 12, name=f"nobody-{address}-{number}"))

    threads = [threading.Thread(target=guess, args=(address, number)) for number in range(EACH) for address in ADDRESSES]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and time.monotonic() - started < AT_MOST:
        assert bystander.uploads()
    for thread in threads:
        thread.join(AT_MOST)
    told = Counter(answer.status for answer in answers)
    assert set(told) <= {200, 429, 503} and told[503], told  # a wrong password, the bound of an address, all places taken
    assert b"looked at" in next(answer for answer in answers if answer.status == 503).body
    assert time.monotonic() - started < AT_MOST


def test_lists_of_somebody_who_has_very_many_keep_nobody_waiting(own, bystander):
    session = own.manage("web_app", "shell", "-c", MANY).rpartition("session=")[2].strip()
    as_person = ("--header", f"Cookie: __Host-sluice-session={session}")
    until, answers = time.monotonic() + 12, []

    def ask(path: str, options: tuple):
        while time.monotonic() < until:
            answers.append(curl(own, path, *options).status)

    asked = [("/uploads/?order=collection", as_person), ("/uploads/?order=largest&page=150", as_person)]
    asked += [("/api/v1/uploads?limit=100", bearer(own.api_key))]
    threads = [threading.Thread(target=ask, args=each) for each in asked * 7]
    for thread in threads:
        thread.start()
    time.sleep(1)  # they are under way
    while time.monotonic() < until:
        assert bystander.uploads()
    for thread in threads:
        thread.join(AT_MOST)
    assert set(answers) <= {200, 429} and {200, 429} <= set(answers), Counter(answers)
