"""course, figures, doctor."""

import argparse
import sys
from typing import Any

from fercore.cli.options import add_command, literal, split_pair


def add_commands(commands: Any) -> None:
    course = add_command(
        commands, "course", course_command, "execute the notebooks headless, with real training", in_checkout=True
    )
    course.add_argument("--profile", default="quick", help="quick, laptop or paper (default: quick)")
    course.add_argument("--only", metavar="NN", help="only the notebooks whose names start so, such as 02")
    course.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    course.add_argument("--fresh", action="store_true", help="train again even where finished runs exist")
    course.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="any notebook parameter")
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
    print(f"\nfigures as PNG and PDF: {shown(runs_dir() / options.profile / 'figures')}")
    print("read them in a browser: .venv/bin/jupyter lab notebooks (or open the executed copies named above)")


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
