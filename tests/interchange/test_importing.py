"""Experiments become scenarios that say the same, that are valid, and that list what is not in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from gameday.faults.catalogue import catalogue
from gameday.interchange.files import from_chaostoolkit, load_file
from gameday.interchange.losses import Loss
from gameday.scenario.loading import Loaded, load_text
from gameday.scenario.models import Scenario
from gameday.scenario.problems import ScenarioErrors

from .shapes import KILL, SHAPES, UP, action, hypothesis, probe, python


def imported(experiment: Any, name: str = "experiment.json") -> tuple[Loaded, list[Loss], str]:
    """The scenario, what is not in it, and its text."""
    text = experiment if isinstance(experiment, str) else json.dumps(experiment, indent=2)
    made, losses = from_chaostoolkit(text.encode("utf-8", "replace"), text, name)
    return load_text(made, path="s.yaml", catalogue=catalogue()), losses, made


def scenario_of(**parts: Any) -> Scenario:
    return resolved(imported({"title": "t", "description": "d", "method": [], **parts})[0])


def resolved(loaded: Loaded) -> Scenario:
    return loaded.resolve({})[0]


def lost(losses: list[Loss]) -> dict[str, str]:
    return {loss.what: loss.why for loss in losses if loss.lost}


def changed(losses: list[Loss]) -> dict[str, str]:
    return {loss.what: loss.why for loss in losses if not loss.lost}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_every_shape_becomes_a_valid_scenario(name: str, form: str) -> None:
    experiment = SHAPES[name]
    text = json.dumps(experiment) if form == "json" else yaml.safe_dump(experiment, allow_unicode=True)
    loaded, losses, made = imported(text, f"experiment.{form}")
    scenario = resolved(loaded)
    assert scenario.imported == "chaostoolkit"
    assert sum(entry.fault is not None for entry in scenario.timeline) >= sum(
        each.get("type") == "action" for each in experiment["method"]
    )
    comments = " ".join(line.lstrip("# ") for line in made.splitlines() if line.startswith("#"))
    for loss in losses:
        assert " ".join(loss.why.split()) in " ".join(comments.split()), loss
    unguarded = any(entry.fault for entry in scenario.timeline) and not scenario.abort_when
    assert ("not run (but with --no-abort-condition)" in comments) is unguarded


def test_the_method_is_carried_out_in_order_with_its_pauses() -> None:
    scenario = scenario_of(
        method=[
            probe("look", {"type": "http", "url": "http://a"}, pauses={"before": 2}),
            action("first", KILL, pauses={"before": 1.5, "after": 30}),
            action("beside", KILL, background=True, pauses={"before": 4, "after": 99}),
            action("second", KILL, pauses={"after": "${wait}"}),
            {"ref": "look"},
        ],
        configuration={"wait": 10},
    )
    when = {entry.id: (entry.at, entry.after and (entry.after.entry, entry.after.delay)) for entry in scenario.timeline}
    assert when == {
        "look": (2.0, None),
        "first": (None, ("look", 1.5)),
        "beside": (None, ("first", 34.0)),
        "second": (None, ("first", 30.0)),
        # The pauses of what is referred to are its own.
        "look-2": (None, ("second", 12.0)),
    }
    assert [entry.one_shot for entry in scenario.timeline] == [None, True, True, True, None]


def test_what_rollbacks_undo_lasts_until_the_hypothesis_was_asked_under_it() -> None:
    scenario = resolved(imported(SHAPES["a deployment is scaled down and up again, from the environment"])[0])
    down, *ends = scenario.timeline
    assert down.undo is not None and down.undo[0].model_extra is not None
    assert down.undo[0].model_extra["arguments"] == {"name": "consumer", "ns": "${ns}", "replicas": 2}
    assert down.undo[0].model_extra["configuration"]["ns"]["key"] == "NAMESPACE"
    assert down.undo[0].model_extra["secrets"] == {
        "k8s": {"KUBERNETES_HOST": {"env": "KUBERNETES_HOST"}, "KUBERNETES_API_KEY": {"env": "KUBERNETES_TOKEN"}}
    }
    assert [end.check and end.check.expect for end in ends] == [check.expect for check in scenario.steady_state]
    assert ends[0].after is not None and (ends[0].after.effective, ends[0].after.delay) == (down.id, 60.0)
    assert [after.entry for after in down.until or ()] == [ends[-1].id]
    assert down.for_ is not None and down.for_ > 60


def test_the_last_pause_holds_a_fault_where_nothing_else_does() -> None:
    off, on = ({"type": "http", "url": f"http://a/{state}", "method": "PUT"} for state in ("off", "on"))
    scenario = scenario_of(method=[action("off", off, pauses={"after": 7})], rollbacks=[action("on", on)])
    (entry,) = scenario.timeline
    assert [(after.effective, after.delay) for after in entry.until or ()] == [("off", 7.0)]


@pytest.mark.parametrize(
    ("actions", "undos", "expected"),
    [
        # One action: whatever is rolled back is its own.
        (["a.start_x()"], ["b.y()", "c.z()"], [["y", "z"]]),
        # By what they are about, and by their arguments.
        (["a.start_x()", "a.block_y()"], ["a.unblock_y()", "a.stop_x()"], [["stop_x"], ["unblock_y"]]),
        (
            ["a.stop_vm(id=1)", "a.stop_vm(id=2)"],
            ["a.start_vm(id=2)", "a.start_vm(id=1)"],
            [["start_vm"], ["start_vm"]],
        ),
        # Not clear: the first holds them all, in their order.
        (["a.stop_vm()", "a.stop_vm()"], ["a.start_vm()", "a.start_vm()"], [["start_vm", "start_vm"], None]),
        (["a.start_x()", "a.kill()"], ["a.stop_x()", "b.notify()"], [["stop_x", "notify"], None]),
        (["a.start_x()", "a.kill()"], ["a.stop_x()"], [["stop_x"], None]),
    ],
)
def test_a_rollback_belongs_to_what_it_undoes(actions: list[str], undos: list[str], expected: list[Any]) -> None:
    def call(text: str) -> dict[str, Any]:
        module, _, rest = text.partition(".")
        func, _, arguments = rest.rstrip(")").partition("(")
        given = dict(part.split("=") for part in arguments.split(",") if part)
        return python(module, func, arguments=given)

    scenario = scenario_of(
        method=[action(f"do {n}", call(text)) for n, text in enumerate(actions)],
        rollbacks=[action(f"undo {n}", call(text)) for n, text in enumerate(undos)],
    )
    found = [entry.undo and [undo.model_extra["func"] for undo in entry.undo] for entry in scenario.timeline]
    assert found == expected
    if "id=1" in actions[0]:
        for entry in scenario.timeline:
            assert entry.activity and entry.undo
            assert entry.activity.model_extra["arguments"] == entry.undo[0].model_extra["arguments"]


@pytest.mark.parametrize(
    ("tolerance", "provider", "expect", "own"),
    [
        (200, {"type": "http", "url": "http://a"}, {"status": 200}, None),
        ([200, 204, 301], {"type": "http", "url": "http://a"}, {"status": [200, 204, 301]}, None),
        (7, {"type": "http", "url": "http://a"}, {"equals": True}, 7),
        (0, {"type": "process", "path": "true"}, {"equals": True}, 0),
        (True, python("a", "b"), {"equals": True}, None),
        (3, python("a", "b"), {"equals": 3}, None),
        ("up", python("a", "b"), {"equals": "up"}, None),
        ("${x}", python("a", "b"), {"equals": True}, "${x}"),
        ([1, 2.5], python("a", "b"), {"between": (1, 2.5)}, None),
        ([1, 2, 3], python("a", "b"), {"equals": True}, [1, 2, 3]),
        ([3, 1], python("a", "b"), {"equals": True}, [3, 1]),
        (["a", "b"], python("a", "b"), {"equals": True}, ["a", "b"]),
        ({"type": "range", "range": [0, 0.5]}, python("a", "b"), {"between": (0, 0.5)}, None),
        ({"type": "regex", "pattern": "^ok"}, python("a", "b"), {"matches": "^ok"}, None),
        (
            {"type": "regex", "pattern": "^ok", "target": "stdout"},
            {"type": "process", "path": "true"},
            {"equals": True},
            {"type": "regex", "pattern": "^ok", "target": "stdout"},
        ),
        (
            {"type": "jsonpath", "path": "$.a[*]", "count": 2},
            python("a", "b"),
            {"equals": True},
            {"type": "jsonpath", "path": "$.a[*]", "count": 2},
        ),
    ],
)
def test_tolerances(tolerance: Any, provider: Any, expect: dict[str, Any], own: Any) -> None:
    scenario = scenario_of(**{"steady-state-hypothesis": hypothesis(probe("p", provider, tolerance=tolerance))})
    (check,) = scenario.steady_state
    assert check.expect.model_dump(exclude_unset=True) == expect
    assert check.activity is not None
    assert (check.activity.model_extra or {}).get("tolerance") == own


def test_a_tolerance_that_is_a_probe_keeps_its_secrets() -> None:
    judge = probe("j", python("a", "judge", secrets=["k"], arguments={"limit": "${limit}"}))
    scenario = scenario_of(
        secrets={"k": {"x": {"type": "env", "key": "X"}}},
        configuration={"limit": 3},
        **{"steady-state-hypothesis": hypothesis(probe("p", {"type": "http", "url": "http://a"}, tolerance=judge))},
    )
    assert scenario.steady_state[0].activity is not None
    extra = scenario.steady_state[0].activity.model_extra or {}
    assert extra["secrets"] == {"k": {"x": {"env": "X"}}}
    assert extra["configuration"] == {"limit": 3}
    assert extra["tolerance"]["provider"] == {
        "type": "python",
        "module": "a",
        "func": "judge",
        "arguments": {"limit": "${limit}"},
        "secrets": ["k"],
    }


def test_a_context_is_no_secret_and_stays() -> None:
    act = action("a", python("chaosk8s.pod.actions", "terminate_pods", secrets=["k8s", "KUBERNETES_CONTEXT"]))
    contexts = {"k8s": {"KUBERNETES_CONTEXT": "staging", "token": "hunter2"}, "KUBERNETES_CONTEXT": "staging"}
    loaded, losses, _ = imported({"title": "x", "description": "x", "secrets": contexts, "method": [act]})
    (entry,) = resolved(loaded).timeline
    assert entry.activity is not None and entry.activity.model_extra is not None
    assert entry.activity.model_extra["secrets"] == {
        "k8s": {"KUBERNETES_CONTEXT": "staging", "token": {"env": "K8S_TOKEN"}},
        "KUBERNETES_CONTEXT": "staging",
    }
    assert [loss.what for loss in losses if "secret" in loss.what] == ["secrets.k8s.token"]


def test_secrets_are_places_and_what_is_not_is_listed_without_the_secret() -> None:
    loaded, losses, made = imported(SHAPES["secrets from everywhere, and a value that is asked for"])
    assert lost(losses).keys() == {
        "secrets.db.user",
        "secrets.db.password",
        "method[2].provider.arguments",
        "method[1].pauses.after",
    }
    assert "DB_USER" in lost(losses)["secrets.db.user"] and "admin" not in made
    assert "finds it in its environment, as password" in lost(losses)["method[2].provider.arguments"]
    assert "configuration.primary" in changed(losses)
    scenario = resolved(loaded)
    assert scenario.title == "Accounts of payments"
    assert scenario.description == "In payments's staging; costs $5 and ${nothing}."
    over = scenario.timeline[0].activity
    assert over is not None and over.timeout == "2s500ms"
    assert (over.model_extra or {})["url"].endswith("/${primary}/failover?token=${token}")
    assert (over.model_extra or {})["secrets"]["token"] == {"env": "TOKEN"}
    assert (over.model_extra or {})["secrets"]["db"]["password"] == {"env": "DB_PASSWORD"}


def test_controls_are_listed_and_safeguards_become_abort_conditions() -> None:
    loaded, losses, _ = imported(SHAPES["controls of all kinds"])
    assert lost(losses).keys() == {"extensions", "runtime.hypothesis", "controls[1]", "method[1].controls[1]"}
    assert "chaostracing.control" in lost(losses)["controls[1]"]
    scenario = resolved(loaded)
    assert [(each.name, each.every, each.unless and each.unless.equals) for each in scenario.abort_when] == [
        ("nobody-is-paged", 10.0, True),
        ("nobody-is-paged (2)", 0.2, True),
    ]
    assert [check.name for check in scenario.steady_state] == ["budget-is-left"]


def test_left_overs() -> None:
    loaded, losses, _ = imported(SHAPES["rollbacks of nothing, dry activities, odd keys"])
    assert lost(losses).keys() == {"id", "method[1]", "method[2].color"}
    assert "dry" in lost(losses)["method[1]"]
    assert changed(losses).keys() == {"method[2].timeout", "rollbacks[1]"}
    listen, clean = resolved(loaded).timeline
    assert listen.check is not None and listen.check.activity is not None and listen.check.activity.timeout == "3s"
    assert (clean.id, clean.one_shot, clean.after and clean.after.delay) == ("clean-up", True, 1.0)


def test_words_come_back_as_they_were() -> None:
    experiment = SHAPES["words that YAML reads otherwise"]
    scenario = resolved(imported(experiment)[0])
    assert scenario.title == experiment["title"]
    assert scenario.description == experiment["description"]
    assert scenario.tags == experiment["tags"]
    (entry,) = scenario.timeline
    assert entry.activity is not None and entry.activity.model_extra is not None
    assert entry.activity.model_extra["arguments"] == experiment["method"][0]["provider"]["arguments"]


def test_a_dry_experiment_stays_dry() -> None:
    scenario = scenario_of(dry="actions", method=[action("kill", KILL), {**UP, "name": "look"}])
    assert [entry.id for entry in scenario.timeline] == ["look"]


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ('{"title": "t",\n "method": [}', "e.json", "e.json:2:13: not JSON"),
        ("title: t\nmethod: [", "e.yaml", "e.yaml:3:1: not YAML"),
        (
            '{"title": "t", "timeline": []}',
            "e.json",
            "it has no method; it looks like a scenario, which needs no import",
        ),
        ('{"title": "t",\n "metod": []}', "e.json", "did you mean 'method'?"),
        ("[]", "e.json", "an experiment is a mapping"),
        ('{"method": []}', "e.json", "an experiment has a title"),
        ('{"title": "t",\n "method": {}}', "e.json", "e.json:2:2: method is a list of activities, not a mapping"),
        (
            '{"title": "t", "method": [\n {"type": "action", "name": "a", "provider": {"type": "pyton"}}]}',
            "e.json",
            "e.json:2:47: there is no provider 'pyton'; did you mean 'python'?",
        ),
        (
            "title: t\nmethod:\n  - type: probe\n    name: a\n    provider: {type: http}\n",
            "e.yaml",
            "e.yaml:5:5: a provider of type http has 'url'",
        ),
        (
            "title: t\nmethod:\n  - ref: nobdy\n  - {type: probe, name: nobody, provider: {type: http, url: x}}",
            "e.yaml",
            "e.yaml:3:5: no activity is called 'nobdy'; did you mean 'nobody'?",
        ),
        (
            "title: t\nmethod: []\nsteady-state-hypothesis:\n  probes:\n"
            "  - {type: probe, name: a, provider: {type: http, url: x}}",
            "e.yaml",
            "e.yaml:5:5: a probe of the hypothesis has a tolerance",
        ),
        (
            "title: t\nmethod: []\nsteady-state-hypothesis:\n  probes:\n  - {type: probe, name: a, tolerance: 0.5,\n"
            "     provider: {type: http, url: x}}",
            "e.yaml",
            "a tolerance can't be 0.5; write a range",
        ),
        ("title: t\nmethod: []\na: &a [*a]", "e.yaml", "levels in this experiment"),
        ("title: t\nmethod: " + "[" * 5000, "e.yaml", "far too much"),
        ("title: t\nmethod: []\nx: 2024-02-31", "e.yaml", "not YAML that can be read"),
        (
            '{"title": "t", "method": [{"type": "action", "name": "a", "provider": {"type": "process", "path": "x"}, '
            '"pauses": {"after": "long"}}]}',
            "e.json",
            "a pause is a number of seconds",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, name: str, said: str) -> None:
    with pytest.raises(ScenarioErrors) as raised:
        imported(text, name)
    assert said in str(raised.value)


def test_a_bomb_of_aliases_is_refused() -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    with pytest.raises(ScenarioErrors, match="more than"):
        imported(f"title: t\nmethod: []\nl0: &l0 [x]\n{levels}", "e.yaml")


def test_a_file_is_taken_for_what_it_is(tmp_path: Any) -> None:
    files: Mapping[str, tuple[str, bool]] = {
        "experiment.json": (json.dumps(SHAPES["only a hypothesis"]), True),
        "experiment.yaml": (yaml.safe_dump(SHAPES["only a hypothesis"]), True),
        "scenario.json": (json.dumps({"version": 1, "title": "t", "timeline": []}), False),
        "scenario.yaml": ("version: 1\ntitle: t\ndescription: the method\n", False),
    }
    for name, (text, from_elsewhere) in files.items():
        (tmp_path / name).write_text(text)
        loaded = load_file(tmp_path / name, catalogue=catalogue())
        assert (loaded.scenario.imported is not None) is from_elsewhere, name
        assert loaded.path == tmp_path / name
