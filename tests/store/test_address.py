"""Paths and URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameday.errors import Exit
from gameday.store import default_url, open_store
from gameday.store.address import canonical, read_address, without_password
from gameday.store.errors import BadAddress


def test_the_default_is_a_file_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GAMEDAY_STORE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_url() == f"sqlite:///{tmp_path}/gameday/gameday.db"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_url() == f"sqlite:///{tmp_path}/.local/state/gameday/gameday.db"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_url() == f"sqlite:///{tmp_path}/.local/state/gameday/gameday.db"
    monkeypatch.setenv("GAMEDAY_STORE", "/elsewhere.db")
    assert default_url() == "/elsewhere.db"


def test_a_path_and_a_url_mean_the_same_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = tmp_path / "a b.db"
    for text in (str(wanted), "a b.db", f"sqlite:///{wanted}", "sqlite:///a b.db"):
        assert read_address(text).path == wanted, text
    assert read_address("~/x.db").path == Path.home() / "x.db"


@pytest.mark.parametrize("name", ["odd ?#%20.db", "grün.db", "a'b\".db"])
def test_any_name_is_a_name(tmp_path: Path, name: str) -> None:
    open_store(str(tmp_path / name)).close()
    assert (tmp_path / name).stat().st_size > 0
    assert {file.name for file in tmp_path.iterdir()} == {name}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mysql://u:s3cret@h/d", "'mysql' is no kind of store"),
        ("sqlite://x.db", "three slashes"),
        ("sqlite:///x.db?mode=rwc", "mode=ro"),
        ("sqlite:///x.db?timeout=5", "mode=ro"),
        ("sqlite:///:memory:", "needs a file"),
        (":memory:", "needs a file"),
        ("", "needs a file"),
        ("a\0b", "NUL"),
    ],
)
def test_what_cannot_be_used_is_invalid_input(text: str, why: str) -> None:
    with pytest.raises(BadAddress, match=why) as wrong:
        read_address(text)
    assert wrong.value.exit_code == Exit.INVALID
    assert "s3cret" not in str(wrong.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:s3cret@db.example.com/g", "postgresql://ada:***@db.example.com/g"),
        ("postgresql://ada:s3:c@ret@db.example.com/g", "postgresql://ada:***@db.example.com/g"),
        ("postgresql://db/g?user=ada&password=s3cret&x=1", "postgresql://db/g?user=ada&password=***&x=1"),
        ("postgresql://ada@db/g", "postgresql://ada@db/g"),
    ],
)
def test_passwords_are_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
    assert read_address(url).shown == shown
    assert "s3" not in repr(read_address(url))


def test_postgres_urls_get_the_driver_that_is_there() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"):
        assert read_address(f"{scheme}://h/d").url == "postgresql://h/d"


def test_a_link_to_a_store_is_the_same_store(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    (tmp_path / "link.db").symlink_to(tmp_path / "store.db")
    assert canonical(str(tmp_path / "link.db")) == canonical(str(tmp_path / "store.db"))
