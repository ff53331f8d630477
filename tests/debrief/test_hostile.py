"""Whatever stands in a scenario, a note or a name: it is shown, and it does nothing."""

from __future__ import annotations

import html.parser
import json
import re
import unicodedata

import pytest

from gameday.debrief.build import build_debrief
from gameday.debrief.html import render_html
from gameday.debrief.json import render_json
from gameday.debrief.markdown import render_markdown
from gameday.debrief.mermaid import gantt
from gameday.exercise import events as ev
from gameday.exercise.record import Record
from tests.debrief.hostile import ATTACKS, everywhere
from tests.debrief.journals import Journal, payment_outage, plan, started


class Structure(html.parser.HTMLParser):
    """Elements, attributes and targets of a page; void elements and SVG's self-closing ones need no end."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> ends nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_is_well_formed_and_asks_nobody_for_anything() -> None:
    page = render_html(build_debrief(payment_outage()))
    found = Structure(page)
    assert not found.open
    assert not found.tags & {"script", "iframe", "object", "embed", "img", "form", "base"}
    assert not re.search(r"url\((?!#)|@import", page)
    outside = [address for address in found.addresses if not address.startswith(("#", "data:,"))]
    assert outside == ["https://runbooks.example.com/payments"]
    assert len(found.ids) == len(set(found.ids))
    anchors = {address[1:] for address in found.addresses if address.startswith("#")}
    assert anchors
    assert anchors <= set(found.ids)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_html(attack: str) -> None:
    plain, hostile = (Structure(render_html(build_debrief(r))) for r in (payment_outage(), everywhere(attack)))
    assert hostile.tags == plain.tags
    assert hostile.attributes <= plain.attributes
    assert not [address for address in hostile.addresses if not address.startswith(("#", "data:,"))]
    assert not hostile.open
    _readable("".join(hostile.texts))


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_markdown(attack: str) -> None:
    plain, hostile = (render_markdown(build_debrief(records)) for records in (payment_outage(), everywhere(attack)))
    _readable(hostile)
    outside_fences = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", hostile, flags=re.S | re.M)
    assert not re.search(r"<(?!https://runbooks)", outside_fences)
    assert not re.search(r"(?<!\\)@", outside_fences)
    assert not re.search(r"(?<!\\)\]\(", outside_fences)
    headings = [row for row in plain.splitlines() if row.startswith("##")]
    assert [row for row in hostile.splitlines() if row.startswith("##")] == headings
    assert _cells(hostile) == _cells(plain)


def _cells(text: str) -> list[int]:
    """How many cells each row of each table has; a stray pipe would change it."""
    return [len(re.findall(r"(?<!\\)\|", row)) for row in text.splitlines() if row.startswith("|")]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_mermaid(attack: str) -> None:
    plain, hostile = (gantt(build_debrief(records)) for records in (payment_outage(), everywhere(attack)))
    shape = re.compile(
        r"^    (section \w+|title [^:;#]+|dateFormat .+|axisFormat .+|[^:;#]+ :[a-z, ]*\w+, [\dT:-]+, [\dT:s-]+)$"
    )
    assert hostile.splitlines()[0] == "gantt"
    assert [row for row in hostile.splitlines()[1:] if not shape.match(row)] == []
    assert len(hostile.splitlines()) == len(plain.splitlines())
    assert [row.rpartition(" :")[2] for row in hostile.splitlines()[2:]] == [
        row.rpartition(" :")[2] for row in plain.splitlines()[2:]
    ]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_json(attack: str) -> None:
    records = everywhere(attack)
    text = render_json(build_debrief(records))
    assert text.isascii()
    note = next(record for record in records if isinstance(record.event, ev.NoteTaken))
    assert isinstance(note.event, ev.NoteTaken)
    journal = {record["seq"]: record for record in json.loads(text)["journal"]}
    assert journal[note.seq]["body"]["text"] == note.event.text, "the journal is whole, to the letter"


def test_an_entry_s_name_is_as_hostile_as_any_text() -> None:
    j = Journal()
    name = '"><script>x</script>|`'
    j.at(0, started())
    j.at(1, ev.TimelineStarted())
    j.at(2, ev.FaultArmed(name, name, plan(name, name), False, 60.0))
    j.at(3, ev.FaultInjecting(name))
    j.at(4, ev.FaultEffective(name, name))
    j.at(5, ev.AlertSeen(name, "firing", name))
    j.at(6, ev.ConditionSampled(name, "tripped", name))
    j.at(6.1, ev.AbortBegan(name, name, name, 6.0))
    j.at(7, ev.UndoSent(name, 1))
    j.at(60, ev.FaultLeaked(name, name, [name, "```"]))
    j.at(61, ev.ExerciseEnded("leaked", 4, name))
    view = build_debrief(j.records)
    found = Structure(render_html(view))
    assert "script" not in found.tags
    assert not found.open
    text = render_markdown(view)
    assert "````sh" in text, "a fence that the command's backticks can't close"
    assert "<script" not in text.replace(f"{name}\n```", "").split("````sh")[0]


def test_values_that_json_has_no_word_for() -> None:
    records = payment_outage()
    j = Journal()
    j.records = records[:60]
    for value in (float("nan"), float("inf"), 10**400, True, None, "x", [1], {"a": float("-inf")}):
        j.at(100, ev.ConditionSampled("too many failed checkouts", "held", value))
    text = render_json(build_debrief(j.records))
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert render_html(build_debrief(j.records))


def test_a_note_of_a_megabyte_is_whole_in_the_json_and_short_elsewhere() -> None:
    records = [*payment_outage()]
    last = records[-1]
    big = "x<&|" * 262_144
    records.append(Record(last.seq + 1, last.wall, last.clock, last.wall, 1, "cli", "Ada", ev.NoteTaken(big)))
    view = build_debrief(records)
    assert big in json.loads(render_json(view))["journal"][-1]["body"]["text"]
    assert len(render_html(view)) < 200_000
    assert len(render_markdown(view)) < 60_000
    assert "more characters" in render_markdown(view)


def _readable(text: str) -> None:
    """Nothing that moves a cursor, reorders or hides."""
    bad = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"}
    assert not bad, {hex(ord(c)) for c in bad}
