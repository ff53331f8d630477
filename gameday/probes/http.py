"""The `http` probe: status code, body text, a JSON value, or the seconds that an answer took."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Answer, Json
from gameday.probes.answers import NoAnswer, answer_of, seconds
from gameday.probes.fetching import LARGEST_BODY, Reply, fetch
from gameday.probes.jsonpath import Missing, find

if TYPE_CHECKING:
    import httpx


async def ask(probe: Mapping[str, Any], client: httpx.AsyncClient) -> Answer:
    """Ask `probe` (an `HttpProbe` in JSON, secrets revealed). Any status is an answer; so is a redirect.

    Raises:
        NoAnswer: as its kind says; `no_data` where the JSON path leads nowhere.
    """
    read = probe.get("read") or "status"
    if probe.get("path") is not None and read == "status":
        read = "json"
    body = probe.get("body")
    reply = await fetch(
        client,
        str(probe.get("url", "")),
        within=seconds(probe.get("timeout"), 5.0),
        method=str(probe.get("method") or "GET"),
        headers=probe.get("headers") or None,
        content=None if body is None else str(body).encode("utf-8", "replace"),
        with_body=read != "status",
    )
    if read == "status":
        return answer_of(reply.status, status=reply.status)
    if read == "latency":
        return answer_of(reply.took, status=reply.status, detail="" if reply.whole else _cut(reply))
    if read == "body":
        return answer_of(reply.text, status=reply.status, detail="" if reply.whole else _cut(reply))
    value = document_of(reply)
    try:
        value = find(value, str(probe.get("path") or "$"))
    except Missing as error:
        raise NoAnswer("no_data", str(error), reply.status) from None
    except ValueError as error:
        raise NoAnswer("error", f"the path {probe.get('path')!r} {error}", reply.status) from None
    if isinstance(value, _Constant):
        value = float(value)
    return answer_of(value, status=reply.status)


def document_of(reply: Reply) -> Json:
    """The reply's body as JSON.

    Raises:
        NoAnswer: `error`: it isn't JSON, whatever its label says; or larger than is read.
    """
    if not reply.whole:
        raise NoAnswer("error", f"not read as JSON: {_cut(reply)}", reply.status)
    try:
        return json.loads(reply.body, parse_constant=_constant, parse_float=_float)
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        label = f" labelled {reply.content_type}" if reply.content_type else ""
        detail = f"status {reply.status}{label}, not JSON ({reason}): {reply.excerpt}"
        raise NoAnswer("error", detail, reply.status) from None


class _Constant(str):
    """NaN or an infinity, in Prometheus's spelling: some servers write them, and JSON does not have them."""

    __slots__ = ()


def _constant(text: str) -> _Constant:
    return _Constant({"Infinity": "+Inf", "-Infinity": "-Inf"}.get(text, text))


def _float(text: str) -> float | _Constant:
    value = float(text)
    return value if math.isfinite(value) else _Constant("+Inf" if value > 0 else "-Inf")


def _cut(reply: Reply) -> str:
    return f"the reply is longer than {LARGEST_BODY} bytes, the rest was not read"
