"""`gameday validate` on whatever a path can lead to: a clear error, at once, and never a hang or a crash."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenario.marked import SHIPPED, scenario
from tests.support import forking

MOST_SECONDS = 20.0


def validate(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return forking.call(["validate", *map(str, arguments)], cwd=cwd)


def directory(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # The name of a socket may not be long.
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)
        os.close(here)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def content(data: bytes) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(data), None)[1]


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 100))
NASTY = {
    "10 MB": (content(b"title: x\n" * 1_200_000), "is too large for a scenario: 10,800,000 bytes, at most 1,000,000"),
    "bomb": (content(BOMB.encode()), r"1:5: anchors and aliases are not supported \(a YAML bomb\?\); write"),
    "brackets": (content(b"[" * 200_000), "1:1: a scenario is a mapping of keys; this is a list"),
    "brackets in a key": (content(b"a: " + b"[" * 200_000), "1:44: nested deeper than 40 levels"),
    "braces in a key": (content(b"a: " + b"{b: " * 200_000), "nested deeper than 40 levels"),
    "dashes": (content(b"a:\n" + b"- " * 200_000), "nested deeper than 40 levels"),
    "questions": (content(b"? " * 200_000), "a key is text, not a list or a mapping"),
    "many values": (content(b"tags: [" + b"a," * 400_000 + b"]"), "more than 50,000 values"),
    "many wrong references": (
        content(
            b"version: 1\ntitle: x\ntimeline:\n"
            + b"".join(b"- {id: e%d, after: e%dx, inject: 5, audience: [1, x]}\n" % (i, i) for i in range(4000))
        ),
        "100 are listed",
    ),
    "many wrong entries": (content(b"timeline: [" + b"1," * 49_000 + b"]"), "100 are listed"),
    "one long key": (content(b"a" * 900_000 + b": 1"), "."),
    "one long wrong word": (content(b"version: 1\ntitle: x\ncategory: " + b"a" * 900_000), "3:11: 'category' can't be"),
    "many digits": (content(b"version: " + b"9" * 900_000), "1:10: 'version': this reads version 1"),
    "zeros": (content(bytes(5000)), "is a binary file: byte 1 is zero"),
    "an executable": (content(b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40), "is a binary file: byte 8 is zero"),
    "not UTF-8": (content("title: Größe\n".encode("latin-1")), r"1:10: is not UTF-8 text \(byte 0xf6\); save it as"),
    "UTF-16": (content("version: 1\ntitle: x\n".encode("utf-16")), "is UTF-16 text; save it as UTF-8"),
    "UTF-16 without its mark": (content("version: 1\ntitle: x\n".encode("utf-16-le")), "is UTF-16 text"),
    "empty": (content(b""), "is empty; `gameday new`"),
    "a byte order mark": (content(b"\xef\xbb\xbf"), "is empty"),
    "blank": (content(b" \n\n"), "is empty"),
    "a directory": (directory, "no .yaml or .yml file is in here"),
    "a pipe": (fifo, "is a pipe; a scenario is a regular file"),
    "a socket": (unix_socket, "is a socket"),
    "a link to itself": (loop, "can't be read: Too many levels of symbolic links"),
    "nothing": (lambda path: None, "there is no such file"),
}


@pytest.mark.parametrize("what", NASTY)
@pytest.mark.long
def test_a_nasty_path_is_a_clear_error(what: str, tmp_path: Path) -> None:
    make, message = NASTY[what]
    path = tmp_path / "nasty.yaml"
    make(path)
    began = time.monotonic()
    done = validate(path)
    assert time.monotonic() - began < MOST_SECONDS
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert re.search(rf"^{re.escape(str(path))}:.*{message}", done.stderr, re.MULTILINE), done.stderr[:500]
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 50_000


def test_devices_are_not_opened() -> None:
    done = validate("/dev/zero", "/dev/tty", "/dev/null")
    assert done.returncode == 2
    assert [line.split(": ")[0] for line in done.stderr.splitlines()[:3]] == ["/dev/zero", "/dev/tty", "/dev/null"]
    assert done.stderr.count("is a device") == 3


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text(scenario("tags: []"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    assert "can't be read: Permission denied" in validate(path).stderr


def test_all_errors_of_all_files_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "wrong.yaml").write_text("nonsense")
    (tmp_path / "notes.txt").write_text("nonsense")
    (tmp_path / "a.yaml").write_text(scenario("tags: [on]", "rols: []"))
    (tmp_path / "deep" / "b.yml").write_text("- a list")
    (tmp_path / "deep" / "er" / "c.yaml").write_text(scenario("tags: [fine]"))
    done = validate(".", "nowhere.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == "ok  ./deep/er/c.yaml  (Something breaks)\n"
    assert done.stderr.splitlines() == [
        './a.yaml:3:8: unquoted on is read as true; write true, or "on" in quotes if you mean the word',
        "./a.yaml:4:1: unknown key 'rols' in a scenario; did you mean 'roles'?",
        "./deep/b.yml:1:1: a scenario is a mapping of keys; this is a list; begin with `version: 1`",
        "nowhere.yaml: there is no such file",
        "3 of 4 files wrong.",
    ]


def test_as_json(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(scenario("tags: [fine]"))
    (tmp_path / "b.yaml").write_text(scenario("tags: [»on]".replace("»", "")))
    done = validate("--json", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == ""
    right, wrong = json.loads(done.stdout)
    assert (right["path"], right["ok"], right["title"], right["problems"]) == ("./a.yaml", True, "Something breaks", [])
    assert len(right["sha256"]) == 64
    assert (wrong["path"], wrong["ok"], wrong["title"]) == ("./b.yaml", False, None)
    assert wrong["problems"] == [
        {
            "path": "./b.yaml",
            "line": 3,
            "column": 8,
            "message": "unquoted on is read as true",
            "hint": 'write true, or "on" in quotes if you mean the word',
        }
    ]


def test_parameters_on_the_command_line(tmp_path: Path) -> None:
    path = next(path for path in SHIPPED if path.stem == "payment-outage")
    assert validate(path, "--set", "outage=10m", "--quiet").stdout == ""
    assert validate(path, "--set", "outage=10m", "--quiet").returncode == 0
    wrong = validate(path, "--set", "outage=10")
    assert wrong.returncode == 2
    assert "(from ${outage}, which is 10); write 10ms, 10s or 10m" in wrong.stderr
    assert "did you mean 'outage'?" in validate(path, "--set", "outag=10m").stderr
    not_a_pair = validate(path, "--set", "outage")
    assert not_a_pair.returncode == 2
    assert "write NAME=VALUE" in not_a_pair.stderr


def test_quiet_says_problems_only(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(scenario("tags: [fine]"))
    done = validate("--quiet", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_must_stay_out_stays_out() -> None:
    code = """
import sys
sys.argv = ["gameday", "validate", sys.argv[1], "--quiet"]
from gameday.__main__ import main
code = main()
heavy = {"textual", "rich", "chaoslib", "kubernetes", "httpx", "psycopg", "jinja2", "asyncio", "requests"}
print(code, sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", code, str(SHIPPED[0])], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0 []\n", done.stdout + done.stderr
