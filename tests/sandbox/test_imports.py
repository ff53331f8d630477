"""The sandbox's processes start on the standard library alone, and `control` stays cheap to import."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["supervisor", "proxy", "storefront", "checkout", "payments", "inventory", "load", "alerts", "control"]
)
def test_standard_library_only(module: str) -> None:
    code = (
        f"import sys; before = {{name.partition('.')[0] for name in sys.modules}}\nimport gameday.sandbox.{module}\n"
        "theirs = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - before\n"
        "rooms = {name for name in sys.modules if name.startswith('gameday.') and '.sandbox' not in name}\n"
        "print(sorted(theirs), sorted(rooms))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['gameday'] []"


def test_control_imports_neither_asyncio_nor_http() -> None:
    code = "import sys, gameday.sandbox.control; print(sorted({'asyncio', 'http.client', 'email'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
