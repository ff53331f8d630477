"""What targets are known to publish before they are reached is what they publish when they are."""

from __future__ import annotations

from pathlib import Path

from gameday.faults.catalogue import catalogue
from gameday.faults.declaration import FaultDeclaration
from gameday.sandbox.rules import RULES
from gameday.targets.published import SANDBOX_ALERTS, known_targets
from gameday.targets.resolving import check_target, resolve
from gameday.targets.settings import Settings, load_settings

from .test_resolving import INFO
from .test_settings import WHOLE, write


def test_the_sandbox_is_known_before_it_is_up() -> None:
    known = known_targets(None).published["sandbox"]
    up = resolve("sandbox", Settings(), sandbox_info={**INFO, "state_dir": "/somewhere"})
    assert set(known.names) == set(up.names)
    assert known.services == up.services
    assert set(known.measures) == set(up.measures)


def test_its_alerts_are_its_rules() -> None:
    assert [rule.name for rule in RULES] == list(SANDBOX_ALERTS)


def test_the_targets_of_the_settings_are_known(tmp_path: Path) -> None:
    settings = load_settings(explicit=write(tmp_path, WHOLE))
    targets = known_targets(settings, "sandbox")
    assert targets.all_known
    assert targets.chosen == "sandbox"
    assert set(targets.published) == {"sandbox", *settings.targets}
    for name in settings.targets:
        info, known = check_target(name, settings), targets.published[name]
        assert set(known.names) == set(info.names)
        assert set(known.measures) == set(info.measures)
        assert known.alerts is None
        assert known.services == (None if info.kind == "other" else info.services)


def test_without_settings_there_may_be_others() -> None:
    assert not known_targets(None).all_known
    assert not known_targets(Settings()).all_known


def test_parameters_that_name_services_are_declared() -> None:
    for fault in catalogue().values():
        assert isinstance(fault, FaultDeclaration)
        fields = fault.parameters.model_fields
        assert set(fault.services) <= {field.alias or name for name, field in fields.items()}, fault.name
