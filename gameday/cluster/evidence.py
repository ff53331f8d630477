"""What the cluster itself says of the workloads that an exercise touches, as evidence for its journal.

Events, restarts, readiness, rollouts, and when a workload is whole again. Each kind of objects is followed in a thread
with a connection of its own (`streams`); what they bring is made sense of in one place (`scene`) and told at a
bounded rate. Reads only; what may not be read is missing, which is said once.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gameday.cluster.api import Api, Where
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.happenings import Happening, took
from gameday.cluster.pacing import Pace
from gameday.cluster.resources import DEPLOYMENTS, EVENTS, PODS, REPLICASETS, STATEFULSETS, right
from gameday.cluster.rollouts import history_of, recent
from gameday.cluster.scene import Recent, Scene, Subject
from gameday.cluster.services import Service, list_pods, owner_of, workload
from gameday.cluster.streams import FIRST, LONGEST, Message, follow
from gameday.errors import TargetError
from gameday.frozen import replace

Json = Any
_WAITING = 500
"""Messages that may wait to be made sense of; then the threads wait, and with them the server."""


def permissions(services: Mapping[str, Json]) -> list[str]:
    """The rights (`resources.right`) that the whole evidence needs; without them an exercise runs, and it is less."""
    found: list[str] = []
    for name, settings in services.items():
        its = _service(name, settings)
        kinds = [its.workload_resource] if its.workload else [DEPLOYMENTS, STATEFULSETS]
        followed = (PODS, EVENTS, *kinds)
        found += [right(verb, each, its.namespace) for each in followed for verb in ("list", "watch")]
        found += [right("get", each, its.namespace) for each in kinds]
        found += [right("list", history_of(each), its.namespace) for each in kinds]
        if not its.workload:
            # Which Deployment the pods are of is found through their ReplicaSet.
            found.append(right("get", REPLICASETS, its.namespace))
    return list(dict.fromkeys(found))


def watch(where: Where, services: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """Yields `{"observed": {...}}`, `{"warn": …}` and `{"hears": …}` (see `gameday.engine.following`); never ends.

    `services`: name -> its table of the target's settings. With `"standing": True` beside an observation it is how
    things stood when this began: news only for who does not know it.
    """
    # A sign of life, before anything is waited for.
    yield {}
    subjects = yield from _found(where, [_service(name, settings) for name, settings in services.items()])
    messages: queue.Queue[_Heard] = queue.Queue(_WAITING)
    scene = Scene(subjects)
    for stream in scene.streams():
        _start(lambda one=stream: follow(where, one, messages.put), messages)  # type: ignore[misc]
    _start(lambda: _look_back(where, subjects, messages.put), messages)
    pace, hears = Pace(), True
    while True:
        try:
            message = messages.get(timeout=scene.patience(pace.patience(time.monotonic())))
        except queue.Empty:
            message = None
        now = time.monotonic()
        if isinstance(message, Exception):
            raise message
        for happening in scene.take(message, now) if message is not None else ():
            yield from (told.item() for told in pace.admit(happening, now))
        yield from (told.item() for told in pace.due(now))
        yield from ({"warn": text} for text in scene.warnings(now))
        if scene.hears != hears:
            hears = scene.hears
            yield {"hears": hears}


def _start(work: Callable[[], None], messages: queue.Queue[_Heard]) -> None:
    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the follower, which says so
            messages.put(error)

    threading.Thread(target=run, daemon=True).start()


# --- what is watched -------------------------------------------------------------------------------------------------

_Heard = Message | Recent | Exception


def _service(name: str, settings: Mapping[str, Json]) -> Service:
    return Service(name=name, **{**settings, "external": tuple(settings.get("external", ()))})


def _found(where: Where, services: Sequence[Service]) -> Generator[dict[str, Json], None, list[Subject]]:
    """What to watch, as the generator's value; waits for a server that is gone, and says so once."""
    pause, since = FIRST, None
    while True:
        try:
            api = Api(where)
            found = [one for its in services if (one := _subject(api, its)) is not None]
        except (Unreachable, TargetError) as error:
            if since is None:
                since = time.monotonic()
                yield {"warn": f"no evidence until it is back: {error}", "hears": False}
            pause = min(2 * pause, LONGEST)
            time.sleep(pause)
        else:
            break
    if since is not None:
        told = f"heard after {took(time.monotonic() - since)}; what happened meanwhile is not known"
        yield {**Happening("event", "the API server", told).item(), "hears": True}
    watched = {name for one in found for name in one.services}
    if blind := [its.name for its in services if its.name not in watched]:
        yield {"warn": f"no evidence of {', '.join(blind)}: what runs it, and which pods are its, can't be found out"}
    return _merged(found)


def _subject(api: Api, its: Service) -> Subject | None:
    selector = its.selector
    try:
        if its.workload:
            runs = workload(api, its.workload_resource, its.namespace, its.workload_name)
            selector = selector or (runs.selector if runs is not None else "")
            return Subject((its.name,), its.namespace, its.workload_resource, its.workload_name, selector)
        owner = owner_of(api, list_pods(api, its.namespace, selector)) if selector else None
        if owner is not None:
            return Subject((its.name,), its.namespace, owner.resource, owner.name, selector)
    except Refused:
        # What is not allowed is said by the streams; what the settings say is left.
        if its.workload:
            return Subject((its.name,), its.namespace, its.workload_resource, its.workload_name, selector)
    return Subject((its.name,), its.namespace, None, its.name, selector) if selector else None


def _merged(found: Iterable[Subject]) -> list[Subject]:
    """Several services may stand for one workload."""
    merged: dict[tuple[str, str], Subject] = {}
    for one in found:
        key = (one.thing, one.selector)
        names = (*merged[key].services, *one.services) if key in merged else one.services
        merged[key] = replace(one, services=names)
    return list(merged.values())


def _look_back(where: Where, subjects: Iterable[Subject], tell: Callable[[_Heard], None]) -> None:
    for one in subjects:
        if one.resource is None:
            continue
        try:
            found = recent(Api(where), one.resource, one.namespace, one.name, time.time())
        except (Refused, Unreachable, TargetError) as error:
            tell(Recent((), f"recent rollouts of {one.thing}: {error}"))
        else:
            tell(Recent(tuple(replace(each, services=one.services) for each in found)))
