"""docs/settings.md says what the code does: its examples load, and its tables have every key with its real default."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gameday.cli.ahead import log_path
from gameday.debrief.json import SCHEMA_FILE
from gameday.engine.control import socket_path
from gameday.faults.catalogue import all_faults, catalogue
from gameday.sandbox.control import default_state_dir
from gameday.scenario.loading import Loaded, load_text
from gameday.scenario.presets import PRESETS
from gameday.scenario.problems import ScenarioErrors
from gameday.store.address import ENVIRONMENT, default_url
from gameday.targets import policy
from gameday.targets.published import known_targets
from gameday.targets.resolving import check_target
from gameday.targets.settings import ServiceSettings, Settings, TargetSettings, load_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text()
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def rows(header: str) -> dict[str, tuple[str, str]]:
    """Type and default of each key in the table under the heading of the TOML table `header`."""
    section = re.search(rf"^### `\[{re.escape(header)}\]`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, f"no section about [{header}]"
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", section[1], re.MULTILINE)
    return {key: (kind.strip(), default.strip()) for key, kind, default in found}


def sections() -> dict[str, type[BaseModel]]:
    """The tables that the code knows, as the page's headings have them."""
    found: dict[str, type[BaseModel]] = {}
    for name, field in Settings.model_fields.items():
        if get_origin(field.annotation) is dict:
            found[f"{name}.NAME"] = get_args(field.annotation)[1]
        else:
            assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            found[name] = field.annotation
    return {**found, "targets.NAME.services.NAME": ServiceSettings}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (example,) = blocks("toml")
    path = tmp_path / "gameday.toml"
    path.write_text(example)
    return load_settings(explicit=path)


def scenario(settings: Settings, old: str = "", new: str = "") -> Loaded:
    (text,) = blocks("yaml")
    assert old in text
    changed = text.replace(old, new) if old else text
    preset = settings.severity.preset
    return load_text(changed, path="x.yaml", catalogue=catalogue(), preset=preset, targets=known_targets(settings))


@pytest.mark.parametrize("header", sections())
def test_every_key_is_on_the_page_with_its_default(header: str) -> None:
    fields, said = sections()[header].model_fields, rows(header)
    assert list(said) == list(fields)
    for key, field in fields.items():
        default: Any = field.get_default(call_default_factory=True)
        told = said[key][1]
        if default is PydanticUndefined:
            assert told == "required"
        elif default is None:
            assert told == "none"
        elif default in ([], {}):
            assert told == "empty"
        else:
            assert tomllib.loads(f"x = {told.strip('`')}")["x"] == default, f"[{header}] {key}"


def test_the_page_has_no_table_that_the_code_does_not_know() -> None:
    assert re.findall(r"^### `\[(.+)\]`$", PAGE, re.MULTILINE) == list(sections())


def test_kinds_presets_and_spellings_of_production_are_all_there() -> None:
    for kind in get_args(TargetSettings.model_fields["kind"].annotation):
        assert f"- `{kind}`: " in PAGE
    for preset in PRESETS.values():
        assert f"`{preset.name}`: {', '.join(level.name for level in preset.levels)}." in PAGE
    assert f"`{'`, `'.join(policy.PRODUCTION[:-1])}` or `{policy.PRODUCTION[-1]}`" in PAGE


def test_what_can_be_done_on_each_kind_is_what_the_catalogue_says() -> None:
    for kind in get_args(TargetSettings.model_fields["kind"].annotation):
        (said,) = re.findall(rf"^- `{kind}`: (.*?)\.", PAGE, re.MULTILINE | re.DOTALL)
        faults = {name for name, fault in all_faults().items() if kind in fault.kinds}
        assert set(re.findall(r"`([\w-]+)`", said)) == faults - {"activity"}
        assert ("activities" in said) == ("activity" in faults)


def test_the_example_uses_every_table(settings: Settings) -> None:
    assert settings.model_fields_set == set(Settings.model_fields)
    used = {key for target in settings.targets.values() for key in target.model_fields_set}
    assert used >= {"kind", "environment", "names", "services", "measures", "proxy", "context", "namespaces", "engines"}
    tables = settings.targets["cluster"].service_tables
    used = {key for table in tables.values() for key in table.model_fields_set}
    assert used >= {"namespace", "workload", "service", "address", "external"}
    assert policy.is_production(check_target("edge", settings))


def test_the_scenario_is_right_on_the_example_s_target_and_policy_lets_it_run(settings: Settings) -> None:
    loaded = scenario(settings)
    target = check_target(str(loaded.scenario.target), settings)
    assert policy.refusals(loaded.scenario, target, settings, confirm=None, catalogue=all_faults()) == []
    _, document = loaded.resolve(target.names)
    assert document["abort_when"][0]["http"]["url"] == "https://shop.staging.example.com/health"
    assert document["timeline"][1]["undo"]["url"] == "https://shop.staging.example.com/flags/fallback/on"


def test_the_scenario_is_journaled_with_the_places_of_its_secrets(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "hunter2-hunter2")
    _, document = scenario(settings).resolve(check_target("staging", settings).names)
    assert document["timeline"][1]["activity"]["headers"] == {"Authorization": {"env": "SHOP_TOKEN"}}
    assert document["abort_when"][0]["http"]["headers"] == {"X-Api-Key": {"file": "~/.config/shop/api-key"}}
    assert "hunter2" not in str(document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("measure: error-rate", "measure: error-rat"),
        ("service: payments", "service: payment"),
        ("${shop}/health", "${shpo}/health"),
        ("severity: P2", "severity: SEV2"),
        ("target: staging", "target: edge"),
    ],
)
def test_what_the_scenario_takes_from_the_settings_is_held_against_them(settings: Settings, old: str, new: str) -> None:
    with pytest.raises(ScenarioErrors):
        scenario(settings, old, new)


def test_places_are_where_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GAMEDAY_STORE", "GAMEDAY_SANDBOX", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
        assert f"| `{name}` |" in PAGE
    assert ENVIRONMENT == "GAMEDAY_STORE"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = {
        "gameday/gameday.db": Path(default_url().removeprefix("sqlite:///")),
        "gameday/sandbox": default_state_dir(),
        "gameday/logs/ID.log": log_path("ID"),
    }
    for said, path in found.items():
        assert f"`$XDG_STATE_HOME/{said}`" in PAGE
        assert path == tmp_path / said
    assert "| `/tmp/gameday-UID` |" in PAGE
    assert socket_path("x", "y").parent == Path(f"/tmp/gameday-{os.getuid()}/gameday")


def test_the_readme_leads_here_and_to_the_debrief_s_schema() -> None:
    assert "(docs/settings.md)" in README
    assert f"]({SCHEMA_FILE.relative_to(ROOT)})" in README
    assert SCHEMA_FILE.is_file()
