"""The command line: `python -m fercore` or `fercore`, one subcommand a job."""

import argparse
import sys
from typing import NoReturn

from fercore.cli.course import course_command, doctor_command, figures_command
from fercore.cli.datasets import data_command
from fercore.cli.options import OneLineParser, add_config_options
from fercore.cli.papers import errata_command, plan_command, report_command, ship_command, tune_command
from fercore.cli.runs import predict_command, sweep_command, train_command
from fercore.errors import FercoreError
from fercore.parallel.torchrun import local_rank, require_one_process


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command; an error that a user can mend is one line and exit code 1."""
    options = parser().parse_args(arguments)
    try:
        if options.run is not train_command:
            require_one_process("this command")
        sys.exit(options.run(options))
    except FercoreError as error:
        sys.exit(1 if local_rank() else f"error: {error}")  # of torchrun's processes one says it
    except OSError as error:
        sys.exit(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from the last finished epoch")


def parser() -> argparse.ArgumentParser:
    root = OneLineParser(prog="fercore", description="Metric learning for facial expression recognition: the course's engine.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(run=run)
        return sub

    one = command("train", train_command, "train one run, or show its stored result")
    add_config_options(one)
    one.add_argument("--seed", default="0")
    one.add_argument(
        "--sync-batchnorm",
        action="store_true",
        help="under torchrun: normalize by the whole batch, not by each process's share",
    )
    one.add_argument("--compile", action="store_true", help="by torch.compile: slow to begin, then faster on a GPU")
    one.epilog = (
        "Several processes train one run together: `torchrun --nproc-per-node 2 -m fercore train ...`. Each takes its share "
        "of every batch (batch_size counts all of them); the first one writes and prints."
    )
    many = command("sweep", sweep_command, "train many runs, one process a core; finished ones are skipped")
    add_config_options(many)
    many.add_argument("--seeds", default="0,1,2", help="comma-separated (default: 0,1,2)")
    many.add_argument("--grid", action="append", default=[], metavar="KEY=V1,V2", help="try each value; may be repeated")
    many.add_argument(
        "--experiment",
        action="append",
        help="a table or figure of the course instead of a method; 'all' is all of them, without the tables of --table",
    )
    many.add_argument(
        "--table",
        action="append",
        help="a table as published, on its own data and at profile paper: 'table 3.3', or 'all' of those whose data are here",
    )
    many.add_argument(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="each run is a SLURM job, with this sbatch option as submitit names it (partition=gpu, time=120); may be repeated",
    )

    data = command("data", data_command, "fetch or check a data set")
    data.add_argument("action", choices=("make", "check"), help="make: fetch or render it; check: hold it against its release")
    data.add_argument("name", help="wmnist, simfer, rafdb, affectnet, fer2013, ckplus, mmi or sfew")
    data.add_argument("path", nargs="?", help="check: its folder (default: data/NAME, data/simfer/PRESET)")
    data.add_argument("--preset", default="quick", help="of simfer (default: quick)")

    look = command("predict", predict_command, "class probabilities of image files, one line an image")
    look.add_argument("images", nargs="+", metavar="IMAGE")
    look.add_argument("--run", required=True, dest="source", metavar="RUN", help="a run's id, or a file in its folder")
    look.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")

    ahead = command("plan", plan_command, "hours, GPU memory and disk that the published tables take on their own data")
    ahead.add_argument("--table", action="append", help="such as 'table 3.3'; may be repeated (default: all)")
    ahead.add_argument("--tflops", type=float, default=30.0, help="10^12 operations a second that a GPU sustains (default: 30)")
    ahead.add_argument("--gpus", type=int, default=1, help="that share the runs (default: 1)")

    report = command("report", report_command, "paper | here on | here | interval | status, for every published number")
    report.add_argument("--profile", default="laptop")
    report.add_argument("--item", metavar="TABLE", help="one table alone, named as in paper.csv: 'table 4.1'")
    report.add_argument("--write", metavar="FILE", help="write the whole report into this Markdown file instead")

    course = command("course", course_command, "execute the notebooks headless, with real training")
    course.add_argument("--profile", default="quick")
    course.add_argument("--only", metavar="NN", help="only the notebooks whose names start so, such as 02")
    course.add_argument("--device", default="auto")
    course.add_argument("--fresh", action="store_true", help="train again even where finished runs exist")
    course.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="any notebook parameter")

    command("figures", figures_command, "regenerate figures/, its REPORT.md and the README's tables from the shipped results")
    ship = command("ship", ship_command, "copy finished runs of the course's experiments into results/")
    ship.add_argument("--profile", default="laptop")
    tune = command("tune", tune_command, "keep what each method's trials chose (experiment tuning) in fercore/tuned.json")
    tune.add_argument("--profile", default="laptop")
    errata = command("errata", errata_command, "the papers' errata, each with the number that shows it")
    errata.add_argument("--write", metavar="FILE", help="write them into this Markdown file instead")
    command("doctor", doctor_command, "is this machine ready?")
    return root
