"""The real cluster that GAMEDAY_TEST_KUBECONFIG names: the same face as the double's, over TLS."""

from __future__ import annotations

import base64
import os
import secrets
import ssl
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubernetes.cluster import Cluster


class RealCluster(Cluster):
    """A namespace of its own in the current context of a kubeconfig; `close` deletes it.

    Its pods need GAMEDAY_TEST_IMAGE on the node. Client certificates and bearer tokens are understood, inline or in
    files; plugins that fetch credentials are not.
    """

    is_real = True

    def __init__(self, path: Path) -> None:
        config = yaml.safe_load(path.read_text())
        context = config["current-context"]
        chosen = next(one["context"] for one in config["contexts"] if one["name"] == context)
        cluster = next(one["cluster"] for one in config["clusters"] if one["name"] == chosen["cluster"])
        user = next(one["user"] for one in config["users"] if one["name"] == chosen["user"])
        super().__init__(path, context, f"gameday-test-{secrets.token_hex(4)}", cluster["server"].rstrip("/"))
        if cluster["server"].startswith("https"):
            self._tls = _tls(path.parent, cluster, user)
        if token := user.get("token") or (Path(user["tokenFile"]).read_text() if "tokenFile" in user else ""):
            self._headers["Authorization"] = f"Bearer {token.strip()}"
        if "GAMEDAY_TEST_IMAGE" not in os.environ:
            raise RuntimeError("GAMEDAY_TEST_IMAGE is not set: name an image with python3 that is already on the nodes")
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def close(self) -> None:
        self.delete("Namespace", self.namespace)


def _tls(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=_content(folder, cluster, "certificate-authority"))
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate = _content(folder, user, "client-certificate")
    key = _content(folder, user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:
            both.write(f"{certificate}\n{key}")
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _content(folder: Path, where: dict[str, Any], name: str) -> str | None:
    if data := where.get(f"{name}-data"):
        return base64.b64decode(data).decode()
    return (folder / where[name]).read_text() if name in where else None
