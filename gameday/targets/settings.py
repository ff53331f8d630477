"""What `gameday.toml` says: where journals are kept, which targets there are, what scenarios may do.

The file is looked for from the current folder upwards, so that a repository has one at its top. Nothing has to be
said: without a file everything has its default, and the targets `sandbox` and `none` always exist.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from gameday.errors import UsageError
from gameday.scenario.models import PROBES, Probing
from gameday.scenario.names import NAME
from gameday.scenario.presets import DEFAULT, PresetName
from gameday.targets.wording import in_words

FILE = "gameday.toml"
LARGEST = 1024 * 1024
"""Bytes of a settings file."""
BUILT_IN = ("sandbox", "none")


def _no_password(address: str) -> str:
    try:
        password = urlsplit(address).password
    except ValueError as error:
        raise ValueError(f"is not an address: {error}") from None
    if password:
        raise ValueError("must not hold a password: it would stand in every journal. Use a header with {env: NAME}")
    return address


def _speakable(name: str) -> str:
    if not NAME.match(name):
        raise ValueError(f"{name!r} is no name for ${{…}}: use letters, digits, dashes, underscores; a letter first")
    return name


Address = Annotated[str, Field(min_length=1), AfterValidator(_no_password)]
Name = Annotated[str, AfterValidator(_speakable)]


class Section(BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreSettings(Section):
    url: str | None = Field(None, description="Where journals are kept; a file of the user's own unless said.")


class SeveritySettings(Section):
    preset: PresetName = Field(DEFAULT, description="Whose severity levels scenarios use.")


class PolicySettings(Section):
    allow_process: bool = Field(False, description="Scenarios may run programs on this machine.")
    allow_modules: list[str] = Field(
        default=["chaosk8s"], description="Python modules, with all that is in them, that scenarios may call."
    )


class ReportSettings(Section):
    directory: str = Field("reports", description="Where debriefs are written.")


class TargetSettings(Section):
    """One system that can be exercised."""

    kind: Literal["toxiproxy", "kubernetes", "other"] = Field(description="other: for Chaos Toolkit activities alone.")
    environment: str = Field(min_length=1, description="E.g. staging; `production` asks for --confirm.")
    names: dict[Name, Address] = Field(default_factory=dict, description="What ${name} stands for in scenarios.")
    services: list[str] = Field(default_factory=list, description="What faults may be aimed at.")
    measures: dict[str, Probing] = Field(default_factory=dict, description="Numbers to watch, each a probe.")
    proxy: Address | None = Field(None, description="With kind toxiproxy: the address of its API.")
    context: str | None = Field(None, description="With kind kubernetes: a context of the kubeconfig.")
    namespace: str | None = Field(None, description="With kind kubernetes.")

    @model_validator(mode="after")
    def _belongs_together(self) -> TargetSettings:
        if self.kind == "toxiproxy" and self.proxy is None:
            raise ValueError('needs the address of Toxiproxy\'s API: add proxy = "http://127.0.0.1:8474"')
        if self.kind == "kubernetes" and self.context is None:
            raise ValueError('needs a context, so that nobody breaks the cluster of the day: add context = "…"')
        own = {"toxiproxy": ("proxy",), "kubernetes": ("context", "namespace"), "other": ()}[self.kind]
        foreign = [key for key in ("proxy", "context", "namespace") if key not in own]
        for key in foreign:
            if getattr(self, key) is not None:
                raise ValueError(f"{key!r} means nothing with kind {self.kind!r}: remove it")
        for name, probe in self.measures.items():
            kinds = [kind for kind in PROBES if getattr(probe, kind) is not None]
            if len(kinds) != 1 or kinds == ["measure"]:
                raise ValueError(f"measure {name!r} is one probe: {', '.join(k for k in PROBES if k != 'measure')}")
        return self


class Settings(Section):
    """The whole file, with defaults for all that it doesn't say."""

    store: StoreSettings = Field(default_factory=StoreSettings)
    severity: SeveritySettings = Field(default_factory=SeveritySettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    reports: ReportSettings = Field(default_factory=ReportSettings)
    targets: dict[str, TargetSettings] = Field(default_factory=dict)
    _path: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _built_in_stay(self) -> Settings:
        for name in BUILT_IN:
            if name in self.targets:
                raise ValueError(f"the target {name!r} is built in: give yours another name")
        return self

    @property
    def path(self) -> Path | None:
        """The file that they came from; None where there was none."""
        return self._path


def load_settings(start: Path | None = None, explicit: Path | None = None) -> Settings:
    """The settings of `explicit`, else of the nearest `gameday.toml` from `start` (the current folder) upwards.

    Raises:
        UsageError: the file can't be read or is wrong; one line for each mistake, with file and line.
    """
    path = explicit if explicit is not None else find_settings(start)
    if path is None:
        return Settings()
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path}: not TOML that can be read: nested too deep") from None
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise UsageError("\n".join(in_words(error, Settings, document, text, path))) from None
    settings._path = path
    return settings


def find_settings(start: Path | None = None) -> Path | None:
    """The nearest `gameday.toml` from `start` (the current folder) upwards; None where there is none."""
    try:
        here = (start or Path.cwd()).absolute()
    except FileNotFoundError:
        # The current folder has been deleted.
        return None
    for folder in (here, *here.parents):
        candidate = folder / FILE
        try:
            if candidate.is_file():
                return candidate
        except OSError as error:
            raise UsageError(f"{candidate} can't be looked at: {error.strerror}") from None
    return None


def _read(path: Path) -> str:
    try:
        if not path.exists():
            raise UsageError(f"{path}: there is no such settings file")
        if not path.is_file():
            raise UsageError(f"{path} is not a file: name a {FILE}")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise UsageError(f"{path} is larger than 1 MB: that is no settings file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: byte {error.start} can't be read") from None


def as_probe(probe: Probing) -> dict[str, Any]:
    """A measure's probe as a scenario would write it, in JSON."""
    return probe.model_dump(mode="json", exclude_unset=True)
