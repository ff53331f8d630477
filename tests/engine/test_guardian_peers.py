"""Whoever speaks with a guardian or owns it: consoles, commands, signals, and those who come when it has died."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gameday.engine.peers import claim, clear_dead

from .rig import Rig, wait_until

# --- people --------------------------------------------------------------------------------------------------------


def _abort(rig: Rig) -> dict[str, object]:
    with rig.control() as sock:
        sock.sendall(b'{"do": "abort", "reason": "enough", "by": "somebody"}\n')
        answer: dict[str, object] = json.loads(sock.recv(65536))
        return answer


def test_an_abort_gets_through_idle_rude_and_mad_peers(rig: Rig) -> None:
    rig.injecting("a", "inject_asleep")
    peers = [rig.control() for _ in range(50)]
    peers[0].sendall(b"\x00\xff garbage\n")
    peers[1].sendall(b"[" * 60_000 + b"\n")
    peers[2].sendall(b"{}\n" * 10_000)
    peers[3].sendall(b'{"do": ["abort"]}\n[]\n1\nnull\n{"do": {"a": 1}}\n')
    peers[4].setblocking(False)
    with pytest.raises(OSError):  # either it is cut off, or nobody reads on
        for _ in range(200):
            peers[4].send(b"x" * 65536)
    assert _abort(rig) == {"ok": True, "undoing": ["a"]}
    rig.fact("recovered", "a")
    assert rig.hear(lambda m: m.get("abort") == "enough", "word of the abort")["by"] == "somebody"
    for peer in peers:
        peer.close()
    assert rig.end(3) == 3


def test_a_request_in_pieces_is_one_request(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    with rig.control() as sock:
        for byte in b'{"do": "abort"}\n':
            sock.sendall(bytes([byte]))
        assert json.loads(sock.recv(65536))["ok"]
    rig.fact("recovered", "a")
    rig.end(3)


def test_more_peers_than_descriptors_do_not_stop_an_abort(rig: Rig) -> None:
    import resource

    rig.injected("a")
    resource.prlimit(rig.process.pid, resource.RLIMIT_NOFILE, (rig.descriptors() + 30, 4096))
    rig.control().close()
    peers = []
    for _ in range(60):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(1.0)
        peer.connect(str(rig.socket))
        peers.append(peer)
        rig.settle()
    assert _abort(rig)["ok"]
    rig.fact("recovered", "a")
    for peer in peers:
        peer.close()
    rig.end(3)


def test_consoles_are_counted(rig: Rig) -> None:
    first, second = rig.control(), rig.control()
    first.sendall(b'{"do": "attach", "who": "one"}\n')
    rig.hear(lambda m: m.get("consoles") == 1, "one console")
    second.sendall(b'{"do": "attach", "who": "two"}\n')
    rig.hear(lambda m: m.get("consoles") == 2, "two consoles")
    rig.heard.clear()
    first.close()
    rig.hear(lambda m: m.get("consoles") == 1, "one console left")
    second.close()
    rig.hear(lambda m: m.get("consoles") == 0, "no console left")
    rig.end(0)


def test_the_end_of_the_command_that_owns_the_run_undoes_everything(start: Callable[..., Rig]) -> None:
    rig = start(owned=True)
    rig.injected("a")
    assert rig.process.stdout is not None
    rig.process.stdout.close()  # the kernel does this for a command that is killed
    rig.fact("recovered", "a")
    assert "the command" in rig.hear(lambda m: "abort" in m, "word of the abort")["abort"]
    rig.end(3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_undoes_everything(rig: Rig, number: signal.Signals) -> None:
    rig.injecting("a", "inject_stubbornly")
    rig.process.send_signal(number)
    rig.process.send_signal(number)
    rig.fact("recovered", "a")
    assert number.name in rig.hear(lambda m: "abort" in m, "word of the abort")["abort"]
    rig.assert_nothing_after_the_last_undo("a")
    assert rig.end(3) == 3


def test_nobody_takes_an_exercise_up_while_what_was_done_is_being_written_down(
    start: Callable[..., Rig], tmp_path: Path
) -> None:
    begun, may_end = tmp_path / "begun", tmp_path / "may-end"
    os.mkfifo(may_end)
    rig = start(clerk=["sh", "-c", f"cat > {begun}.draft; mv {begun}.draft {begun}; read line < {may_end}"])
    rig.injected("a")
    rig.link.close()  # the engine is dead
    wait_until(begun.exists, "the clerk")
    assert claim(rig.socket, wait=0.0) is None
    may_end.write_text("now\n")
    assert rig.process.wait(20) == 3
    claimed = claim(rig.socket, wait=0.0)
    assert claimed is not None
    os.close(claimed)


def test_what_a_killed_guardian_leaves_of_its_door_is_cleared_away_and_of_a_living_one_nothing(rig: Rig) -> None:
    folder = rig.socket.parent
    rig.settle()
    wait_until(rig.socket.exists, "the control socket")
    rig.process.send_signal(signal.SIGSTOP)
    assert clear_dead(folder) == [], "it stands still, and may go on"
    assert rig.socket.exists() and rig.socket.with_suffix(".lock").exists()
    rig.process.kill()
    rig.process.wait(20)
    (folder / "notes.txt").write_text("somebody's")
    assert clear_dead(folder) == [rig.socket]
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
