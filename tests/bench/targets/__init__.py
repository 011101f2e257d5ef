"""The rows of the table, in its order."""

from tests.bench.targets.base import Target
from tests.bench.targets.copyparty import Copyparty
from tests.bench.targets.dav import Dav, DavDurable
from tests.bench.targets.inhouse import Inhouse
from tests.bench.targets.slow import DavOnASlowDisk, SluiceOnASlowDisk, SmallOnASlowDisk
from tests.bench.targets.sluice import (
    Sluice,
    SluiceAppends8,
    SluiceAppends32,
    SluiceAppends32At1Gbit,
    SluiceAppends64,
    SluiceAppends64At1Gbit,
    SluiceAt1Gbit,
    SluiceResumed,
)
from tests.bench.targets.tuspyserver import Tuspyserver

_AS_FAST_AS_IT_GOES = (Sluice, SluiceResumed, SluiceAppends8, SluiceAppends32, SluiceAppends64)
_OVER_A_LINE = (SluiceAt1Gbit, SluiceAppends32At1Gbit, SluiceAppends64At1Gbit)
_ON_A_SLOW_DISK = (SluiceOnASlowDisk, SmallOnASlowDisk, DavOnASlowDisk)
_ALL = (*_AS_FAST_AS_IT_GOES, *_OVER_A_LINE, *_ON_A_SLOW_DISK, Inhouse, Dav, DavDurable, Copyparty, Tuspyserver)

TARGETS: dict[str, type[Target]] = {one.name: one for one in _ALL}
