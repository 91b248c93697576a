"""`python -m pipeline` is the command `pipeline`, under a parent process that survives a crash."""

import faulthandler
import sys

from pipeline.supervision import supervise


def main() -> None:
    """The command line. It is imported after the fork, which is cheap then."""
    supervise()
    if "--debug" in sys.argv:
        faulthandler.enable()  # a crash shows which call it was in
    from pipeline.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
