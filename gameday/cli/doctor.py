"""`gameday doctor`: is this machine fit for an exercise, and is anything left over from the last one?

Each check looks at one thing, says what it found, and what to do where that isn't well. It repairs nothing, and leaves
nothing behind but the folder for sockets.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from gameday.cli.options import store_option
from gameday.errors import Exit, GamedayError
from gameday.frozen import frozen

if TYPE_CHECKING:
    from gameday.targets.settings import Settings

State = Literal["ok", "warn", "fail"]
LONGEST_SOCKET = 100
"""Bytes of a Unix socket's path, with some room below the system's 108."""
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_LIBRARIES = {
    # module: (distribution, what doesn't work without it, can gameday do without it)
    "chaoslib": ("chaostoolkit-lib", "Chaos Toolkit activities", False),
    "chaosk8s": ("chaostoolkit-kubernetes", "faults on Kubernetes through chaosk8s", True),
    "kubernetes": ("kubernetes", "Kubernetes targets", True),
    "textual": ("textual", "the console", False),
    "httpx": ("httpx", "probes", False),
}


@frozen
class Finding:
    """What one check found. `do` is empty where there is nothing to do."""

    check: str
    state: State
    text: str
    do: str = ""
    target: str = ""
    """Whose target it is about; "" where it is about this machine."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects with check, state, text, do, target.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings, if not gameday.toml.")
@store_option
def doctor(as_json: bool, config: Path | None, store: str | None) -> int:
    """Check this machine, the settings, the clusters and the monitoring that they name, and the store.

    Ends with 1 where something must be put right before an exercise is started.
    """
    findings = []
    for finding in examine(config, store):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    wrong = [finding for finding in findings if finding.state == "fail"]
    failed = list(dict.fromkeys(f"{one.check}{f' of {one.target}' if one.target else ''}" for one in wrong))
    if failed:
        click.echo(f"Not fit for an exercise: {', '.join(failed)}.", err=True)
    return Exit.FAILED if failed else Exit.OK


def examine(config: Path | None = None, store: str | None = None) -> Iterator[Finding]:
    """All checks, one after the other."""
    yield from _guarded("python", _python)
    yield from _guarded("platform", _platform)
    yield from _guarded("libraries", _libraries)
    yield from _guarded("terminal", _terminal)
    settings: list[Settings] = []
    yield from _guarded("settings", lambda: _settings(config, settings))
    yield from _guarded("cluster", lambda: _clusters(settings))
    yield from _guarded("monitors", lambda: _monitors(settings))
    url = store or (settings[0].store.url if settings else None)
    yield from _guarded("store", lambda: _store(url))
    yield from _guarded("sockets", lambda: _sockets(url))
    yield from _guarded("sandbox", _sandbox)


def _guarded(check: str, look: Callable[[], Iterator[Finding]], target: str = "") -> Iterator[Finding]:
    """The findings of one check, or of one on one target; one that breaks is a finding, and the others still run."""
    try:
        yield from (replace(found, target=target) if target else found for found in look())
    except Exception as error:  # noqa: BLE001 - on a machine in any state, the doctor gets to the end
        text = f"{f'{target}: ' if target else ''}could not be checked: {type(error).__name__}: {error}"
        yield Finding(check, "fail", text, "please report this", target)


def _show(finding: Finding) -> None:
    state = click.style(f"{finding.state:<4}", fg=_COLOURS[finding.state], bold=finding.state != "ok")
    click.echo(f"{state}  {finding.check:<9}  {finding.text}")
    if finding.do:
        click.echo(f"{'':<17}→ {finding.do}")


def _python() -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    # An older one than 3.11 does not get as far as this.
    if sys.version_info >= (3, 14):
        yield Finding("python", "warn", f"{found} has not been tried", "use Python 3.11 to 3.13")
    else:
        yield Finding("python", "ok", f"{found} at {sys.executable}")


def _platform() -> Iterator[Finding]:
    from gameday.engine.processes import start_ticks

    if sys.platform != "linux":
        text = f"{sys.platform}: what a killed engine leaves behind can't all be collected here"
        yield Finding("platform", "warn", text, "run exercises with faults on Linux; tabletops run anywhere")
        return
    lacking = [what for what, there in _LINUX.items() if not there()]
    if start_ticks(os.getpid()) is None:
        lacking.append("/proc")
    if lacking:
        text = f"Linux {os.uname().release} without {', '.join(lacking)}"
        yield Finding("platform", "fail", text, "use a kernel from 5.3 on, with /proc mounted; a sandbox may forbid it")
    else:
        yield Finding("platform", "ok", f"Linux {os.uname().release} with subreaper, parent-death signal and pidfd")


def _can_prctl(option: int) -> bool:
    """Whether a PR_GET_… option is there. Asking changes nothing."""
    import ctypes

    value = ctypes.c_int(0)
    return bool(ctypes.CDLL(None).prctl(option, ctypes.byref(value), 0, 0, 0) == 0)


def _can_pidfd() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


_LINUX: dict[str, Callable[[], bool]] = {
    "subreaper": lambda: _can_prctl(37),  # PR_GET_CHILD_SUBREAPER
    "parent-death signal": lambda: _can_prctl(2),  # PR_GET_PDEATHSIG
    "pidfd": _can_pidfd,
}


def _libraries() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for module, (distribution, needed_for, optional) in _LIBRARIES.items():
        try:
            importlib.import_module(module)
            found.append(f"{module} {version(distribution)}")
        except PackageNotFoundError:
            found.append(module)
        except Exception as error:  # noqa: BLE001 - an import may fail in any way, and that is what is asked
            text = f"{module} can't be imported ({type(error).__name__}: {error}): no {needed_for}"
            yield Finding("libraries", "warn" if optional else "fail", text, f"pip install --upgrade {distribution}")
    if found:
        yield Finding("libraries", "ok", ", ".join(found))


def _terminal() -> Iterator[Finding]:
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        yield Finding("terminal", "ok", "none here: exercises run unattended, or with --plain")
        return
    columns, lines = shutil.get_terminal_size()
    name = os.environ.get("TERM", "")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if name in ("", "dumb"):
        yield Finding("terminal", "warn", f"TERM is {name!r}", "set TERM, e.g. xterm-256color, or run with --plain")
    elif encoding != "utf8":
        yield Finding("terminal", "warn", f"its encoding is {sys.stdout.encoding}", "set LANG to a UTF-8 locale")
    elif columns < 80 or lines < 24:
        text = f"{columns}×{lines} is small for the console"
        yield Finding("terminal", "warn", text, "make it at least 80×24, better 120×40")
    else:
        yield Finding("terminal", "ok", f"{name}, {columns}×{lines}")


def _settings(config: Path | None, found: list[Settings]) -> Iterator[Finding]:
    from gameday.targets.settings import load_settings

    try:
        settings = load_settings(explicit=config)
    except GamedayError as error:
        for line in str(error).splitlines():
            yield Finding("settings", "fail", line, "correct it")
        return
    found.append(settings)
    if settings.path is None:
        yield Finding("settings", "ok", "no gameday.toml, so everything has its default")
        return
    targets = ", ".join(sorted(settings.targets)) or "none of its own"
    yield Finding("settings", "ok", f"{settings.path}; targets: {targets}")
    for module in settings.policy.allow_modules:
        if module.partition(".")[0] in sys.stdlib_module_names:
            text = f"allow_modules has {module!r}, of Python itself: any scenario can then run any code"
            yield Finding("settings", "warn", text, "allow the modules of Chaos Toolkit extensions only")


def _clusters(found: list[Settings]) -> Iterator[Finding]:
    if not any(target.kind == "kubernetes" for settings in found for target in settings.targets.values()):
        return
    from gameday.cli.doctor_clusters import clusters, examine_cluster

    for target in clusters(found[0]):
        # Each by itself: what is wrong with one says nothing of what stands on another.
        yield from _guarded("cluster", partial(examine_cluster, target), target.name)


def _monitors(found: list[Settings]) -> Iterator[Finding]:
    if not any(settings.targets for settings in found):
        return
    from gameday.cli.doctor_monitors import examine_monitors, monitored

    for target in monitored(found[0]):
        yield from _guarded("monitors", partial(examine_monitors, target), target.name)


def _store(url: str | None) -> Iterator[Finding]:
    from gameday.store import default_url, open_store
    from gameday.store.address import read_address
    from gameday.store.errors import StoreEmpty, StoreMissing

    try:
        address = read_address(url or default_url())
        if address.path is not None and not address.path.exists():
            yield _future_store(address.path)
            return
        with open_store(url, create=False) as store:
            store.prove_writable()
            schema, left = store.schema(), store.unrecovered()
    except StoreEmpty as error:
        hint = (
            "restore it from a backup; `gameday recover --target NAME` finds what stands on a cluster; a run sets it up"
        )
        yield Finding("store", "fail", str(error), hint)
        return
    except StoreMissing:
        yield Finding("store", "ok", f"{address.shown} will be set up by the first exercise")
        return
    except GamedayError as error:
        yield Finding("store", "fail", str(error), "put that right, or name another store with --store")
        return
    yield Finding("store", "ok", f"{address.shown}, schema {schema}, can be written")
    for one in left:
        if one.status in ("running", "paused") and one.engine_alive:
            continue
        many = "s" if one.unrecovered != 1 else ""
        text = f"exercise {one.id} left {one.unrecovered} fault{many} on {one.target} ({one.environment})"
        yield Finding("leftovers", "fail", text, f"gameday recover {one.id}")


def _future_store(path: Path) -> Finding:
    """A store that the first exercise will make: can it?"""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding("store", "ok", f"{path} will be made by the first exercise")
    text = f"{path} can't be made: {folder} {'is not writable' if folder.is_dir() else 'is not a folder'}"
    return Finding("store", "fail", text, "make it writable, or name another store with --store")


def _sockets(url: str | None) -> Iterator[Finding]:
    """Abort goes by a Unix socket: can one be made where the guardian makes it?"""
    import socket
    import time

    from gameday.engine.control import make_ours, socket_path
    from gameday.store import default_url, new_exercise_id

    path = socket_path(new_exercise_id(time.time()), url or default_url())
    if len(os.fsencode(path)) >= LONGEST_SOCKET:
        yield Finding("sockets", "fail", f"{path} is too long for a socket", "set XDG_RUNTIME_DIR to a shorter path")
        return
    trial = path.with_suffix(".doctor")
    try:
        make_ours(path.parent)
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                listener.bind(str(trial))
            finally:
                trial.unlink(missing_ok=True)
    except OSError as error:
        text = f"no socket can be made in {path.parent}: {_why(error)}"
        yield Finding("sockets", "fail", text, "make it writable, or set XDG_RUNTIME_DIR to a folder of yours")
        return
    yield Finding("sockets", "ok", f"in {path.parent}")


def _why(error: OSError) -> str:
    """What the system said, or what we said of a folder that is not to be trusted."""
    return error.strerror or str(error).removesuffix(", so it is not used")


def _sandbox() -> Iterator[Finding]:
    from gameday.sandbox import control
    from gameday.sandbox.launch import VARIABLE
    from gameday.sandbox.processes import carrying

    folder = control.default_state_dir().expanduser().resolve()
    try:
        running = control.find()
        if running is not None:
            control.status(running)
            yield Finding("sandbox", "ok", f"up at {running.storefront}/ (pid {running.pid})")
            return
    except control.SandboxError as error:
        yield Finding("sandbox", "warn", str(error), "gameday sandbox down, then gameday sandbox up")
        return
    left = carrying(f"GAMEDAY_SANDBOX={folder}", f"{VARIABLE}=")
    if left or (folder / "sandbox.json").exists():
        what = f"processes {', '.join(map(str, left))}" if left else "its state file"
        yield Finding("sandbox", "warn", f"it was killed, and {what} stayed behind", "gameday sandbox down")
    else:
        yield Finding("sandbox", "ok", "not up; `gameday sandbox up` starts it, and so does a run that needs it")
