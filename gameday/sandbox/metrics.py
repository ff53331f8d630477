"""Counters, gauges and histograms of one process, as a Prometheus text page, and reading such a page back."""

from collections.abc import Iterator

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Labels = tuple[tuple[str, str], ...]


def _key(labels: dict[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _text(labels: Labels) -> str:
    def quoted(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{quoted(value)}"' for name, value in labels) + "}" if labels else ""


def _number(value: float) -> str:
    return "NaN" if value != value else repr(float(value)).removesuffix(".0")


class Metrics:
    """The metrics of a process; each name is described once, before it is used."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[str, str]] = {}
        self._values: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, list[float]]] = {}

    def describe(self, name: str, kind: str, text: str) -> None:
        """Say of what kind (counter, gauge, histogram) a metric is, and what it tells."""
        self._kinds[name] = (kind, text)

    def add(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Count."""
        values = self._values.setdefault(name, {})
        key = _key(labels)
        values[key] = values.get(key, 0.0) + by

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._values.setdefault(name, {})[_key(labels)] = value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Put a duration into a histogram."""
        # The buckets' counts, then the count of all, then the sum.
        cells = self._histograms.setdefault(name, {}).setdefault(_key(labels), [0.0] * (len(_BUCKETS) + 2))
        for index, bound in enumerate(_BUCKETS):
            if seconds <= bound:
                cells[index] += 1
        cells[-2] += 1
        cells[-1] += seconds

    def render(self) -> str:
        """The page."""
        return "".join(f"{line}\n" for name in self._kinds for line in self._lines(name))

    def _lines(self, name: str) -> Iterator[str]:
        kind, text = self._kinds[name]
        yield f"# HELP {name} {text}"
        yield f"# TYPE {name} {kind}"
        for labels, value in self._values.get(name, {}).items():
            yield f"{name}{_text(labels)} {_number(value)}"
        for labels, cells in self._histograms.get(name, {}).items():
            for bound, count in zip((*_BUCKETS, float("inf")), cells, strict=False):
                le = "+Inf" if bound == float("inf") else _number(bound)
                yield f"{name}_bucket{_text((*labels, ('le', le)))} {_number(count)}"
            yield f"{name}_sum{_text(labels)} {_number(cells[-1])}"
            yield f"{name}_count{_text(labels)} {_number(cells[-2])}"


def plain_values(page: str) -> dict[str, float]:
    """The values of a page's metrics that have no labels, by name."""
    values = {}
    for line in page.splitlines():
        name, _, value = line.partition(" ")
        if name.isidentifier():
            values[name] = float(value)
    return values
