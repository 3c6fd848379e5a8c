"""course, lab, figures, doctor."""

import argparse
import sys
from pathlib import Path
from typing import Any

from fercore.cli.options import add_command, literal, split_pair
from fercore.errors import ConfigError


def add_commands(commands: Any) -> None:
    course = add_command(commands, "course", course_command, "execute the notebooks headless, with real training")
    course.add_argument("--profile", default="quick", help="quick, laptop or paper (default: quick)")
    course.add_argument("--only", metavar="NN", help="only the notebooks whose names start so, such as 02")
    course.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    course.add_argument("--fresh", action="store_true", help="train again even where finished runs exist")
    course.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="any notebook parameter")
    summary = "open JupyterLab with the course; without a checkout, put its notebooks and results into a folder first"
    lab = add_command(commands, "lab", lab_command, summary)
    lab.add_argument("folder", nargs="?", help="where to put the course (default: fercore-course)")
    lab.add_argument("--copy-only", action="store_true", help="put the course there and open nothing: for a hosted notebook")
    summary = "regenerate figures/, its REPORT.md and the README's table from the shipped results"
    add_command(commands, "figures", figures_command, summary, in_checkout=True)
    add_command(commands, "doctor", doctor_command, "is this machine ready?")


# --- the commands -------------------------------------------------------------------------------------------------------


def course_command(options: argparse.Namespace) -> None:
    from fercore.paths import runs_dir, shown
    from fercore.profiles import check_profile

    check_profile(options.profile)
    parameters = {name: literal(value) for name, value in map(split_pair, options.parameter)}

    from fercore.course.notebooks import course_table, run_course

    executed = run_course(options.profile, only=options.only, device=options.device, fresh=options.fresh, parameters=parameters)
    print(f"\n{course_table(executed)}")
    print(f"\nfigures: {shown(runs_dir() / options.profile / 'figures')}")
    print("read them in a browser: python -m fercore lab (or open the executed copies named above)")


def lab_command(options: argparse.Namespace) -> None:
    from fercore.course.lab import open_lab, unpack
    from fercore.paths import CHECKOUT, ROOT

    if CHECKOUT and options.folder:
        raise ConfigError("a checkout has the course already; leave out the folder")
    folder = ROOT if CHECKOUT else Path(options.folder or "fercore-course")
    if not CHECKOUT:
        print(f"{unpack(folder)} files of the course put into {folder}; what was there is unchanged", flush=True)
    if not options.copy_only:
        open_lab(folder)


def figures_command(options: argparse.Namespace) -> None:
    from fercore.course.notebooks import regenerate_figures
    from fercore.paths import shown

    for path in regenerate_figures():
        print(shown(path))


def doctor_command(options: argparse.Namespace) -> None:
    from fercore.course.doctor import diagnose

    answers = diagnose()
    for question, ready, answer in answers:
        print(f"{'ok ' if ready else 'NO '} {question:22} {answer}")
    failed = [question for question, ready, _ in answers if not ready]
    sys.exit(f"not ready: {', '.join(failed)}" if failed else 0)
