"""The faults, in the order in which they are played. Each lets senders begin, strikes, and undoes what it did; senders then come to an
end without anything else being done for them.
"""

import dataclasses
import shutil
from collections.abc import Callable

from tests.faults.rounds import kills, stores
from tests.faults.rounds.ground import Ground
from tests.faults.rounds.scene import Scene


@dataclasses.dataclass(frozen=True)
class Kind:
    """`planned`: what plan.sendings is asked for. `needs` says what is missing on this ground, "" where nothing is. A `control` is a
    fault that no store can stand, or one of a service that tells a `lie` (lies/sitecustomize.py): what the judge must find (a regular
    expression), on a ground of its own.
    """

    name: str
    strike: Callable[[Scene], None]
    planned: dict = dataclasses.field(default_factory=dict)
    needs: Callable[[Ground], str] = lambda ground: ""
    control: str = ""
    lie: str = ""


def _strace(ground: Ground) -> str:
    return "" if shutil.which("strace") else "strace is missing"


def _disk(ground: Ground) -> str:
    return "" if ground.disk else "needs root, to mount a store"


def _disk_and_strace(ground: Ground) -> str:
    return _disk(ground) or _strace(ground)


def _server(ground: Ground) -> str:
    return "" if ground.server else "runs with --postgresql"


def _waits(scene: Scene) -> None:
    """The fault is in the plan."""
    scene.begin()
    scene.go_on()


_GONE = r"an upload is gone \(410\) of which [1-9]\d* bytes were acknowledged"
_NOT_ITS_BYTES = "a receipt, and other bytes in the store"
RESUMABLE = {"resumable": True}
ALL = (
    Kind("worker-killed", kills.worker),
    Kind("worker-killed-at-call", kills.worker_at_a_call, needs=_strace),
    Kind("uploads-killed", kills.uploads),
    Kind("control-killed", lambda scene: kills.process(scene, "control")),
    Kind("web-killed", lambda scene: kills.process(scene, "web_app"), {"by_web": True}),
    Kind("nginx-killed", lambda scene: kills.process(scene, "nginx")),
    Kind("client-cut", _waits, {"cuts": True}),
    Kind("postgresql-killed", kills.postgresql, {"by_web": True}, _server),
    Kind("store-errors", stores.errors, RESUMABLE, _strace),
    Kind("store-full", stores.full, needs=_disk),
    Kind("store-no-inodes", stores.no_inodes, needs=_disk),
    Kind("store-read-only", stores.read_only, RESUMABLE | {"between": True}, _disk),
    Kind("store-unmounted", stores.unmounted, needs=_disk),
    Kind("store-stalls", stores.stalls, needs=_disk),
    Kind("store-planted", stores.planted, RESUMABLE | {"between": True}),
    Kind("power-lost", stores.power_lost, needs=_disk),
    Kind("control-no-fsync", stores.power_lost_without_fsync, RESUMABLE, _disk_and_strace, _NOT_ITS_BYTES),
    Kind("control-forgets", kills.worker, control=_GONE, lie="forgets"),
    Kind("control-cuts-short", kills.worker, control="bytes were acknowledged, and then", lie="cuts-short"),
    Kind("control-too-early", stores.power_lost, needs=_disk, control=_GONE, lie="too-early"),
    Kind("control-overwrites", stores.planted, RESUMABLE | {"between": True}, control="overwritten|replaced", lie="overwrites"),
)
NAMES = tuple(kind.name for kind in ALL)
