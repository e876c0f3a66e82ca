"""``python -m verify``: the same program as ``mailverdict``."""

from verify.fronts.cli import main

if __name__ == "__main__":
    main()
