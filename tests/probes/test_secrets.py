"""Secrets: read where they are used, and in no answer."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gameday.engine.ports import Answer
from gameday.probes.prober import LiveProber

from .asking import ask_of, run, target
from .servers import Reader, Writer, page, serving, silent

SECRET = 'pa$$ "wörd"/+1'


def ask_process(script: str, **env: Any) -> Answer:
    return ask_of(silent, lambda _: {"process": {"command": ["sh", "-c", script], "read": "stdout", "env": env}})


def test_from_the_environment_and_from_a_file_to_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GD_TEST_SECRET", SECRET)
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    script = 'test "$ONE" = "$GD_TEST_SECRET" && test "$TWO" = from-a-file && echo "$PLAIN"'
    answer = ask_process(script, ONE={"env": "GD_TEST_SECRET"}, TWO={"file": str(file)}, PLAIN="as it is")
    assert answer.value == "as it is"


def test_a_program_that_prints_them_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GD_TEST_SECRET", SECRET)
    file = tmp_path / "key"
    file.write_text("-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n")
    script = 'echo "one=$ONE two=$TWO"; echo "$TWO" | head -2; echo "$ONE" >&2; exit ${CODE:-0}'
    refs = {"ONE": {"env": "GD_TEST_SECRET"}, "TWO": {"file": str(file)}}
    for code in ("0", "1"):
        answer = ask_process(script, **refs, CODE=code)
        assert answer.kind == ("value" if code == "0" else "error")
        for part in ("pa$$", "MIIEvQIBADANBgkq", "hkiG9w0BAQEFAASC"):
            assert part not in str(answer)
        assert "•••" in str(answer)


def test_a_server_that_echoes_them_in_any_dress_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "tok/en+with=odd chars"
    monkeypatch.setenv("GD_TEST_SECRET", token)

    async def echo(reader: Reader, writer: Writer) -> None:
        sent = server.requests[-1].partition("x-key: ")[2].partition("\r\n")[0]
        assert sent == token
        dresses = [sent, quote(sent, safe=""), quote(sent), base64.b64encode(sent.encode()).decode()]
        import json

        await page(json.dumps({"you sent": dresses, sent: 1}).encode())(reader, writer)

    async def test() -> Answer:
        nonlocal server
        async with serving(echo) as server:
            prober = LiveProber(target())
            headers = {"x-key": {"env": "GD_TEST_SECRET"}}
            answer = await prober.ask({"http": {"url": server.url, "headers": headers, "read": "json"}})
            await prober.close()
            return answer

    server: Any = None
    answer = run(test())
    assert answer.kind == "value", answer
    assert answer.value == {"you sent": ["•••"] * 4, "•••": 1}


@pytest.mark.parametrize("secret", ["line\nbreak-of-secret", "nul\0in-secret", "\udcff-not-text"])
def test_a_secret_that_no_header_can_hold_is_not_quoted(secret: str, tmp_path: Path) -> None:
    async def test() -> Answer:
        prober = LiveProber(target(), environ={"GD_TEST_SECRET": secret})
        headers = {"x-key": {"env": "GD_TEST_SECRET"}}
        answer = await prober.ask({"http": {"url": "http://127.0.0.1:1", "headers": headers}})
        await prober.close()
        return answer

    answer = run(test())
    assert answer.kind in ("error", "unreachable")
    assert "secret" not in answer.detail.replace("a secret", "")


def test_missing_secrets_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
    for ref, told in (
        ({"env": "GD_TEST_NOT_SET"}, "GD_TEST_NOT_SET"),
        ({"file": str(tmp_path / "absent")}, "absent"),
        ({"file": str(tmp_path)}, "directory"),
        ({"file": str(tmp_path / "pipe")}, "not a regular file"),
        ({"file": str(tmp_path / "binary")}, "not UTF-8"),
        ({"file": "/dev/zero"}, "not a regular file"),
        ({}, "{env: NAME}"),
    ):
        answer = ask_process("echo x", ONE=ref)
        assert answer.kind == "error"
        assert told in answer.detail
