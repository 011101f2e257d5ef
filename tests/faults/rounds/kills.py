"""kill -9 of each process."""

import signal

import psutil

from dev.processes import StartFailed
from tests.faults.rounds.scene import Scene, end
from tests.waiting import wait_for

# The calls by which the store is changed and made durable, and by which SQLite commits.
_CALLS = "fsync,fdatasync,linkat,renameat,rename,unlinkat,unlink,mkdirat,fchmod,ftruncate"
_OF_ONE_REQUEST = 14  # of these calls at most; strace counts those of each thread by themselves


def worker(scene: Scene) -> None:
    """While senders are in the middle of something; its master makes another one."""
    killed = scene.worker()
    scene.begin()
    scene.until_held()
    end(killed, signal.SIGKILL)
    scene.go_on()
    scene.until_another_worker(killed)


def worker_at_a_call(scene: Scene) -> None:
    """As it makes one of the calls of creation, checkpoint and commit."""
    killed, when = scene.worker(), scene.rng.randint(1, _OF_ONE_REQUEST)
    with scene.injected(f"{_CALLS}:signal=SIGKILL:when={when}", [killed]) as is_there:
        scene.begin()
        scene.go_on()
        wait_for(lambda: not is_there() or scene.has_ended(), 60)
    end(killed, signal.SIGKILL)
    scene.until_another_worker(killed)


def uploads(scene: Scene) -> None:
    """All its processes at once, or the master first."""
    scene.begin()
    scene.until_held()
    if scene.rng.random() < 0.5:
        end(scene.stack.pids("uploads")[0], signal.SIGKILL)
        scene.pause(0.5)
    _again(scene, "uploads")


def process(scene: Scene, name: str) -> None:
    scene.begin()
    scene.until_held()
    _again(scene, name)


def _again(scene: Scene, name: str) -> None:
    scene.stack.kill(name)
    scene.go_on()
    scene.pause(0.3)
    scene.stack.start_process(name)


def postgresql(scene: Scene) -> None:
    """Its backends are no part of its group, and would only hear of it from their postmaster."""
    scene.begin()
    scene.until_held()
    backends = scene.ground.server.service.pids()
    for pid in backends:
        end(pid, signal.SIGKILL)
    scene.ground.server.service.kill()
    scene.go_on()
    scene.pause(0.5)
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in backends))
    for trial in range(5):
        try:
            scene.ground.server.start()
            break
        except StartFailed:
            if trial == 4:
                raise
    scene.stack.wait_until_healthy("control", "web_app")
