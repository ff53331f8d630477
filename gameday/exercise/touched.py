"""What a fault touches, in one line: pods of one workload by their names alone, with what they share said once.

The journal has each by itself, in full. Nothing is looked up here; names that are not pods stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from gameday.patterns import pattern

_POD = pattern(r"pod (?P<namespace>[^/\s]+)/(?P<name>\S+) \((?P<owner>.+?)(?:, on (?P<node>[^,()]+))?\)")


def together(names: Sequence[str], most: int | None = None) -> str:
    """`pods shop/web-1, web-2 (ReplicaSet web, on worker-1)` for two pods that are named alike; at most `most` names.

    Where they run on several nodes, each has its own: `pods shop/web-1 on worker-1, web-2 on worker-2 (ReplicaSet
    web)`.
    """
    shown = list(names if most is None else names[:most])
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in shown:
        pod = _POD.fullmatch(name)
        groups.setdefault((name,) if pod is None else (pod["namespace"], pod["owner"]), []).append(name)
    said = [_group(group) for group in groups.values()]
    more = len(names) - len(shown)
    between = "; " if any(len(group) > 1 for group in groups.values()) else ", "
    return between.join(said) + (f" and {more} more" if more > 0 else "")


def _group(names: Sequence[str]) -> str:
    pods = [pod for pod in map(_POD.fullmatch, names) if pod is not None]
    if len(names) == 1 or not pods:
        return names[0]
    first = pods[0]
    nodes = {pod["node"] for pod in pods}
    if len(nodes) == 1:
        about = f"{first['owner']}, on {first['node']}" if first["node"] else first["owner"]
        return f"pods {first['namespace']}/{', '.join(pod['name'] for pod in pods)} ({about})"
    each = [f"{pod['name']} on {pod['node'] or 'no node'}" for pod in pods]
    return f"pods {first['namespace']}/{', '.join(each)} ({first['owner']})"
