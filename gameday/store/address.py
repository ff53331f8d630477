"""Where a store is: a path or a URL, read once, and shown without its password ever after.

Loads no driver, so that the command line can look at an address without one.
"""

from __future__ import annotations

import os
import re
from dataclasses import field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from gameday.frozen import frozen
from gameday.store.errors import BadAddress

ENVIRONMENT = "GAMEDAY_STORE"


@frozen
class Address:
    kind: Literal["sqlite", "postgresql"]
    shown: str
    """For people and logs: holds no password."""
    path: Path | None = None
    """SQLite only; absolute."""
    read_only: bool = False
    url: str = field(default="", repr=False)
    """PostgreSQL only; may hold a password."""


def default_url() -> str:
    """`$GAMEDAY_STORE`, else an SQLite file under `$XDG_STATE_HOME` (or `~/.local/state`)."""
    said = os.environ.get(ENVIRONMENT, "")
    if said:
        return said
    return f"sqlite:///{default_folder() / 'gameday.db'}"


def default_folder() -> Path:
    """`$XDG_STATE_HOME/gameday`, or `~/.local/state/gameday`."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG rules say to ignore a relative path there.
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "gameday"


def canonical(text: str) -> str:
    """The same store under one name, however it was written: a control socket is found by it."""
    address = read_address(text)
    if address.kind == "sqlite":
        assert address.path is not None
        # A link to it is the same store.
        return f"sqlite:///{address.path.resolve()}" + ("?mode=ro" if address.read_only else "")
    return text


def read_address(text: str) -> Address:
    """An `Address` from a path or a URL.

    Raises:
        BadAddress: a kind of database that isn't known, an option that isn't, or no path.
    """
    if "://" not in text:
        return _sqlite(text, "", text)
    scheme, _, rest = text.partition("://")
    kind = scheme.partition("+")[0]
    if kind == "sqlite":
        body, _, query = rest.partition("?")
        if not body.startswith("/"):
            raise BadAddress(f"store {text!r}: an SQLite URL has three slashes, `sqlite:///path/to/file.db`")
        return _sqlite(body[1:], query, text)
    if kind in ("postgresql", "postgres"):
        # A driver may be named, and there is one: `postgresql+psycopg` is what other tools want to read.
        return Address("postgresql", shown=without_password(text), url=f"postgresql://{rest}")
    raise BadAddress(
        f"store {without_password(text)!r}: {kind!r} is no kind of store; known: a path, sqlite:///PATH, "
        "postgresql://USER@HOST/DATABASE"
    )


def _sqlite(path: str, query: str, text: str) -> Address:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = set(options) - {"mode"}
    if unknown or options.get("mode", "rw") not in ("ro", "rw"):
        raise BadAddress(f"store {text!r}: only `?mode=ro` (read, never write) can stand after the path")
    if not path or path == ":memory:":
        raise BadAddress(f"store {text!r}: a journal needs a file; one in memory would be gone with the process")
    if "\0" in path:
        raise BadAddress("the store's path holds a NUL character")
    full = Path(path).expanduser().absolute()
    return Address("sqlite", shown=str(full), path=full, read_only=options.get("mode") == "ro")


def without_password(url: str) -> str:
    """The URL with every password in it replaced by `***`."""
    try:
        has_user = "@" in urlsplit(url).netloc
    except ValueError:
        has_user = "@" in url
    if has_user:
        url = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url, count=1)
    return re.sub(r"((?:password|passfile|sslpassword)=)[^&]*", r"\1***", url)
