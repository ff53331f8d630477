"""Probes over TLS: whom they trust, and under which name."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import Answer
from gameday.probes import fetching
from gameday.probes.prober import LiveProber

from .asking import run, target
from .servers import Reader, Writer, page

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for shop.example.com, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "shop.pem"
    name = ("-subj", "/CN=shop.example.com", "-addext", "subjectAltName=DNS:shop.example.com")
    kind = ("-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    out = ("-keyout", str(path), "-out", str(path.with_suffix(".crt")))
    subprocess.run(["openssl", "req", *kind, *name, *out], check=True, capture_output=True, timeout=30)
    with path.open("ab") as file:
        file.write(path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture(autouse=True)
def own_trust(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Names lead to loopback, and trust is read anew."""

    def here(host: str, *args: Any, **keys: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", here)
    fetching._trust.cache_clear()
    yield
    fetching._trust.cache_clear()


def ask(certificate: Path, host: str) -> tuple[Answer, list[str]]:
    """The answer of a TLS server asked under the name `host`, and the names under which it was asked."""
    names: list[str] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await page(b"ok")(reader, writer)
        except (OSError, asyncio.IncompleteReadError, NotImplementedError):
            pass
        finally:
            writer.transport.abort()

    async def test() -> Answer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda sock, name, ctx: names.append(name or "")
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        prober = LiveProber(target())
        url = f"https://{host}:{server.sockets[0].getsockname()[1]}/"
        answer = await prober.ask({"http": {"url": url, "timeout": 3.0}})
        await prober.close()
        server.close()
        return answer

    return run(test()), names


def test_what_the_system_trusts_is_trusted_under_its_own_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    answer, names = ask(certificate, "shop.example.com")
    assert (answer.kind, answer.value) == ("value", 200), answer
    assert names == ["shop.example.com"]


def test_another_name_is_not_trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    answer, _ = ask(certificate, "other.example.com")
    assert answer.kind == "unreachable"
    assert "not to be trusted" in answer.detail
    assert "other.example.com" in answer.detail


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(certificate: Path) -> None:
    answer, _ = ask(certificate, "shop.example.com")
    assert (answer.kind, answer.value) == ("unreachable", None)
    assert "not to be trusted" in answer.detail
