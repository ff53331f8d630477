"""Runs one Chaos Toolkit activity, through that tool's activity layer and never through its Runner.

The Runner decides when to undo, and decides wrongly when it is interrupted; here every activity is one call in a worker
that can be killed, and nothing more: no pauses, controls, references, background or dry modes, no journal. So nothing
of chaoslib's global state is read or written, and the layer that is used is the same in all its versions.
Time limits are the worker's; whatever an activity starts stays in the worker's process group and dies with it.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import re
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gameday.engine.ports import Json
from gameday.errors import TargetError
from gameday.exercise.values import in_short
from gameday.faults import secrets as secret_places
from gameday.faults.secrets import Scrubber

LARGEST_OUTPUT = 100_000
"""Characters of JSON; of a larger output the beginning is kept, as text."""
SHOWN = 1000
"""Characters of an output that was judged, and is shown beside the judgement."""
HTTP_TIMEOUT = 10.0
"""Seconds that an HTTP activity waits for each read unless it says otherwise; Chaos Toolkit would wait for ever."""

_REHEARSAL = 0.5
"""Seconds that each step of a rehearsal may take."""

_KEYS = {
    "python": ("module", "func", "arguments"),
    "http": ("url", "method", "headers", "arguments", "timeout", "verify_tls", "max_retries"),
    "process": ("path", "arguments"),
}
"""What each kind of provider reads; everything else is left out."""

_HEADER = re.compile(r"(header value)\b.*", re.IGNORECASE | re.DOTALL)
"""What HTTP libraries say of one that can't be sent, a log-in's token say: the value follows."""

_UNTOLD = (
    "the journal does not say how the cluster was reached that this is for, and the one that is current now is not "
    "taken: it was not run. Run it yourself, led to that cluster"
)


class ActivityFailed(RuntimeError):
    """An activity failed, or was not one; the message is its own, without secrets."""


def load(provider: Mapping[str, Json]) -> None:
    """Import what running this provider needs. Raises ImportError where its module or function isn't there."""
    import importlib

    import chaoslib.activity
    import chaoslib.configuration  # noqa: F401

    if provider["type"] == "python":
        module = importlib.import_module(str(provider["module"]))
        if not callable(getattr(module, str(provider["func"]), None)):
            raise ImportError(f"{provider['module']} has no function {provider['func']!r}")


def unlock(provider: Mapping[str, Json]) -> None:
    """Read the secrets of this provider once, so that they are known to be there, and are kept should they go away.

    Raises:
        RuntimeError: one is not there; the message says which.
    """
    for where in places(provider):
        secret_places.read(where)


def places(provider: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Where the secrets are whose places stand in the provider itself. Raises ValueError where that says no place."""
    own = provider.get("secrets")
    found = (
        [each for group in secret_places.groups(own).values() for each in group.values()]
        if isinstance(own, Mapping)
        else []
    )
    headers = (provider.get("headers") or {}).values()
    return found + [where for where in map(secret_places.place, headers) if where is not None]


def rehearse() -> None:
    """Make one HTTP request as an activity would, to a socket of our own.

    The first request of a forked process costs 9 ms of processor: imports put off until then, pages copied. An undo
    that waits to be sent has the time for that beforehand; the next request takes 3 ms.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_REHEARSAL)
        answering = threading.Thread(target=_answer_once, args=[server], daemon=True)
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        # Where it can't be rehearsed (behind a proxy, say) the undo is slower, and that is all.
        with suppress(ActivityFailed):
            act({"type": "http", "url": url, "timeout": _REHEARSAL}, {}, {})
        answering.join()


def _answer_once(server: socket.socket) -> None:
    try:
        with server.accept()[0] as connection:
            connection.settimeout(_REHEARSAL)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    except OSError:
        return  # nobody came


def act(
    provider: Mapping[str, Json],
    configuration: Mapping[str, Json],
    secrets: Mapping[str, Json],
    *,
    cluster: Mapping[str, Json] | None = None,
    gone_is_fine: bool = False,
) -> Json:
    """Run an action; returns its output as JSON. `gone_is_fine`: deleting what is not there is a success.

    `cluster`: how the target is reached, where that is a cluster; it is the only one then that the action is led to.

    Raises:
        ActivityFailed: it raised, an HTTP answer has a status of 400 or more, or a process exited with other than 0.
    """
    output = _run(provider, configuration, secrets, {}, cluster)
    if isinstance(output, dict) and provider["type"] in ("http", "process"):
        status = output.get("status")
        gone = gone_is_fine and provider.get("method") == "DELETE" and status in (404, 410)
        if provider["type"] == "http" and isinstance(status, int) and status >= 400 and not gone:
            raise ActivityFailed(f"{provider['url']} answered {status}: {in_short(output.get('body'), 300)}")
        if provider["type"] == "process" and status != 0:
            said = str(output.get("stderr") or output.get("stdout") or "").strip()
            raise ActivityFailed(f"{provider['path']} exited with {status}: {said[-300:] or 'it said nothing'}")
    return output


def ask(
    provider: Mapping[str, Json],
    configuration: Mapping[str, Json],
    secrets: Mapping[str, Json],
    *,
    cluster: Mapping[str, Json] | None = None,
) -> Json:
    """Run a probe; returns its output as JSON, whatever status it carries. Raises ActivityFailed where it raised.

    `cluster`: as in `act`.
    """
    # With a tolerance chaoslib knows that a bad status may be just what is asked for.
    return _run(provider, configuration, secrets, {"tolerance": True}, cluster)


def _run(
    provider: Mapping[str, Json],
    configuration: Mapping[str, Json],
    secrets: Mapping[str, Json],
    extra: Mapping[str, Json],
    cluster: Mapping[str, Json] | None,
) -> Json:
    from chaoslib.activity import run_activity
    from chaoslib.configuration import load_configuration

    kind = str(provider.get("type"))
    if kind not in _KEYS:
        raise ActivityFailed(f"an activity is of type python, http or process, not {kind!r}")
    found = _read_secrets(provider, secrets)
    headers = _read_headers(provider)
    hidden = [value for group in found.values() for name, value in group.items() if name not in secret_places.PLAIN]
    scrubber = Scrubber([*hidden, *headers.values()])
    plain = {key: provider[key] for key in _KEYS[kind] if provider.get(key) is not None}
    made: dict[str, Any] = {"type": kind, **plain, "secrets": list(found)}
    if kind == "http":
        made["headers"] = {**(provider.get("headers") or {}), **headers}
        made["timeout"] = _timeout(provider.get("timeout"))
    if kind == "process" and shutil.which(os.path.expanduser(str(provider.get("path")))) is None:  # noqa: PTH111
        raise ActivityFailed(f"there is no program {provider.get('path')!r}")
    activity = {"type": "action", "name": "activity", "provider": made, **extra}
    try:
        with _quiet(), led_to(provider, cluster), _environment(found if kind == "process" else {}):
            settings = load_configuration({**configuration, **(provider.get("configuration") or {})})
            # A process finds secrets in its environment: substituted into its arguments, everybody could read them.
            seen = {} if kind == "process" else found
            output = run_activity(activity, settings, seen)
            if extra and provider.get("tolerance") is not None:
                met = _tolerated(provider["tolerance"], output, settings, found)
                output = {"met": met, "output": _beginning(as_json(output))}
    except SystemExit as error:
        raise ActivityFailed(f"the activity tried to exit with {error.code!r}") from None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this activity's failure
        raise ActivityFailed(bounded(scrubber.clean(_words(error)))) from None
    try:
        return bounded(scrubber.clean(as_json(output)))
    except RecursionError:
        return f"<{type(output).__name__}, nested too deeply>"


@contextmanager
def led_to(provider: Mapping[str, Json], cluster: Mapping[str, Json] | None) -> Iterator[None]:
    """Whatever the provider runs finds its way to the target's cluster, and by itself to no other.

    Where the way can't be had, or whether it leads to the same cluster as ever can't be asked, a program or function
    that may have nothing to do with the cluster is run all the same (an undo is not to fail for that), and finds none.

    Raises:
        ActivityFailed: another cluster answers there now; or this is chaosk8s, and the way can't be had, or not by it.
    """
    if cluster is None:
        yield
        return
    from gameday.cluster.lending import lent

    with lent(way_for(provider, cluster)):
        yield


def way_for(provider: Mapping[str, Json], cluster: Mapping[str, Json], *, ahead: bool = False) -> dict[str, Json]:
    """The kubeconfig that `led_to` lends. `ahead`: it is not to be used yet, so a cluster that does not answer now is
    no reason to fail. Raises as `led_to`."""
    from gameday.cluster.errors import AnotherCluster
    from gameday.cluster.lending import beyond_python, kubeconfig_of, nowhere, recognise

    if not (cluster.get("context") or cluster.get("in_cluster")):
        if _logs_in(provider):
            raise ActivityFailed(_UNTOLD)
        return nowhere(cluster)
    try:
        kubeconfig = kubeconfig_of(cluster)
        if any(part.get("type") == "python" for part in _parts(provider)) and (
            why := beyond_python(cluster, kubeconfig)
        ):
            raise TargetError(why)
        if _logs_in(provider):
            recognise(cluster, ahead=ahead)
    except AnotherCluster as error:
        raise ActivityFailed(
            f"{error}: it was not run. See that the tunnel or kubeconfig leads to the first one again; what is not "
            "undone by then, `gameday recover` undoes"
        ) from None
    except TargetError as error:
        if by_chaosk8s(provider):
            raise ActivityFailed(str(error)) from None
        kubeconfig = nowhere(cluster)
    return kubeconfig


def _logs_in(provider: Mapping[str, Json]) -> bool:
    """Whether any of it may log in to a cluster; an HTTP request has an address of its own."""
    return any(part.get("type") != "http" for part in _parts(provider))


def by_chaosk8s(provider: Mapping[str, Json]) -> bool:
    """Whether any of it is chaosk8s's."""
    return any(str(part.get("module", "")).partition(".")[0] == "chaosk8s" for part in _parts(provider))


def _parts(provider: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """The provider, and that which judges what it says, where its tolerance is one."""
    tolerance = provider.get("tolerance")
    judge = tolerance.get("provider") if isinstance(tolerance, Mapping) else None
    return [each for each in (provider, judge) if isinstance(each, Mapping)]


def _tolerated(tolerance: Json, output: Any, configuration: Mapping[str, Json], secrets: Mapping[str, Json]) -> bool:
    """Whether the output is within the tolerance, by that tool's own rules; what these stumble over is not."""
    from chaoslib import substitute
    from chaoslib.hypothesis import within_tolerance

    if isinstance(tolerance, str):
        tolerance = substitute(tolerance, configuration, secrets)
    if isinstance(tolerance, Mapping):
        # It puts the value into the arguments of a tolerance that is a probe.
        tolerance = copy.deepcopy(dict(tolerance))
        if isinstance(tolerance.get("provider"), dict):
            tolerance["provider"].setdefault("arguments", {})
    try:
        return bool(within_tolerance(tolerance, output, configuration, secrets))
    except Exception as error:  # noqa: BLE001 - a tolerance meets values that it was not made for, and may be code
        raise ActivityFailed(f"its tolerance can't judge {str(as_json(output))[:200]}: {_words(error)}") from None


def _read_secrets(provider: Mapping[str, Json], secrets: Mapping[str, Json]) -> dict[str, dict[str, str]]:
    """All secrets that the provider may use, by group: those it names, and those whose places stand in itself."""
    own = provider.get("secrets") or {}
    if isinstance(own, Mapping):
        places = secret_places.groups(own)
    else:
        there = secret_places.groups(secrets)
        unknown = [name for name in own if name not in there]
        if unknown:
            raise ActivityFailed(f"no secrets are called {', '.join(map(str, unknown))}")
        places = {name: there[name] for name in own}
    return {group: {name: secret_places.read(each) for name, each in inner.items()} for group, inner in places.items()}


def _read_headers(provider: Mapping[str, Json]) -> dict[str, str]:
    """The headers that are secrets."""
    headers = provider.get("headers") or {}
    places = {name: secret_places.place(value) for name, value in headers.items()}
    return {name: secret_places.read(each) for name, each in places.items() if each is not None}


def _timeout(value: Json) -> Json:
    from gameday.faults.activity import seconds

    return [seconds(each) for each in value] if isinstance(value, list) else seconds(value) or HTTP_TIMEOUT


@contextmanager
def _quiet() -> Iterator[None]:
    """No logging, and nothing on stderr, which is the exercise's log: chaoslib logs substituted secrets at debug level,
    urllib3 whole URLs, extensions print anything."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
        logging.disable(before)


@contextmanager
def _environment(found: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """The secrets, by their names, in the environment of what is started."""
    added = {name: value for group in found.values() for name, value in group.items()}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _words(error: Exception) -> str:
    """What went wrong, as chaoslib says it if it was chaoslib's own exception, else with the exception's name."""
    from chaoslib.exceptions import ChaosException

    text = _HEADER.sub(r"\1 (not shown: it may be a secret)", str(error)) or "no reason given"
    return text if isinstance(error, ChaosException) else f"{type(error).__name__}: {text}"


def as_json(output: Any) -> Json:
    """`output` as JSON gives it back, or its `repr` where JSON has no word for it. NaN by itself stays a number."""
    if isinstance(output, float) and math.isnan(output):
        return output
    try:
        return json.loads(json.dumps(output, allow_nan=False))
    except Exception:  # noqa: BLE001 - an activity returns any object whatsoever, with any __iter__ and __repr__
        try:
            return repr(output)
        except Exception:  # noqa: BLE001 - as above
            return f"<{type(output).__name__}>"


def bounded(value: Json) -> Json:
    """`value`, or if it is larger than `LARGEST_OUTPUT` its beginning, as text."""
    if isinstance(value, str) and len(value) <= LARGEST_OUTPUT // 2:
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) <= LARGEST_OUTPUT:
        return value
    return f"{text[:LARGEST_OUTPUT]}… ({len(text)} characters)"


def _beginning(value: Json) -> Json:
    if isinstance(value, dict) and {"status", "body"} <= value.keys():
        # Of an HTTP answer that is what is judged; the headers alone would fill the room.
        return {"status": value["status"], "body": _beginning(value["body"])}
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def program(path: str) -> Path | None:
    """Where the program of a process activity is, or None."""
    found = shutil.which(os.path.expanduser(path))  # noqa: PTH111
    return Path(found) if found else None
