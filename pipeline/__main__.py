"""`python -m pipeline` is the command `pipeline`, under a parent process that survives a crash."""

from pipeline.supervision import supervise


def main() -> None:
    """The command line. It is imported after the fork, which is cheap then."""
    supervise()
    from pipeline.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
