"""Worker processes: one activity each, forked by the guardian, in a session of their own, killable at any moment.

A worker runs a dotted name and knows nothing of chaos tools. Two kinds:

- a **gated** worker waits for one byte before it does anything, so that everybody who may have to kill it knows its pid
  first; a closed gate (the guardian died) means: never start. The kernel kills it when the guardian dies.
- an **undo** worker is forked when its fault is armed and waits on a pipe. `g` means undo now, and so does the pipe's
  end: if the guardian is gone, every armed fault is undone at once by its own worker. Only `x` sends it away.

Workers report in JSON lines on a pipe: `{"what": ..., "boot": CLOCK_BOOTTIME, ...}`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from gameday.engine.ports import BUT_UNWELL, Call, Json, announced
from gameday.engine.processes import (
    alive,
    boot_clock,
    carry,
    die_with,
    group_alive,
    group_runs,
    kill_group,
    kill_marked,
    start_ticks,
)
from gameday.frozen import replace, slotted

MARK = "GAMEDAY_FAULT"
"""Environment variable that names `exercise/entry` in everything an injection starts."""
UNDO_MARK = "GAMEDAY_UNDO"
"""The same for an undo: what an undo starts (a daemon, say) must not be killed with the injection."""
LARGEST = 1_000_000
"""A result of more bytes than this is cut down to a note."""
VERIFYING = 1.0
"""Seconds beyond its timeout in which the last look of a verification may come back."""
_POLL = 0.1
_PLAIN = (ValueError, RuntimeError, ImportError)


@slotted
class Worker:
    """The guardian's side of a worker."""

    pid: int
    start: int | None
    results: int
    """Read end of its report pipe."""
    control: int
    """Write end of its gate or command pipe; -1 when closed."""
    reaped: bool = False
    """Its own number may be used again; its group's not as long as the group has a member."""

    def tell(self, message: bytes) -> None:
        """Write to the worker; one that is dead is noticed by the guardian's reaping, not here."""
        if self.control >= 0:
            try:
                os.write(self.control, message)
            except BrokenPipeError:
                return

    def alive(self) -> bool:
        """Whether it, or anything in its group, may still run. Just forked, it may not have a group yet."""
        return group_alive(self.pid) or (not self.reaped and alive(self.pid, self.start))

    def kill(self) -> None:
        """SIGKILL it and its group."""
        kill_group(self.pid)
        if not self.reaped and alive(self.pid, self.start):
            os.kill(self.pid, signal.SIGKILL)

    def release(self) -> None:
        if self.control >= 0:
            os.close(self.control)
            self.control = -1


def function(name: str) -> Callable[..., Json]:
    """The function that `package.module:name` names. Raises ImportError or AttributeError."""
    module, _, attribute = name.partition(":")
    found: Callable[..., Json] = getattr(importlib.import_module(module), attribute)
    return found


def fork(body: Callable[[int, int], None], mark: tuple[str, str], *, keep: int = -1) -> Worker:
    """Fork a worker that runs `body(control, results)` and nothing else, with no descriptor of ours open but `keep`.

    Raises:
        OSError: no descriptors or no processes are left; nothing was forked and nothing stays open.
    """
    pipes: list[int] = []
    parent = os.getpid()
    try:
        for _ in range(2):
            pipes += os.pipe()
        pid = os.fork()
    except OSError:
        for descriptor in pipes:
            os.close(descriptor)
        raise
    control_read, control_write, results_read, results_write = pipes
    if pid == 0:
        code = 70
        try:
            _become_worker(control_read, results_write, mark, keep)
            body(control_read, results_write)
            code = 0
        except BaseException as error:
            # The last line of defence of a process that ends right here: say it and go.
            os.write(2, f"worker of {parent}: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    os.close(control_read)
    os.close(results_write)
    os.set_blocking(results_read, False)
    return Worker(pid, start_ticks(pid), results_read, control_write)


def _become_worker(control: int, results: int, mark: tuple[str, str], keep: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    # A report to a guardian that is gone must not kill an undo that is on its own. (Programs get the default back.)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    first = 3
    for kept in sorted(number for number in (control, results, keep) if number >= first):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX") if first <= 4096 else first + 4095)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    if mark[0] == MARK:
        carry(*mark)
    else:
        os.environ[mark[0]] = mark[1]


def report(results: int, what: str, **fields: Json) -> None:
    """One line to the guardian. A guardian that is gone is no reason to stop an undo."""
    message = {"what": what, "boot": boot_clock(), "wall": time.time(), **fields}
    try:
        line = json.dumps(message)
    except (TypeError, ValueError):
        line = json.dumps({**message, "output": repr(fields.get("output"))[:10_000]})
    if len(line) > LARGEST:
        line = json.dumps({**message, "output": f"(an output of {len(line)} bytes was left out)"})
    data = line.encode() + b"\n"
    try:
        while data:
            data = data[os.write(results, data) :]
    except BrokenPipeError:
        return


def words(error: BaseException) -> str:
    """An exception as one bounded line. Ours, and those whose class says nothing to a person, are only their text."""
    text = " ".join(str(error).split())
    kind = type(error)
    if text and (kind in _PLAIN or kind.__module__.partition(".")[0] == __name__.partition(".")[0]):
        return text[:2000]
    return f"{kind.__name__}: {text or 'no message'}"[:2000]


# --- gated workers -------------------------------------------------------------------------------------------------


def fork_gated(call: Call, mark: str, *, poll: float | None = None, not_after: float | None = None) -> Worker:
    """A worker that runs `call` once its gate opens; with `poll` (seconds) again and again until it holds.

    Woken up after `not_after` (boot clock), from a machine's sleep, say, it runs nothing.
    What returns an iterator (a generator) goes on: each of its items is reported as it comes. Where one announces a
    strike the gate has closed behind it: it goes on when it is opened again, and never when that doesn't happen.
    """
    parent = os.getpid()

    def body(control: int, results: int) -> None:
        die_with(parent)
        if os.read(control, 1) != b"g":
            return
        try:
            run = function(call.name)
            if not_after is not None and boot_clock() >= not_after:
                raise RuntimeError("it began too late: by then the target might have been another's; nothing was done")
            output = run(**call.args) if poll is None else poll_until(run, call.args, poll)
            if isinstance(output, Iterator):
                for item in output:
                    report(results, "item", output=item)
                    if announced(item) and os.read(control, 1) != b"g":
                        return
                output = None
        except Exception as error:
            report(results, "failed", error=words(error))
        except SystemExit as error:
            report(results, "failed", error=f"the activity tried to exit: {error.code}")
        else:
            report(results, "done", output=output)

    return fork(body, (MARK, mark))


def poll_until(run: Callable[..., Json], args: dict[str, Json], window: float) -> dict[str, Json]:
    """Ask until it holds or `window` seconds are over; the last answer, see `ports.Plan`."""
    deadline = time.monotonic() + window
    while True:
        try:
            got = run(**args)
            answer = {"holds": bool(got["holds"]), "evidence": str(got.get("evidence", ""))}
            if got.get("undone") and not answer["holds"]:
                answer["undone"] = True
        except Exception as error:
            answer = {"holds": False, "evidence": words(error)}
        if answer["holds"] or time.monotonic() >= deadline:
            return answer
        time.sleep(_POLL)


# --- undo workers --------------------------------------------------------------------------------------------------


def fork_undo(
    undo: Call | None, recovered: Call | None, mark: str, *, recovery: float = 60.0, claim: int = -1
) -> Worker:
    """A worker that holds one armed undo: prepared, waiting, and on its own when the guardian dies.

    On its own it tries for `recovery` seconds; under a guardian once, since the guardian sees to the rest. `claim`: the
    descriptor of the claim to the target, which stays claimed for as long as an undo may be under way.
    """

    def body(control: int, results: int) -> None:
        # Only the guardian, or its end, moves this one: a Ctrl-C or a lost terminal must not take the undo away.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        try:
            run = _prepare(undo)
        except Exception as error:
            report(results, "unprepared", error=words(error))
            raise
        holds = function(recovered.name) if recovered is not None else None
        report(results, "ready")
        order, groups, clean, struck = wait_for_order(control)
        if order == "stay":
            return
        if order == "go":
            _attempt(results, undo, run, _knowing(recovered, struck), holds)
            return
        for group in groups:
            if not _reused(group, groups):
                kill_group(group)
        until = time.monotonic() + recovery
        tries = 0
        while True:
            tries += 1
            left = max(until - time.monotonic(), recovery / 3)
            done = _attempt(results, undo, run, recovered, holds, alone=left)
            over = tries > 1 and time.monotonic() >= until
            if not clean:
                # The injection may have been alive when that went out: make sure that it is dead, then undo again.
                clean = _wait_dead(groups, mark)
                if over and not clean:
                    # It can't be killed. To go on for ever would take away what a later exercise injects.
                    return
            elif done or over:
                return
            else:
                time.sleep(0.2)

    return fork(body, (UNDO_MARK, mark), keep=claim)


def _prepare(undo: Call | None) -> Callable[..., Json] | None:
    if undo is None:
        return None
    run = function(undo.name)
    module, _, name = undo.name.partition(":")
    prepare = getattr(importlib.import_module(module), f"prepare_{name}", None)
    if prepare is not None:
        prepare(**undo.args)
    return run


def _knowing(recovered: Call | None, struck: list[Json]) -> Call | None:
    """The verification, told what may have been struck last where it asks for that; see `ports.Plan`."""
    if recovered is None or not struck:
        return recovered
    args = dict(recovered.args)
    if "struck" in args:
        args["struck"] = struck
    if "calls" in args:
        # Several verifications at once, see `composed`.
        calls = [_knowing(Call.from_json(one), struck) for one in args["calls"]]
        args["calls"] = [one.to_json() for one in calls if one is not None]
    return replace(recovered, args=args)


def wait_for_order(control: int) -> tuple[str, dict[int, int | None], bool, list[Json]]:
    """Read the command pipe: what to do, groups to kill before (see `_reused`), whether nothing was ever injected, and
    what may have been struck last.

    Lines: `k<group>` kill it should you be alone; `d<group>` not any more, since it is gone and its number may become
    another's; `t` something was injected, and its group is gone; `s<JSON>` what may have been struck last; `g` go; `x`
    stay away. The end means: alone, go.
    """
    struck: list[Json] = []
    groups: dict[int, int | None] = {}
    clean = True
    buffer = b""
    while True:
        chunk = os.read(control, 4096)
        if not chunk:
            return "alone", groups, clean, struck
        buffer += chunk
        while b"\n" in buffer:
            line, buffer = buffer.split(b"\n", 1)
            if line[:1] == b"k":
                groups[int(line[1:])] = start_ticks(int(line[1:]))
                clean = False
            elif line[:1] == b"d":
                groups.pop(int(line[1:]), None)
            elif line == b"t":
                clean = False
            elif line[:1] == b"s":
                struck = json.loads(line[1:])
            elif line == b"g":
                return "go", groups, clean, struck
            elif line == b"x":
                return "stay", groups, clean, struck


def _reused(group: int, starts: dict[int, int | None]) -> bool:
    """Whether the number of a group is another's by now. `starts`: when each leader started, None if it had ended.

    A group's number is not given to a new process as long as the group has a member.
    """
    now = start_ticks(group)
    return now is not None and now != starts[group]


class _Overdue(BaseException):
    """Time is over. No `Exception`, so that nothing which merely goes on after errors swallows it."""


@contextlib.contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Nobody is left to kill an undo that hangs: have it interrupted, as TimeoutError. None: somebody is left."""
    if seconds is None:
        yield
        return

    def interrupt(*_: object) -> None:
        raise _Overdue

    signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Overdue:
        raise TimeoutError(f"it took longer than its timeout of {seconds:g} s") from None


def _attempt(
    results: int,
    undo: Call | None,
    run: Callable[..., Json] | None,
    recovered: Call | None,
    holds: Callable[..., Json] | None,
    *,
    alone: float | None = None,
) -> bool:
    """Undo and verify once; whether the fault is gone. Without a guardian to limit it: `alone`, the seconds left."""
    if undo is not None and run is not None:
        report(results, "sent")
        try:
            with _limited(None if alone is None else min(undo.timeout, alone)):
                run(**undo.args)
        except Exception as error:
            # What a person may type, where only a person can go on.
            commands = [str(one) for one in getattr(error, "commands", ())]
            report(results, "failed", error=words(error), **({"commands": commands} if commands else {}))
            return False
        except SystemExit as error:
            report(results, "failed", error=f"the undo tried to exit: {error.code}")
            return False
        report(results, "undone")
    if recovered is None or holds is None:
        what = "the undo returned" if run is not None else "it passes by itself and has no undo"
        report(results, "recovered", evidence=f"{what}; nothing was declared to verify it with")
        return True
    try:
        with _limited(None if alone is None else recovered.timeout + VERIFYING):
            answer = poll_until(holds, recovered.args, recovered.timeout)
    except TimeoutError as error:
        report(results, "failed", error=f"not recovered: the verification hung: {error}")
        return False
    if answer["holds"]:
        report(results, "recovered", evidence=answer["evidence"])
    else:
        unwell = {"unwell": answer["evidence"]} if answer.get("undone") else {}
        how = BUT_UNWELL if unwell else "not recovered: "
        report(results, "failed", error=f"{how}{answer['evidence']}", **unwell)
    return bool(answer["holds"])


def _wait_dead(groups: dict[int, int | None], mark: str, limit: float = 5.0) -> bool:
    """Until nothing of an injection is left; False where something still was after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        escaped = kill_marked(f"{MARK}={mark}")
        left = [group for group in groups if group_runs(group) and not _reused(group, groups)]
        if not escaped and not left:
            return True
        if time.monotonic() >= deadline:
            return False
        for group in left:
            kill_group(group)
        time.sleep(0.01)


def parse(line: bytes) -> dict[str, Any]:
    """One report line of a worker; a line that a dying worker left half-written reads as a failure."""
    try:
        message: dict[str, Any] = json.loads(line)
        return message
    except ValueError:
        return {"what": "failed", "error": "the worker died while it was reporting", "boot": boot_clock()}
