"""What `gameday.toml` says: where journals are kept, which targets there are, what scenarios may do.

The file is looked for from the current folder upwards, so that a repository has one at its top. Nothing has to be
said: without a file everything has its default, and the targets `sandbox` and `none` always exist.
"""

# No `annotations` from the future: pydantic would compile each of them by itself.

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)

from gameday.errors import UsageError
from gameday.scenario.alone import Alone
from gameday.scenario.keys import PROBES
from gameday.scenario.models import Probing, none_listed, none_named
from gameday.scenario.names import NAME
from gameday.scenario.presets import DEFAULT, PresetName
from gameday.targets.addresses import asked_address, no_password, outside, unquoted_flag, unquoted_number, web_address
from gameday.targets.finding import find_settings, read_document
from gameday.targets.selectors import parse
from gameday.targets.wording import in_words

BUILT_IN = ("sandbox", "none")


def _context(name: str) -> str:
    if not name.strip():
        raise ValueError("is empty: write the name of a context, as `kubectl config get-contexts` lists them")
    return name


def _path(name: str) -> str:
    if not name.strip():
        raise ValueError("is empty: write a path, or leave the key out for $KUBECONFIG or ~/.kube/config")
    return name


def _speakable(name: str) -> str:
    if not NAME.match(name):
        raise ValueError(f"{name!r} is no name for ${{…}}: use letters, digits, dashes, underscores; a letter first")
    return name


def _workload(said: str) -> str:
    kind, slash, name = said.partition("/")
    if not slash or kind not in WORKLOADS or not name:
        raise ValueError(f"{said!r} is no workload: write deployment/NAME or statefulset/NAME")
    return said


def _selector(said: str) -> str:
    parse(said)
    return said


Selector = Annotated[str, Field(min_length=1), AfterValidator(_selector)]
WORKLOADS = ("deployment", "statefulset")
KubernetesName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Address = Annotated[str, Field(min_length=1), AfterValidator(no_password)]
WebAddress = Annotated[Address, AfterValidator(web_address)]
AskedAddress = Annotated[Address, AfterValidator(asked_address)]
Outside = Annotated[str, Field(min_length=1), AfterValidator(outside)]
Flag = Annotated[bool, BeforeValidator(unquoted_flag)]
Share = Annotated[float, BeforeValidator(unquoted_number), Field(gt=0, le=100)]
Name = Annotated[str, AfterValidator(_speakable)]


_OF_CLUSTERS = ("context", "in_cluster", "kubeconfig", "namespaces", "opt_in", "namespace_percent", "engines")


class Section(Alone, BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreSettings(Section):
    url: str | None = Field(None, description="Where journals are kept; a file of the user's own unless said.")


class SeveritySettings(Section):
    preset: PresetName = Field(DEFAULT, description="Whose severity levels scenarios use.")


class PolicySettings(Section):
    allow_process: Flag = Field(False, description="Scenarios may run programs on this machine.")
    allow_modules: list[str] = Field(
        default=["chaosk8s"], description="Python modules, with all that is in them, that scenarios may call."
    )


class ReportSettings(Section):
    directory: str = Field("reports", description="Where debriefs are written.")


class ServiceSettings(Section):
    """With kind kubernetes: what a name that scenarios use stands for in the cluster."""

    namespace: KubernetesName | None = Field(None, description="Where it is; the first of `namespaces` unless said.")
    workload: Annotated[str, AfterValidator(_workload)] | None = Field(
        None, description="What runs it: deployment/NAME or statefulset/NAME."
    )
    selector: Selector | None = Field(None, description="Label selector of its pods; that of the workload unless said.")
    service: KubernetesName | None = Field(None, description="The Service by which others reach it.")
    address: AskedAddress | None = Field(
        None, description="Where it can be asked from here; becomes ${name} in scenarios."
    )
    external: list[Outside] = Field(
        default_factory=none_listed, description="Host names or CIDRs of a dependency that runs outside of the cluster."
    )
    proxy: str | None = Field(None, description="Its name in Toxiproxy, where that is not the service's own.")

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if not (self.workload or self.selector or self.service or self.external or self.proxy or self.address):
            raise ValueError(
                'says nothing of where it is: add workload = "deployment/…", selector = "app=…" or service'
            )
        return self


def _services_kind(said: object) -> str:
    return "<tables>" if isinstance(said, dict) else "<names>"


Services = Annotated[
    Annotated[list[str], Tag("<names>")] | Annotated[dict[Name, ServiceSettings], Tag("<tables>")],
    Discriminator(_services_kind),
]
"""Names alone, or with kind kubernetes a table for each. One error where it is wrong, not one for each of the two."""


class TargetSettings(Section):
    """One system that can be exercised."""

    kind: Literal["toxiproxy", "kubernetes", "other"] = Field(description="other: for Chaos Toolkit activities alone.")
    environment: str = Field(min_length=1, description="E.g. staging; `production` asks for --confirm.")
    names: dict[Name, Address] = Field(default_factory=none_named, description="What ${name} stands for in scenarios.")
    services: Services = Field(
        default_factory=none_listed, description="What faults may be aimed at; with kind kubernetes a table for each."
    )
    measures: dict[str, Probing] = Field(default_factory=none_named, description="Numbers to watch, each a probe.")
    proxy: WebAddress | None = Field(None, description="The address of Toxiproxy's API.")
    context: Annotated[str, AfterValidator(_context)] | None = Field(
        None, description="With kind kubernetes: a context of the kubeconfig."
    )
    in_cluster: Flag | None = Field(None, description="With kind kubernetes: the service account of the pod we run in.")
    kubeconfig: Annotated[str, AfterValidator(_path)] | None = Field(
        None, description="With kind kubernetes: a file; else KUBECONFIG or ~/.kube/config."
    )
    namespaces: list[KubernetesName] = Field(
        default_factory=none_listed,
        description="With kind kubernetes: the only ones that may be touched; the first is meant.",
    )
    opt_in: Selector | None = Field(
        None,
        description="With kind kubernetes: only what has this label may be touched, e.g. gameday.dev/enabled=true.",
    )
    namespace_percent: Share | None = Field(
        None,
        description="With kind kubernetes: the largest share of a namespace's pods that faults touch; 80 unless said.",
    )
    engines: list[Literal["api", "chaos-mesh", "toxiproxy"]] = Field(
        default_factory=none_listed,
        description="With kind kubernetes: what may do faults, first choice first; else what is found.",
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.kind == "toxiproxy" and self.proxy is None:
            raise ValueError('needs the address of Toxiproxy\'s API: add proxy = "http://127.0.0.1:8474"')
        if self.kind == "kubernetes":
            self._is_a_cluster()
        if isinstance(self.services, dict) and self.kind != "kubernetes":
            raise ValueError(f'services of kind {self.kind!r} are names alone: write services = ["…"]')
        for key in _OF_CLUSTERS if self.kind != "kubernetes" else ():
            if getattr(self, key):
                raise ValueError(f"{key!r} means nothing with kind {self.kind!r}: remove it")
        if self.kind == "other" and self.proxy is not None:
            raise ValueError("'proxy' means nothing with kind 'other': remove it")
        for name, probe in self.measures.items():
            kinds = [kind for kind in PROBES if getattr(probe, kind) is not None]
            if len(kinds) != 1 or kinds == ["measure"]:
                raise ValueError(f"measure {name!r} is one probe: {', '.join(k for k in PROBES if k != 'measure')}")
        return self

    def _is_a_cluster(self) -> None:
        if self.context is None and not self.in_cluster:
            raise ValueError('needs a context, so that nobody breaks the cluster of the day: add context = "…"')
        if self.context is not None and self.in_cluster:
            raise ValueError("has a context, and in_cluster = true: keep one of the two")
        if self.in_cluster and self.kubeconfig is not None:
            raise ValueError("has a kubeconfig, and in_cluster = true: keep one of the two")
        if not self.namespaces:
            raise ValueError('needs the namespaces that may be touched: add namespaces = ["…"]')
        if isinstance(self.services, list) and self.services:
            raise ValueError(
                f"services of a cluster are tables: write [targets.….services.{self.services[0]}] with "
                f'workload = "deployment/{self.services[0]}"'
            )
        for name, service in self.service_tables.items():
            if service.namespace is not None and service.namespace not in self.namespaces:
                raise ValueError(
                    f"service {name!r} is in namespace {service.namespace!r}, which is not one of namespaces: "
                    "add it there"
                )

    @property
    def service_tables(self) -> dict[str, ServiceSettings]:
        """Of a cluster: what each service's name stands for."""
        return self.services if isinstance(self.services, dict) else {}


class Settings(Section):
    """The whole file, with defaults for all that it doesn't say."""

    store: StoreSettings = Field(default_factory=lambda: StoreSettings())
    severity: SeveritySettings = Field(default_factory=lambda: SeveritySettings())
    policy: PolicySettings = Field(default_factory=lambda: PolicySettings())
    reports: ReportSettings = Field(default_factory=lambda: ReportSettings())
    targets: dict[str, TargetSettings] = Field(default_factory=none_named)
    _path: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _built_in_stay(self) -> Self:
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
    text, document = read_document(path)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise UsageError("\n".join(in_words(error, Settings, document, text, path))) from None
    settings._path = path
    return settings


def as_probe(probe: Probing) -> dict[str, Any]:
    """A measure's probe as a scenario would write it, in JSON."""
    return probe.model_dump(mode="json", exclude_unset=True)
