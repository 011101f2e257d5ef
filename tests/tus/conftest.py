import pytest

from tests.tokens import mint
from tests.tus.client import Tus


@pytest.fixture
def tus(stack) -> Tus:
    """Under a token of its own, which allows many uploads."""
    return Tus(stack, mint(stack, max_uploads=100))


@pytest.fixture
def single(stack) -> Tus:
    """Under a token for one upload, as most are."""
    return Tus(stack, mint(stack, max_uploads=1))


@pytest.fixture
def limited(stack) -> Tus:
    """Under a token for uploads of 1000 bytes at most."""
    return Tus(stack, mint(stack, max_uploads=100, max_size=1000))
