"""course, figures, doctor."""

import argparse
import sys

from fercore.cli.options import literal, split_pair


def course_command(options: argparse.Namespace) -> None:
    from fercore.course.notebooks import course_table, run_course
    from fercore.paths import runs_dir, shown

    parameters = {name: literal(value) for name, value in map(split_pair, options.parameter)}
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
