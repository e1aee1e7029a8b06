"""The command line: ``python -m unet_tutorial --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import __version__
from ._commands import check, export, grade, predict

COMMANDS = {"predict": predict, "export": export, "check": check, "grade": grade}  # a module each, see `_commands`


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that ``words`` name, or else those of the command line, and return the exit status."""
    parser = argparse.ArgumentParser("python -m unet_tutorial", description="Use what was trained with this book.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    try:
        return arguments.run(arguments)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted. What was done until now is kept.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
