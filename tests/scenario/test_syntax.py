"""What is not plain YAML, or reads differently from how it looks: refused with line, column and what to write."""

from __future__ import annotations

import pytest

from gameday.scenario.parsing import DEEPEST, MOST_VALUES
from gameday.scenario.problems import MOST_PROBLEMS
from tests.scenario.marked import assert_problem, entry, loaded, problems, scenario, unmarked

TRAPS = [
    ("tags: [»on]", "unquoted on is read as true", 'write true, or "on" in quotes'),
    ("tags: [»No]", "unquoted No is read as false", 'write false, or "No" in quotes'),
    ("description: »yes", "unquoted yes is read as true", '"yes" in quotes'),
    ("»off: 1", "unquoted off is read as false", '"off" in quotes'),
    ("description: »12:30", "read as the number 750", "write a duration as 12m30s"),
    ("description: »1:02:03", "read as the number 3723", "write a duration as 1h2m3s"),
    ("description: »010", "octal", "write 10, or"),
    ("description: »0o17", "octal", "write 17, or"),
    ("description: »08", "octal", "write 8, or"),
    ("description: »0b101", "binary", "write 5"),
    ("description: »1_000", "by some and as text by others", "write 1000"),
    ("description: »2026-01-01", "read as a date", '"2026-01-01" in quotes'),
    ("description: »2026-01-01 10:00:00", "read as a date", "in quotes"),
    ("description: »0._", "by some and as text by others", "write 0."),
    ("description: »1.5_0e+3", "by some and as text by others", "write 1.50e+3"),
    ("description: »1e3", "as text by some", "write 1000"),
    ("description: ».nan", "not a number that can be compared", "write a number"),
    ("description: »-.INF", "not a number that can be compared", "write a number"),
    ("description: »1.0e+999", "too large", "write a smaller one"),
    ("description: »~", "~ is read as null", "write null"),
    ("description: »=", "meaning of its own", 'write "="'),
    ("»description:", "'description' has no value", "write one, or remove the key"),
    ("tags: [a, »!!str b]", "tags ('!!str')", "plain values"),
    ("description: »!!python/object/apply:os.system [echo]", "tags ('!!python/object/apply:os.system')", ""),
    ("description: »&a text", "anchors (&a)", "write the value where it is needed"),
    ("description: »*a", "aliases (*a)", "write the value again"),
    ("limits: {»<<: {pods: 1}}", "merge keys", "write the keys out"),
    ("»3: x", "a key is text, 3 is not", 'write "3" in quotes'),
    ("»true: x", "a key is text, true is not", 'write "true" in quotes'),
    ("?»\n: x", "no key before this colon", "write one"),
    ("description: one\n»description: two", "'description' stands twice in this mapping: on line 3 and on line 4", ""),
    ("limits: {pods: 1, »pods: 2}", "'pods' stands twice in this mapping: on line 3 and on line 3", "remove one"),
]


@pytest.mark.parametrize(("text", "message", "hint"), TRAPS, ids=[text for text, _, _ in TRAPS])
def test_a_trap_is_refused_where_it_stands(text: str, message: str, hint: str) -> None:
    assert_problem(scenario(text), message, hint)


@pytest.mark.parametrize(
    "text",
    ["on", "yes", "12:30", "010", "2026-01-01", "~", "<<", "null", "1e3", "=", "1_000", "true", "3"],
)
def test_quoted_it_is_text(text: str) -> None:
    assert loaded(scenario(f'description: "{text}"')).document["description"] == text


def test_what_only_looks_like_a_trap_is_text() -> None:
    words = ["only", "note", "yesterday", "12:30 sharp", "10.0.0.1", "1.2.3", "0x", "-", "1-2", "+", "n", "y", "N/A"]
    assert loaded(scenario("tags:", *(f"  - {word}" for word in words if word != "-"))).scenario.tags == [
        word for word in words if word != "-"
    ]


SYNTAX = [
    ("»\ttags: []", "a tab where spaces belong", "indent with spaces"),
    ("limits:\n»\tpods: 1", "a tab where spaces belong", "indent with spaces"),
    ("description: a»: b", "a colon and a space", "in quotes"),
    ("description: »@home", "can't begin with @", "in quotes"),
    ('description: »"never closed', "never closed", "close it"),
    ("tags: [a, b\nroles»: []", "a comma or ] was expected", "close the list"),
    ("tags:\n  - a\n»b", "a key without its colon", "write `key: value`"),
    ("limits: {pods: $»{few}}", "a comma or }", 'put a placeholder in quotes: "${name}"'),
    ("? »[a]\n: b", "a key is text, not a list", "in quotes"),
    ("limits: {»: 3}", "a value was expected here", "write one"),
    ("description: a»\x07b", "a control character", "remove it"),
]


@pytest.mark.parametrize(("text", "message", "hint"), SYNTAX, ids=[repr(text) for text, _, _ in SYNTAX])
def test_a_syntax_error_in_plain_words(text: str, message: str, hint: str) -> None:
    plain, places = unmarked(scenario(text))
    found = problems(plain)
    assert (found[0].line, found[0].column) == places[0], str(found[0])
    assert message in found[0].message
    assert hint in found[0].hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("»- a\n- b\n", "a scenario is a mapping of keys; this is a list"),
        ("»just text\n", "a scenario is a mapping of keys; this is a single value"),
        ("»!!map\nversion: 1\ntitle: x\n", "tags ('!!map') are not supported"),
        ("version: 1\ntitle: x\n»---\nversion: 1\n", "a second document begins here"),
    ],
)
def test_a_file_that_is_something_else(text: str, message: str) -> None:
    assert_problem(text, message)


def test_a_file_of_comments_is_told_so() -> None:
    assert "nothing but comments" in problems("# one\n# two\n")[0].message


def test_a_column_counts_characters() -> None:
    assert_problem(entry('manual: true, inject: "Grüße, 日本 🚒", »fautl: x'), "unknown key 'fautl'")


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    text = scenario("tags: [a]").replace("\n", "\r\n")
    assert loaded(text).scenario.tags == ["a"]
    assert_problem(scenario("tags: [»on]").replace("\n", "\r\n"), "unquoted on")


def test_nesting_stops_at_the_limit() -> None:
    deep = "x: " + "[" * (DEEPEST + 5) + "]" * (DEEPEST + 5)
    assert any(f"nested deeper than {DEEPEST}" in problem.message for problem in problems(deep))


def test_values_are_counted() -> None:
    many = scenario("tags: [" + "a, " * (MOST_VALUES + 1) + "a]")
    assert f"more than {MOST_VALUES:,} values" in problems(many)[-1].message


def test_a_bomb_of_aliases_is_one_problem() -> None:
    bomb = "»a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert_problem(bomb.replace("»a0: ", "a0: »"), "anchors and aliases are not supported", "write plain values")


def test_many_aliases_are_one_problem_among_the_others() -> None:
    aliases = ["tags: &t [a]", *(f"key{number}: *t" for number in range(50))]
    found = [problem for problem in problems(scenario(*aliases)) if "unknown key" not in problem.message]
    assert [(problem.line, problem.column) for problem in found] == [(3, 7)]
    assert "there are 51 from here on" in found[0].message


def test_a_few_aliases_are_named_each() -> None:
    found = problems(scenario("tags: &t [a]", "objectives: *t"))
    assert [problem.message for problem in found] == [
        "anchors (&t) are not supported",
        "aliases (*t) are not supported",
    ]


def test_many_problems_are_counted_and_not_listed() -> None:
    found = problems(scenario(*(f"key{number}: 1" for number in range(MOST_PROBLEMS * 3))))
    assert len(found) == MOST_PROBLEMS + 1
    assert "more problems" in found[-1].message
