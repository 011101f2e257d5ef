"""Loaded by a Python that has this folder in PYTHONPATH: makes the service lie in the way that SLUICE_LIE names, so that it is seen
whether the judge notices (kinds.py). No part of what is installed anywhere.
"""

import importlib.util
import os
import sys


def _forgets(recover):
    """What was acknowledged is dropped as an upload is settled behind a crash."""
    honest = recover._bring_back

    def bring_back(upload, may_wake_up):
        recover.current_store().discard(upload.id)
        honest(upload, may_wake_up)

    recover._bring_back = bring_back


def _cuts_short(recover):
    """Behind a crash an upload goes on a byte earlier than was acknowledged."""
    honest = recover.actions.wait

    def wait(upload, **changes):
        if changes.get("problem") and upload.offset:
            changes["offset"] = upload.offset - 1
        honest(upload, **changes)

    recover.actions = type("Actions", (), {**vars(recover.actions), "wait": staticmethod(wait)})


def _too_early(staged):
    """Bytes are acknowledged that are not durable."""
    staged.StagedFile.checkpoint = lambda self: None


def _overwrites(nas):
    """The commit takes a name whoever has it."""
    honest = nas.LocalFileSystemStorage.publish

    def publish(self, upload_id, directory, name, *args, **kwargs):
        target = self.root.joinpath("collections", *directory, name)
        target.unlink(missing_ok=True)
        return honest(self, upload_id, directory, name, *args, **kwargs)

    nas.LocalFileSystemStorage.publish = publish


LIES = {
    "forgets": ("services_app.uploads.recover", _forgets),
    "cuts-short": ("services_app.uploads.recover", _cuts_short),
    "too-early": ("services_app.store.staged", _too_early),
    "overwrites": ("services_app.store.nas", _overwrites),
}


class _Behind:
    """Changes one module behind its import."""

    def __init__(self, name: str, change):
        self._name, self._change = name, change

    def find_spec(self, name, path=None, target=None):
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        honest = spec.loader.exec_module

        def exec_module(module):
            honest(module)
            self._change(module)

        spec.loader.exec_module = exec_module
        return spec


if lie := os.environ.get("SLUICE_LIE"):
    sys.meta_path.insert(0, _Behind(*LIES[lie]))
