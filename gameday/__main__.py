"""`python -m gameday` and the `gameday` script. Kept empty: worker processes may import it again."""

from __future__ import annotations


def main() -> int:
    import gc
    import sys

    from gameday.cli.streams import open_closed

    open_closed()
    from gameday.cli.ahead import begun_early

    try:
        with begun_early(sys.argv[1:]):
            from gameday.cli.main import main as run

            code = run()
    except KeyboardInterrupt:
        # In the middle of an import, say: nothing was begun by then, or it is undone by those who were started for it.
        sys.stderr.write("Stopped.\n")
        code = 130
    # The process is about to end: Python would look through everything imported once more, for nothing.
    gc.freeze()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
