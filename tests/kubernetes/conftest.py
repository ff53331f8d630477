"""The `cluster` of a test: the double, or the real one that GAMEDAY_TEST_KUBECONFIG names.

`@pytest.mark.double` marks a test that needs what only the double can do, and may carry its settings:
`@pytest.mark.double(chaos_mesh=True, startup=0.3)`; `settings` does so without needing the double.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.process import Double

if TYPE_CHECKING:
    from collections.abc import Callable

REAL = os.environ.get("GAMEDAY_TEST_KUBECONFIG")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "double(**settings): needs the test server's double; skipped on a real cluster")
    config.addinivalue_line("markers", "settings(**settings): settings of the double; ignored on a real cluster")


@pytest.fixture(scope="session")
def doubles() -> Iterator[Callable[[], Double]]:
    """Gives the running double of this worker, and a new one when a test has killed it."""
    running: list[Double] = []

    def running_double() -> Double:
        if not running or not running[-1].alive:
            running.append(Double())
        return running[-1]

    yield running_double
    for one in running:
        one.stop()


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path, doubles: Callable[[], Double]) -> Iterator[Cluster]:
    double_only = request.node.get_closest_marker("double")
    if REAL:
        if double_only:
            pytest.skip("needs the test server's double, and this run is against a real cluster")
        from tests.support.kubernetes.real import RealCluster

        real = RealCluster(Path(REAL))
        yield real
        real.close()
        return
    settings: dict[str, object] = {}
    for name in ("settings", "double"):
        for mark in request.node.iter_markers(name):
            settings |= mark.kwargs
    one = DoubleCluster(doubles(), tmp_path, **settings)
    yield one
    one.close()


@pytest.fixture(autouse=True)
def _nobodys_default() -> Iterator[None]:
    """chaosk8s, run in this process, makes its client everybody's default: not that of the next test too."""
    yield
    module = sys.modules.get("kubernetes.client.configuration")
    if module is not None:
        module.Configuration.set_default(None)


@pytest.fixture
def authority(tmp_path: Path) -> dict[str, Path]:
    """A certificate for 127.0.0.1 that signs itself, as those of small clusters do, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make certificates with")
    paths = {"cert": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(paths["key"]), "-out", str(paths["cert"])]
    subprocess.run(command, check=True, capture_output=True)
    return paths
