"""Several connections made at once: each finds the certificates of its own kubeconfig."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import certifi

from gameday.cluster.api import Api

END = "-----END CERTIFICATE-----\n"


def test_threads_that_connect_at_once_don_t_take_each_other_s_certificates(tmp_path: Path) -> None:
    authorities = Path(certifi.where()).read_text().split(END)
    places = []
    for number in range(4):
        data = base64.b64encode((authorities[number] + END).encode()).decode()
        path = tmp_path / f"kubeconfig-{number}"
        path.write_text(
            json.dumps(
                {
                    "clusters": [
                        {"name": "c", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority-data": data}}
                    ],
                    "users": [{"name": "u", "user": {"token": "t"}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "c",
                }
            )
        )
        places.append({"kubeconfig": str(path), "context": "c", "in_cluster": False})
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(Api, places * 20))
    assert {one.server for one in made} == {"https://127.0.0.1:1"}
