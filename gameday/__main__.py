"""`python -m gameday` and the `gameday` script. Kept empty: worker processes may import it again."""

from __future__ import annotations


def main() -> int:
    from gameday.cli.streams import open_closed

    open_closed()
    from gameday.cli.main import main as run

    return run()


if __name__ == "__main__":
    raise SystemExit(main())
