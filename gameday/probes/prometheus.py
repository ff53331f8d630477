"""The `prometheus` probe: one number from an instant query.

Reply form: https://prometheus.io/docs/prometheus/latest/querying/api/ (instant queries). One series or a scalar is a
value; none is `no_data`, several are `many`: a query that is to watch something must say which number it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Answer
from gameday.probes.answers import NoAnswer, answer_of, excerpt, seconds
from gameday.probes.fetching import fetch
from gameday.probes.http import document_of

if TYPE_CHECKING:
    import httpx

_LONGEST_IN_ADDRESS = 1500
"""Characters of a query that still go into the address; longer ones are posted."""


async def ask(probe: Mapping[str, Any], client: httpx.AsyncClient) -> Answer:
    """Ask `probe` (a `PrometheusProbe` in JSON, secrets revealed).

    Raises:
        NoAnswer: as its kind says.
    """
    within = seconds(probe.get("timeout"), 5.0)
    query = str(probe.get("query", ""))
    # The server stops working on it when we have stopped waiting.
    asked = {"query": query, "timeout": f"{max(int(within * 1000), 1)}ms"}
    short = len(query) <= _LONGEST_IN_ADDRESS
    reply = await fetch(
        client,
        str(probe.get("url", "")).rstrip("/") + "/api/v1/query",
        within=within,
        method="GET" if short else "POST",
        headers=probe.get("headers") or None,
        params=asked if short else None,
        form=None if short else asked,
    )
    return read(document_of(reply), reply.status)


def read(document: Any, status: int | None = None) -> Answer:
    """The answer in a reply of the API.

    Raises:
        NoAnswer: `error` where it isn't such a reply, or one that has no number; else as its kind says.
    """
    if not isinstance(document, Mapping) or document.get("status") not in ("success", "error"):
        raise NoAnswer(
            "error", f"status {status}, JSON, but not Prometheus's form: {excerpt(str(document)[:1000])}", status
        )
    if document["status"] == "error":
        said = f"{document.get('errorType', 'error')}: {document.get('error', 'no reason given')}"
        raise NoAnswer("error", f"Prometheus says {excerpt(said)}", status)
    data = document.get("data")
    kind = data.get("resultType") if isinstance(data, Mapping) else None
    result = data.get("result") if isinstance(data, Mapping) else None
    if kind == "scalar":
        return answer_of(_number(result, status), status=status)
    if kind in ("matrix", "string"):
        advice = "a range; ask for an instant, e.g. last_over_time(…)" if kind == "matrix" else "text, not a number"
        raise NoAnswer("error", f"the query's result is a {kind}: {advice}", status)
    if kind != "vector" or not isinstance(result, list):
        raise NoAnswer("error", f"a result of unknown type {excerpt(str(kind))!r}", status)
    warnings = document.get("warnings")
    told = f"; warnings: {excerpt('; '.join(map(str, warnings)))}" if isinstance(warnings, list) and warnings else ""
    if not result:
        raise NoAnswer("no_data", f"the query found no series{told}", status)
    if len(result) > 1:
        names = ", ".join(_series(one) for one in result[:3]) + (", …" if len(result) > 3 else "")
        # What to do comes first: labels are long, and are the first thing to be cut off.
        raise NoAnswer("many", f"the query found {len(result)} series, sum() them or name one: {names}{told}", status)
    if not isinstance(result[0], Mapping) or "value" not in result[0]:
        raise NoAnswer("error", "the series has no number (a native histogram?): use histogram_quantile(…)", status)
    return answer_of(_number(result[0]["value"], status), status=status, detail=told.removeprefix("; "))


def _number(pair: Any, status: int | None) -> float:
    """Of `[unix seconds, "text of the number"]`."""
    if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], str | int | float):
        try:
            return float(pair[1])
        except (ValueError, OverflowError):
            pass
    raise NoAnswer("error", f"not a number with its time: {excerpt(str(pair)[:1000])}", status)


def _series(one: Any) -> str:
    labels = one.get("metric") if isinstance(one, Mapping) else None
    if not isinstance(labels, Mapping):
        return "{}"
    name = labels.get("__name__", "")
    rest = ",".join(f"{key}={value!r}" for key, value in labels.items() if key != "__name__")
    return excerpt(f"{name}{{{rest}}}")
