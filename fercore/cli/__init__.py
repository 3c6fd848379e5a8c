"""The command line: `python -m fercore` or `fercore`, one subcommand a job.

Help and errors come at once: a command imports what it computes with when it is called, and looks at its arguments first.
"""

import io
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from fercore.cli import course, datasets, papers, runs
from fercore.cli.options import OneLineParser, make_config
from fercore.errors import ConfigError, FercoreError
from fercore.parallel.clock import session_start
from fercore.parallel.torchrun import local_rank, require_one_process
from fercore.paths import CHECKOUT

__all__ = ["main", "make_config", "parser"]


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command; an error that a user can mend, Ctrl-C or a termination is one line and exit code 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an output of ASCII gets a ? for what it cannot print, such as ±
    options = parser().parse_args(arguments)
    try:
        if options.command != "train":
            require_one_process("this command")
        if options.in_checkout and not CHECKOUT:
            raise ConfigError(f"{options.command} needs a checkout of the repository, with its notebooks, results and figures")
        code = options.run(options)
        sys.stdout.flush()
        sys.exit(code)
    except FercoreError as error:
        sys.exit(1 if local_rank() else f"error: {error}")  # of torchrun's processes one says it
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] in ("fercore", "simfer"):
            raise
        mend = ". .venv/bin/activate" if is_left_asleep(Path(".venv")) else "pip install 'fercore[course]'"
        sys.exit(f"error: {options.command} needs the package {error.name}: {mend}")
    except BrokenPipeError:  # who reads the output, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is said to nobody
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        again = f", with FERCORE_SESSION_START={session_start()}," * getattr(options, "fresh", False)  # else it begins anew
        sys.exit(1 if local_rank() else f"stopped; the same command{again} goes on from the last finished epoch")


def is_left_asleep(environment: Path) -> bool:
    """Whether there is a virtual environment that this Python is not of."""
    return (environment / "bin" / "activate").is_file() and environment.resolve() != Path(sys.prefix).resolve()


def parser() -> OneLineParser:
    """Every command with its options."""
    root = OneLineParser(prog="fercore", description="Metric learning for facial expression recognition.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for group in (runs, datasets, papers, course):
        group.add_commands(commands)
    return root
