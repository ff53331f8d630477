"""The tcp probe: accepted, refused, black hole, nonsense."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from .asking import ask_of, run
from .servers import Reader, Writer, serving, silent


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port of loopback that takes no connection and refuses none: its queue is full and nobody accepts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_accepted() -> None:
    for form in ("127.0.0.1:{}", "localhost:{}", "tcp://127.0.0.1:{}", "http://127.0.0.1:{}/"):
        answer = ask_of(silent, lambda server, form=form: {"tcp": {"address": form.format(server.port)}})
        assert (answer.kind, answer.value) == ("value", True), (form, answer)


def test_a_published_name_is_filled_in() -> None:
    answer = ask_of(silent, lambda _: {"tcp": {"address": "${db}"}}, names={"db": "127.0.0.1:1"})
    assert (answer.kind, answer.value, answer.detail) == ("value", False, "connection refused")


def test_the_connection_is_gone_afterwards() -> None:
    ended = []

    async def behave(reader: Reader, writer: Writer) -> None:
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        ended.append(True)

    async def test() -> None:
        import asyncio

        from gameday.probes.tcp import ask

        async with serving(behave, read_request=False) as server:
            assert (await ask({"address": f"127.0.0.1:{server.port}"})).value is True
            while not ended:
                await asyncio.sleep(0.005)

    run(test())


def test_a_black_hole_is_false_in_time() -> None:
    with full_backlog() as port:
        answer = ask_of(silent, lambda _: {"tcp": {"address": f"127.0.0.1:{port}", "timeout": "300ms"}}, timeout=0.3)
    assert (answer.kind, answer.value) == ("value", False)
    assert "0.3 s" in answer.detail


@pytest.mark.parametrize(
    "address", ["", "localhost", ":80", "localhost:", "localhost:http", "h:99999999999", "h:0", "::1"]
)
def test_what_is_no_address_is_an_error_that_says_how_to_write_one(address: str) -> None:
    answer = ask_of(silent, lambda _: {"tcp": {"address": address}})
    assert answer.kind == "error"
    assert "127.0.0.1:5432" in answer.detail


@pytest.mark.parametrize("host", ["nowhere.invalid", "x" * 300, "a..b", "\udcff"])
def test_a_name_that_leads_nowhere_is_unreachable(host: str) -> None:
    assert ask_of(silent, lambda _: {"tcp": {"address": f"{host}:80", "timeout": 2}}).kind == "unreachable"
