"""What of a file could not be carried over into another format, or only in another way: listed, never dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gameday.frozen import field, frozen, slotted

_LONGEST = 60
"""Characters of a key that are shown."""
Way = tuple[str | int, ...]
Place = Callable[[Way], tuple[int, int] | None]
"""Line and column, from 1, of what stands at a way; None where nobody knows."""


@frozen
class Loss:
    """One thing, where it stood, and why it is not, or not so, in what came out."""

    what: str
    """As a person calls it: `controls`, `method[2] (kill a pod): pauses.before`."""
    why: str
    lost: bool = True
    """False: it was carried over, and means something a little different there."""
    at: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.what}: {'not carried over: ' if self.lost else ''}{self.why}"

    def located(self, path: str) -> str:
        """The same with the file and, where it is known, line and column."""
        where = path if self.at is None else f"{path}:{self.at[0]}:{self.at[1]}"
        return f"{where}: {self}"


@slotted
class Losses:
    """What was found so far, each thing once."""

    place: Place = lambda _: None
    found: dict[Loss, None] = field(default_factory=dict)

    def lose(self, way: Way, why: str, what: str = "") -> None:
        """Something is not in what comes out."""
        self.found[Loss(_line(what or spelt(way)), _line(why), True, self.place(way))] = None

    def change(self, way: Way, why: str, what: str = "") -> None:
        """Something is in what comes out, in another way."""
        self.found[Loss(_line(what or spelt(way)), _line(why), False, self.place(way))] = None

    def __iter__(self) -> Iterator[Loss]:
        return iter(self.found)

    @property
    def any_lost(self) -> bool:
        return any(loss.lost for loss in self.found)


def _line(text: str) -> str:
    """`text`, which may have anything of a file in it, as it can stand on a terminal and in a comment."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def spelt(way: Way) -> str:
    """`method[2].provider.timeout`, indexes from 1 as people count."""
    text = ""
    for step in way:
        text += f"[{step + 1}]" if isinstance(step, int) else f"{'.' if text else ''}{step[:_LONGEST]}"
    return text or "the file"
