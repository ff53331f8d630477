"""gameday.toml: found, read, and its mistakes said with line and nearest right word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gameday.errors import Exit, UsageError
from gameday.targets.settings import load_settings

WHOLE = """\
# Everything there is to say.
[store]
url = "postgresql://gameday@db.example.com/gameday"

[severity]
preset = "p-cadence"

[policy]
allow_process = true
allow_modules = ["chaosk8s", "chaosaws"]

[reports]
directory = "debriefs"

[targets.staging]
kind = "toxiproxy"
environment = "staging"
proxy = "http://127.0.0.1:8474"
services = ["redis", "payments"]

[targets.staging.names]
redis = "127.0.0.1:26379"
prometheus = "http://prometheus.example.com:9090"

[targets.staging.measures]
error-rate = { prometheus = { query = 'sum(rate(http_requests_total{code=~"5.."}[1m]))' } }
up = { http = { url = "${prometheus}/-/healthy", timeout = "2s" } }

[targets."live cluster"]
kind = "kubernetes"
environment = "production"
context = "live"
namespaces = ["shop", "payments"]
opt_in = "gameday.dev/enabled=true"

[targets."live cluster".services.checkout]
workload = "deployment/checkout"
service = "checkout"
address = "https://shop.example.com"

[targets."live cluster".services.payments]
namespace = "payments"
selector = "app=payments,tier in (api)"
external = ["api.payments.example.com"]
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "gameday.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def complaint(folder: Path, text: str | bytes) -> str:
    """What is said about a file, without its path."""
    path = write(folder, text)
    with pytest.raises(UsageError) as caught:
        load_settings(explicit=path)
    assert caught.value.exit_code == Exit.INVALID
    assert all(line.startswith(str(path)) for line in str(caught.value).splitlines())
    return str(caught.value).replace(str(path), "gameday.toml")


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    settings = load_settings(start=tmp_path)
    assert settings.store.url is None
    assert settings.severity.preset == "sev"
    assert settings.policy.allow_process is False
    assert settings.policy.allow_modules == ["chaosk8s"]
    assert settings.reports.directory == "reports"
    assert settings.targets == {}
    assert settings.path is None


def test_a_whole_file(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    settings = load_settings(explicit=path)
    assert settings.path == path
    assert settings.severity.preset == "p-cadence"
    assert settings.policy.allow_modules == ["chaosk8s", "chaosaws"]
    assert settings.targets["staging"].proxy == "http://127.0.0.1:8474"
    assert settings.targets["live cluster"].context == "live"


def test_it_is_found_from_any_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, '[reports]\ndirectory = "there"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert load_settings(start=below).path == path
    monkeypatch.chdir(below)
    assert load_settings().reports.directory == "there"
    nearer = write(below, "")
    assert load_settings(start=below).path == nearer


def test_a_folder_of_that_name_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    (tmp_path / "a" / "gameday.toml").mkdir(parents=True)
    assert load_settings(start=tmp_path / "a").path == path


def test_a_current_folder_that_is_gone_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_settings().path is None


TARGET = '[targets.staging]\nkind = "toxiproxy"\nenvironment = "staging"\nproxy = "http://127.0.0.1:8474"\n'

CLUSTER = '[targets.k]\nkind = "kubernetes"\nenvironment = "staging"\ncontext = "k"\nnamespaces = ["shop"]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[stor]\n", "gameday.toml:1: unknown key 'stor'; did you mean 'store'?"),
        ('[store]\n\nurll = "x"\n', "gameday.toml:3: unknown key 'urll' in [store]; did you mean 'url'?"),
        ("a.b = 1\n", "gameday.toml:1: unknown key 'a'; known: store, severity, policy, reports, targets"),
        ('[severity]\npreset = "sef"\n', "gameday.toml:2: severity.preset can't be 'sef'; did you mean 'sev'?"),
        ("[policy]\nallow_process = 7\n", "gameday.toml:2: policy.allow_process should be a valid boolean"),
        ('[policy]\nallow_modules = "x"\n', "gameday.toml:2: policy.allow_modules should be a valid list; found 'x'"),
        ("store = 7\n", "gameday.toml:1: store should be a valid dictionary"),
        (TARGET + 'enviroment = "x"\n', "gameday.toml:5: unknown key 'enviroment' in [targets.staging]; did you mean"),
        (
            '[targets.staging]\nkind = "toxiproxy"\n',
            "gameday.toml:1: missing key 'environment' in [targets.staging]; write",
        ),
        (
            '\n[targets.staging]\nenvironment = "staging"\nkind = "toxyproxi"\n',
            "gameday.toml:4: targets.staging.kind can't be 'toxyproxi'; did you mean 'toxiproxy'?",
        ),
        (TARGET.replace("proxy =", "# "), "gameday.toml:1: targets.staging needs the address of Toxiproxy's API"),
        (TARGET + 'context = "x"\n', "'context' means nothing with kind 'toxiproxy'"),
        (
            '[targets.k]\nkind = "kubernetes"\nenvironment = "staging"\n',
            "targets.k needs a context, so that nobody breaks the cluster of the day",
        ),
        (CLUSTER.replace('context = "k"', ""), "targets.k needs a context"),
        (CLUSTER + "in_cluster = true\n", "has a context, and in_cluster = true"),
        (CLUSTER.replace('"k"', '""'), "gameday.toml:4: targets.k.context is empty: write the name of a context"),
        (CLUSTER.replace('["shop"]', "[]"), "targets.k needs the namespaces that may be touched"),
        (CLUSTER.replace('["shop"]', '["Shop"]'), "gameday.toml:5: targets.k.namespaces.0 string should match pattern"),
        (
            CLUSTER + 'services = ["checkout"]\n',
            "services of a cluster are tables: write [targets.….services.checkout]",
        ),
        (CLUSTER + "namespace_percent = 101\n", "gameday.toml:6: targets.k.namespace_percent should be less than"),
        (
            CLUSTER + 'namespace_percent = "90"\n',
            "gameday.toml:6: targets.k.namespace_percent is text, and must be a number",
        ),
        (CLUSTER + "namespace_percent = true\n", "targets.k.namespace_percent is true or false, and must be a number"),
        (CLUSTER + 'in_cluster = "false"\n', "gameday.toml:6: targets.k.in_cluster is text: write true or false"),
        ('[policy]\nallow_process = "yes"\n', "gameday.toml:2: policy.allow_process is text: write true or false"),
        (CLUSTER + 'kubeconfig = ""\n', "gameday.toml:6: targets.k.kubeconfig is empty: write a path, or leave"),
        (
            CLUSTER + 'proxy = "ftp://x"\n',
            "gameday.toml:6: targets.k.proxy 'ftp://x' is no address of an API: write http",
        ),
        (CLUSTER + 'engines = ["litmus"]\n', "gameday.toml:6: targets.k.engines.0 can't be 'litmus'"),
        (CLUSTER + "[targets.k.services.a]\n", "gameday.toml:6: targets.k.services.a says nothing of where it is"),
        (
            CLUSTER + '[targets.k.services.a]\nworkload = "daemonset/a"\n',
            "gameday.toml:7: targets.k.services.a.workload 'daemonset/a' is no workload: write deployment/NAME or",
        ),
        (CLUSTER + 'opt_in = "a b c"\n', "gameday.toml:6: targets.k.opt_in 'a b c' is no label selector"),
        (CLUSTER + '[targets.k.services.a]\nselektor = "a"\n', "gameday.toml:7: unknown key 'selektor' in [targets.k"),
        (
            CLUSTER + '[targets.k.services.a]\nworkload = "deployment/a"\nnamespace = "other"\n',
            "service 'a' is in namespace 'other', which is not one of namespaces",
        ),
        (TARGET + '[targets.staging.services.a]\nservice = "a"\n', "services of kind 'toxiproxy' are names alone"),
        (
            TARGET + '[targets.staging.names]\nshop = "http://me:secret@127.0.0.1"\n',
            "gameday.toml:6: targets.staging.names.shop must not hold a password",
        ),
        (
            TARGET + '[targets.staging.names]\n"a b" = "x"\n',
            "gameday.toml:6: targets.staging.names.a b 'a b' is no name",
        ),
        (
            TARGET + '[targets.staging.measures]\nrate = { prometheus = { qery = "up" } }\n',
            "gameday.toml:6: unknown key 'qery' in [targets.staging.measures.rate.prometheus]; did you mean 'query'?",
        ),
        (TARGET + "[targets.staging.measures]\nrate = { }\n", "measure 'rate' is one probe"),
        (TARGET + '[targets.staging.measures]\nrate = { measure = "rate" }\n', "measure 'rate' is one probe"),
        (TARGET.replace("targets.staging", "targets.sandbox"), "the target 'sandbox' is built in"),
        ("[store\n", "gameday.toml: not TOML: "),
        ("x = 1\nx = 2\n", "line 2"),
        (b"\xff\xfe[store]", "gameday.toml is not UTF-8 text"),
        (b"\x00\x01\x02", "not TOML"),
        ("# " + "x" * 1_100_000, "larger than 1 MB"),
        ("x = " + "[" * 100_000, "not TOML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in complaint(tmp_path, text)


@pytest.mark.parametrize("said", ["localhost:8474", "127.0.0.1:8474", "http://", "http://a b", "toxiproxy"])
def test_toxiproxys_api_is_asked_by_http(tmp_path: Path, said: str) -> None:
    text = TARGET.replace("http://127.0.0.1:8474", said)
    form = "is no address of an API: write http://HOST:PORT, e.g. http://127.0.0.1:8474"
    assert f"gameday.toml:4: targets.staging.proxy '{said}' {form}" in complaint(tmp_path, text)


SERVICE = CLUSTER + '[targets.k.services.a]\nservice = "a"\n'


@pytest.mark.parametrize("said", ["ftp://x", "http://", "a b", "http://a b/", "/health", "redis://cache", "."])
def test_an_address_that_cant_be_asked(tmp_path: Path, said: str) -> None:
    form = "can't be asked: write http://HOST:PORT, https://HOST, or HOST:PORT"
    found = complaint(tmp_path, f'{SERVICE}address = "{said}"\n')
    assert f"gameday.toml:8: targets.k.services.a.address '{said}' {form}" in found


@pytest.mark.parametrize(
    "said", ["10.0.0.0/33", "http://x/", "10.0.0.300", "x/24", "a b", "x:0", "x:99999", "-a", "*.example.com", "a..b"]
)
def test_a_place_outside_that_is_none(tmp_path: Path, said: str) -> None:
    form = "is neither a host name nor a CIDR: write e.g. bank.example.com or 192.0.2.0/24"
    found = complaint(tmp_path, f'{SERVICE}external = ["bank", "{said}"]\n')
    assert f"gameday.toml:8: targets.k.services.a.external.1 '{said}' {form}" in found


def test_what_is_right_is_taken_as_it_is(tmp_path: Path) -> None:
    outside = [
        "bank",
        "bank.example.com.",
        "a_b.example.com:443",
        "192.0.2.7",
        "192.0.2.7:80",
        "10.0.0.5/8",
        "2001:db8::/32",
    ]
    outside += ["::1", "[::1]:443", "3com.example"]
    for said in ("http://a.example.com:8474/toxi", "https://127.0.0.1", "http://[::1]:8474/"):
        settings = load_settings(explicit=write(tmp_path, TARGET.replace("http://127.0.0.1:8474", said)))
        assert settings.targets["staging"].proxy == said
    for said in (
        "http://shop/x?y",
        "https://shop:1",
        "db:5432",
        "[::1]:80",
        "shop",
        "tcp://db:1",
        "redis://cache:6379/0",
    ):
        text = f'{SERVICE}address = "{said}"\nexternal = {outside}\n'.replace("'", '"')
        service = load_settings(explicit=write(tmp_path, text)).targets["k"].service_tables["a"]
        assert service.address == said and service.external == outside
    for said in ("90", "0.5", "100"):
        text = CLUSTER + f"namespace_percent = {said}\n"
        assert load_settings(explicit=write(tmp_path, text)).targets["k"].namespace_percent == float(said)


def test_a_password_in_an_address_that_is_none_is_not_shown(tmp_path: Path) -> None:
    for key in ("proxy", "address"):
        for said in ("http://me:s3cret@x y", "http://me:s3c/ret@x", "me:s3cret@h:1"):
            text = f'{CLUSTER}proxy = "{said}"\n' if key == "proxy" else f'{SERVICE}address = "{said}"\n'
            assert "s3c" not in complaint(tmp_path, text), said


def test_all_mistakes_of_a_file_are_said_at_once(tmp_path: Path) -> None:
    lines = complaint(tmp_path, "[policy]\nallow_proces = true\n[reports]\nfolder = 'x'\n").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["gameday.toml:2:", "gameday.toml:4:"]


def test_a_password_in_a_mistake_is_not_shown(tmp_path: Path) -> None:
    assert "secret" not in complaint(
        tmp_path, TARGET + '[targets.staging.names]\nshop = "http://me:secret@127.0.0.1"\n'
    )


def test_a_file_that_is_not_there_or_none(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "absent.toml", "no such settings file"), (tmp_path, "is not a file")):
        with pytest.raises(UsageError, match=said):
            load_settings(explicit=path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is not a file"):
        load_settings(explicit=pipe)
