"""``python -m verify``, and the command ``mailverdict``."""

from __future__ import annotations

import gc


def main() -> None:
    """The program, with the garbage collector out of the way: what is loaded at the start stays until the end."""
    gc.set_threshold(50_000, 20, 50)
    from verify.fronts.cli import main as program

    try:
        program()
    finally:
        gc.freeze()  # else the interpreter looks through all of it before it ends


if __name__ == "__main__":
    main()
