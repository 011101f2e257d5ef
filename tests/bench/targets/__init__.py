"""The rows of the table, in its order."""

from tests.bench.targets.base import Target
from tests.bench.targets.copyparty import Copyparty
from tests.bench.targets.dav import Dav
from tests.bench.targets.inhouse import Inhouse
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
_ALL = (*_AS_FAST_AS_IT_GOES, *_OVER_A_LINE, Inhouse, Dav, Copyparty, Tuspyserver)

TARGETS: dict[str, type[Target]] = {one.name: one for one in _ALL}
