"""docs/kubernetes.md can be followed: its files are read as gameday reads them, its rights and commands are real."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from docs.faults import page as catalogue_page
from gameday.cli.main import root
from gameday.cli.manifests import manifests
from gameday.cluster.services import PROTECTED, SYSTEM
from gameday.faults.catalogue import all_faults, catalogue
from gameday.scenario.loading import load_text
from gameday.targets import policy
from gameday.targets.published import known_targets
from gameday.targets.resolving import NAMESPACE_PERCENT, check_target
from gameday.targets.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


SHOP, KILL, OUTAGE, RULES, TOLD = blocks("yaml")
TARGET, MONITORING, IN_CLUSTER = blocks("toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gameday.toml").write_text(TARGET)
    (tmp_path / "kill.yaml").write_text(KILL)
    (tmp_path / "outage.yaml").write_text(OUTAGE)
    return tmp_path


@pytest.fixture
def settings(folder: Path) -> Settings:
    return load_settings(explicit=folder / "gameday.toml")


@pytest.mark.parametrize("text", [KILL, OUTAGE])
def test_the_scenarios_are_right_on_the_target(settings: Settings, text: str) -> None:
    loaded = load_text(
        text, path="x.yaml", catalogue=catalogue(), preset=settings.severity.preset, targets=known_targets(settings)
    )
    target = check_target("staging", settings)
    assert policy.refusals(loaded.scenario, target, settings, confirm=None, catalogue=all_faults()) == []
    assert loaded.scenario.abort_when


def test_what_is_asked_of_prometheus_and_alertmanager_is_right_too(folder: Path) -> None:
    head, names, services = re.split(r"^(?=\[targets\.staging\.(?:names|services\.checkout)\])", TARGET, flags=re.M)
    assert names.startswith("[targets.staging.names]")
    (folder / "gameday.toml").write_text(head + MONITORING + services)
    test_the_scenarios_are_right_on_the_target(load_settings(explicit=folder / "gameday.toml"), TOLD)


def test_the_target_is_about_the_shop(settings: Settings) -> None:
    shop = list(yaml.safe_load_all(SHOP))
    there = {(one["kind"], one["metadata"]["name"]) for one in shop}
    target = check_target("staging", settings).settings
    assert {("Namespace", name) for name in target["namespaces"]} <= there
    for table in target["services"].values():
        assert ("Deployment", table["workload"].removeprefix("deployment/")) in there
        assert ("Service", table["service"]) in there
    (port,) = (one["spec"]["ports"][0]["nodePort"] for one in shop if one.get("spec", {}).get("type") == "NodePort")
    assert f"containerPort: {port}, hostPort: 8080" in PAGE


def test_in_the_cluster_the_settings_are_right_too(tmp_path: Path) -> None:
    path = tmp_path / "gameday.toml"
    path.write_text(IN_CLUSTER)
    assert check_target("staging", load_settings(explicit=path)).settings["cluster"]["in_cluster"] is True


def test_the_rules_are_those_that_are_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(folder / name) for name in ("kill.yaml", "outage.yaml")]
    assert manifests.main([*files, "--config", str(folder / "gameday.toml")], standalone_mode=False) == 0
    printed = capsys.readouterr().out
    rules = re.findall(r"(?:^  # .*\n)+(?:^  - .*\n)(?:^    .*\n)+", RULES, re.MULTILINE)
    assert len(rules) == 3
    for rule in rules:
        assert rule in printed
    assert "ClusterRole" not in printed


def test_every_command_and_option_is_there() -> None:
    lines = [line for text in blocks("console") for line in re.findall(r"^\$ (gameday .*)$", text, re.MULTILINE)]
    lines += re.findall(r"`(gameday [^`]+)`", PAGE)
    assert len(lines) > 10
    for line in lines:
        words = shlex.split(line.partition(" | ")[0])
        command = root.get_command(click.Context(root), words[1])
        assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words[2:] if word.startswith("-")} <= known, line


def test_numbers_and_names_are_the_code_s() -> None:
    from gameday.cluster import holders, lease

    assert f"is renewed every {lease.RENEWED:g} s" in PAGE
    assert f"after {holders.LASTS} s" in " ".join(PAGE.split())
    assert f"`{PROTECTED}=true`" in PAGE and f"{NAMESPACE_PERCENT:g} % of a namespace's pods" in PAGE
    assert all(f"`{name}`" in PAGE for name in SYSTEM)


def test_links_lead_somewhere() -> None:
    for file, anchor in re.findall(r"\]\(([\w.-]*)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / file).read_text() if file and file != "faults.md" else PAGE
        if file == "faults.md":
            text = catalogue_page()
        heads = [
            re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-")
            for head in re.findall(r"^#+ (.+)$", text, re.M)
        ]
        assert not anchor or anchor in heads, (file, anchor)
