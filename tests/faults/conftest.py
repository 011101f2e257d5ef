import pytest

from dev.client import Client
from dev.stack import Stack


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A stack that these tests may break."""
    with Stack(tmp_path_factory.mktemp("faults")) as stack:
        yield stack


@pytest.fixture
def client(own):
    return Client(own.edge_port, own.keys.edge_ca, own.api_key)
