"""Hands on what is due. All that touches the database happens in one thread; each try runs in one of its own, which touches none.

A hook that hangs holds up nobody but itself, and of itself the collections for which it hangs: it has `at_once` threads and no more.
"""

import contextlib
import logging
import queue
import threading
import time
import uuid
from collections import Counter

from services_app.hooks.configured import hooks
from services_app.hooks.hook import CLAMD, COMMAND, WEBHOOK, Hook
from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown, StoreError
from services_app.store.nas import LocalFileSystemStorage
from services_app.uploads import actions, verdicts
from services_app.uploads.receipts import reader
from services_app.uploads.states import Standing

from . import turns
from .gather import gather
from .handed import Handed, Outcome, as_code
from .kinds import clamd, command, webhook
from .models import Delivery, State
from .settle import settle, unsettled

log = logging.getLogger("sluice.outbox")

SWEEP_EVERY = 3600.0  # seconds

_RUN = {COMMAND: command.run, WEBHOOK: webhook.run, CLAMD: clamd.run}


class Worker:
    def __init__(self):
        self._ended: queue.SimpleQueue = queue.SimpleQueue()
        self._running: dict[int, tuple[Hook, Delivery]] = {}
        self._unsaid: list[tuple[int, Outcome]] = []  # ended, and not yet recorded
        self._unsettled: set[uuid.UUID] = set()  # whose verdict may follow
        self._swept_for: tuple[Hook, ...] | None = None
        self._next_sweep = 0.0
        self.counts: Counter[str] = Counter()

    def step(self) -> bool:
        """Record what has ended, begin what is due; return whether there is more to do at once. Raises what the database raises."""
        self.record()
        self.settle()
        more = False
        store = current_store()
        for hook in hooks():
            more |= gather(hook)
            self._begin(hook, store)
        return more

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    def wait(self, seconds: float) -> bool:
        """Until a try ends, so long at most; False where somebody called `stop`."""
        try:
            ended = self._ended.get(timeout=seconds)
        except queue.Empty:
            return True
        if ended is None:
            return False
        self._unsaid.append(ended)
        return True

    def stop(self) -> None:
        """Have `wait` return. Safe in a signal handler."""
        self._ended.put(None)

    def break_off(self) -> None:
        """Record what has ended, end what runs, and leave that to the next worker. Raises what the database raises."""
        with contextlib.suppress(queue.Empty):
            while ended := self._ended.get_nowait():
                self._unsaid.append(ended)
        self.record()
        command.end_all()
        for _, delivery in self._running.values():
            turns.give_back(delivery)

    def _begin(self, hook: Hook, store: LocalFileSystemStorage) -> None:
        room = hook.at_once - sum(running.name == hook.name for running, _ in self._running.values())
        if room <= 0:
            return
        for delivery in turns.due(hook, set(self._running)):
            if turns.claim(delivery, hook):
                self._running[delivery.id] = hook, delivery
                args = (delivery.id, hook, handed(delivery, hook), store)
                try:
                    threading.Thread(target=self._try, args=args, daemon=True, name=f"hook {hook.name}").start()
                except RuntimeError:  # no thread can be begun now
                    log.error("hook not begun", extra={"hook": hook.name, "upload_id": delivery.upload_id})
                    del self._running[delivery.id]
                    turns.give_back(delivery)
                    return
                room -= 1
            if room <= 0:
                return

    def settle(self) -> None:
        """Give verdicts. Where the store fails, after a start and from time to time, what is left is looked at again."""
        if hooks() is not self._swept_for or time.monotonic() >= self._next_sweep:
            self._unsettled.update(unsettled())
            self._swept_for, self._next_sweep = hooks(), time.monotonic() + SWEEP_EVERY
        for upload_id in sorted(self._unsettled):
            try:
                verdict = settle(upload_id)
            except ObjectUnknown:
                verdict = None  # verify_store tells of it; the next start tries again
                log.error("verdict not given", extra={"upload_id": upload_id, "reason": "missing"})
            except StoreError as exc:
                log.error("verdict not given", extra={"upload_id": upload_id, "reason": type(exc).__name__})
                return
            self._unsettled.remove(upload_id)
            if verdict is not None:
                log.info("verdict", extra={"upload_id": upload_id, "verdict": str(verdict)})

    def _try(self, delivery_id: int, hook: Hook, told: Handed, store: LocalFileSystemStorage) -> None:
        try:
            outcome = _known(hook, told, store) or _RUN[hook.kind](hook, told, store)
        except Exception as exc:  # whatever it was: the next try may go well
            log.error("hook failed", extra={"hook": hook.name, "upload_id": told.upload_id}, exc_info=True)
            outcome = Outcome.again(type(exc).__name__)
        self._ended.put((delivery_id, outcome))

    def record(self) -> None:
        while self._unsaid:
            delivery_id, outcome = self._unsaid[0]
            hook, delivery = self._running[delivery_id]
            state = turns.record(delivery, hook, outcome)
            del self._unsaid[0], self._running[delivery_id]
            self.counts[str(state or "lost")] += 1
            if state == State.FOUND or (state == State.DONE and hook.required):
                self._unsettled.add(delivery.upload_id)
            said = {"hook": hook.name, "upload_id": delivery.upload_id, "state": str(state or "lost"), "said": outcome.said}
            log.info("handed on", extra=said)


def _known(hook: Hook, told: Handed, store: LocalFileSystemStorage) -> Outcome | None:
    """What a verdict on the NAS says that the database has forgotten: an older one was restored, or a worker was killed behind it."""
    if not hook.required or told.verdict:
        return None
    claims = verdicts.on_the_store(store, told.name, reader())
    if claims is None or not verdicts.is_of(claims, told.upload_id, told.sha256):
        return None
    is_released = claims["verdict"] == Standing.RELEASED
    return Outcome.taken("kept") if is_released else Outcome.found(as_code(str(claims.get("found", "kept"))))


def handed(delivery: Delivery, hook: Hook) -> Handed:
    upload = delivery.upload
    return Handed(
        key=f"{delivery.hook}_{upload.id}",
        on=hook.on,
        upload_id=str(upload.id),
        grant=str(upload.grant_id),
        collection=upload.grant.collection,
        size=upload.size,
        sha256=upload.sha256,
        media_type=upload.media_type,
        stored_at=actions.rfc3339(upload.durable_at),
        receipt=upload.receipt,
        verdict=upload.verdict,
        name=actions.object_name(upload),
    )
