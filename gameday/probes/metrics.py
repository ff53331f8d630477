"""The `metrics` probe: one number from a Prometheus text page, no Prometheus server needed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Answer
from gameday.probes.answers import NoAnswer, answer_of, excerpt, seconds
from gameday.probes.fetching import LARGEST_BODY, fetch
from gameday.probes.page import NotAPage, Series, read

if TYPE_CHECKING:
    import httpx

_SMALL = 32 * 1024
"""Characters of a page that are read on the spot."""
_ACCEPT = {"accept": "text/plain;version=0.0.4, text/plain;q=0.9, */*;q=0.1"}


async def ask(probe: Mapping[str, Any], client: httpx.AsyncClient) -> Answer:
    """Ask `probe` (a `MetricsProbe` in JSON).

    Raises:
        NoAnswer: as its kind says; `many` where several series fit and `combine` doesn't say how they become one.
    """
    name = str(probe.get("name", ""))
    within = seconds(probe.get("timeout"), 5.0)
    reply = await fetch(client, str(probe.get("url", "")), within=within, headers=_ACCEPT)
    if not 200 <= reply.status < 300:
        raise NoAnswer("error", f"status {reply.status} where a metrics page was due: {reply.excerpt}", reply.status)
    if "html" in reply.content_type.lower():
        raise NoAnswer("error", f"HTML where a metrics page was due: {reply.excerpt}", reply.status)
    # The last line of a page that was cut may be half a number.
    page = reply.text if reply.whole else reply.text.rpartition("\n")[0]
    try:
        # Thousands of series take a tenth of a second: in a thread, the loop gets its turns meanwhile.
        found = await asyncio.to_thread(read, page, name) if len(page) > _SMALL else read(page, name)
    except NotAPage as error:
        raise NoAnswer("error", f"no metrics page: {excerpt(str(error))}", reply.status) from None
    if not reply.whole and not found.ended:
        where = "breaks off inside" if found.samples else "has no"
        raise NoAnswer("error", f"the first {LARGEST_BODY} bytes of the page: it {where} {name}", reply.status)
    value = number_of(found, probe.get("labels") or {}, probe.get("combine"), name, reply.status)
    return answer_of(value, status=reply.status)


def number_of(found: Series, labels: Mapping[str, str], combine: str | None, name: str, status: int | None) -> float:
    """One number out of a metric's series.

    Raises:
        NoAnswer: `no_data` or `many`, with the labels there are.
    """
    fitting = found.having({key: str(value) for key, value in labels.items()})
    if not fitting:
        there = f"{len(found.samples)} series, none with these labels" if found.samples else "it is not on the page"
        raise NoAnswer("no_data", f"{name}: {there}{_examples(found.samples)}", status)
    if len(fitting) > 1 and combine is None:
        what = f"{name}: {len(fitting)} series{_examples(fitting)}: name labels, or say combine"
        raise NoAnswer("many", what, status)
    values = [value for _, value in fitting]
    if any(math.isnan(value) for value in values):
        return math.nan
    if combine == "max":
        return max(values)
    if combine == "min":
        return min(values)
    # Not fsum: it raises on infinities of both signs, where NaN is the answer.
    return sum(values) / len(values) if combine == "avg" else sum(values)


def _examples(samples: list[tuple[dict[str, str], float]]) -> str:
    texts = ["{" + ",".join(f"{key}={value!r}" for key, value in labels.items()) + "}" for labels, _ in samples[:3]]
    return excerpt(f" ({', '.join(texts)}{', …' if len(samples) > 3 else ''})") if texts else ""
