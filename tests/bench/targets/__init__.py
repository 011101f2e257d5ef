"""The rows of the table, in its order."""

from tests.bench.targets.base import Target
from tests.bench.targets.copyparty import Copyparty
from tests.bench.targets.dav import Dav
from tests.bench.targets.inhouse import Inhouse
from tests.bench.targets.sluice import Sluice, SluiceAppends8, SluiceAppends32, SluiceAppends64, SluiceResumed
from tests.bench.targets.tuspyserver import Tuspyserver

_ALL = (Sluice, SluiceResumed, SluiceAppends8, SluiceAppends32, SluiceAppends64, Inhouse, Dav, Copyparty, Tuspyserver)

TARGETS: dict[str, type[Target]] = {one.name: one for one in _ALL}
