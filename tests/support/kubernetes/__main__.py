"""The process of the double: `python -m tests.support.kubernetes` prints its ports as one JSON line and serves.

It ends when its standard input closes, so that it never outlives the test run.
"""

from __future__ import annotations

import json
import sys
import threading

from tests.support.kubernetes import fields
from tests.support.kubernetes.control import Control
from tests.support.kubernetes.controllers import loop
from tests.support.kubernetes.http_server import Gate
from tests.support.kubernetes.world import World


def main() -> None:
    world = World()
    public, private = Gate(world, tester=False), Gate(world, tester=True)
    private.control = Control(world, public)
    public.open()
    private.open()
    loop.start(world)
    # Needed for the first write; meanwhile the test gets ready.
    threading.Thread(target=fields.models, daemon=True).start()
    print(json.dumps({"public": public.port, "private": private.port}), flush=True)
    ended = threading.Thread(target=sys.stdin.read)
    ended.start()
    ended.join()


if __name__ == "__main__":
    main()
