"""A sandbox for each worker while it is in this folder, for tests that leave it whole; a fresh one for the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday.sandbox import control

from .shop import Shop


@pytest.fixture(scope="package", autouse=True)
def more_shoppers() -> Iterator[None]:
    """Enough of them that a share of a few seconds' purchases can be told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMEDAY_SANDBOX_RATE", "8")
        yield


@pytest.fixture(scope="package")
def shared_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all tests of this folder in this worker."""
    folder = tmp_path_factory.mktemp("shop")
    found, _ = control.up(folder)
    try:
        yield Shop(found)
    finally:
        control.down(folder)


@pytest.fixture
def shop(shared_shop: Shop) -> Iterator[Shop]:
    """The shared one, whole again afterwards."""
    yield shared_shop
    shared_shop.make_whole()
    assert shared_shop.standing() == []


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state directory in which whatever still runs afterwards is taken down."""
    folder = tmp_path / "own"
    yield folder
    control.down(folder)


@pytest.fixture
def own_shop(state_dir: Path) -> Shop:
    """A fresh one, to be killed in any part."""
    found, started = control.up(state_dir)
    assert started
    return Shop(found)
