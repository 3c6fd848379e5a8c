"""The command line: `python -m fercore` or `fercore`, one subcommand a job."""

import argparse
import ast
import itertools
import sys
from typing import NoReturn

from fercore.errors import FercoreError
from fercore.torchrun import local_rank, rank, require_one_process


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


class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


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


def add_config_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", default="softmax")
    command.add_argument("--data", default="wmnist")
    command.add_argument("--profile", default="quick", help="quick, laptop or paper (default: quick)")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any key of RunConfig; may be repeated"
    )
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    command.add_argument("--precision", default="auto", help="fp32, bf16 or auto: bf16 where the device computes it itself")
    command.add_argument("--fresh", action="store_true", help="train again even where a finished run exists")


# --- the commands; each imports what it needs, so that `--help` and errors come at once ---------------------------------


def train_command(options: argparse.Namespace) -> None:
    from fercore.runs import local_folder
    from fercore.train import train

    config = make_config(options, ("seed", options.seed))
    more = {"sync_batchnorm": options.sync_batchnorm, "compiled": options.compile}
    result = train(config, device=options.device, precision=options.precision, fresh=options.fresh, **more)
    if rank() > 0:
        return
    print(describe(result))
    if result.diverged:
        print("a diverged run is a result too; a lower lr or gamma, or normalization=released, may train (chapter 02)")
    print(f"stored in {shown_location(result, local_folder(config))}")


def sweep_command(options: argparse.Namespace) -> None:
    """Every run's line in a table, also where some failed: their reasons come after it, as the error."""
    from fercore.errors import ConfigError, SweepError
    from fercore.executors import slurm_executor
    from fercore.sweep import sweep

    if options.table:
        if options.experiment or options.set or options.grid or options.profile == "laptop":
            raise ConfigError("--table says what trains, at profile paper; leave out --experiment, --profile, --set and --grid")
        configs = find_tables(options.table)
    elif options.experiment:
        configs = [config for runs in find_experiments(options.experiment, options.profile).values() for config in runs]
    else:
        grid = [[(key, value) for value in values.split(",")] for key, values in map(split_pair, options.grid)]
        configs = [
            make_config(options, *choice, ("seed", seed))
            for choice in itertools.product(*grid)
            for seed in options.seeds.split(",")
        ]
    executor = slurm_executor({key: literal(value) for key, value in map(split_pair, options.slurm)}) if options.slurm else None
    try:
        sweep(configs, executor, device=options.device, precision=options.precision, fresh=options.fresh)
    except SweepError:
        print(sweep_table(configs, options.fresh))
        raise
    print(sweep_table(configs, options.fresh))


def data_command(options: argparse.Namespace) -> int:
    from fercore.data.faces import make_simfer
    from fercore.data.readers import READERS
    from fercore.errors import ConfigError
    from fercore.paths import shown

    if options.name not in ("wmnist", *READERS):
        raise ConfigError(f"unknown data set {options.name!r}; known: wmnist, {', '.join(READERS)}")
    if options.path and (options.action == "make" or options.name == "wmnist"):
        raise ConfigError(f"data {options.action} {options.name} takes no path; FERCORE_DATA moves the data folder")
    if options.action == "check":
        return check_command(options)
    if options.name == "wmnist":
        return print_wmnist()
    if options.name != "simfer":
        raise ConfigError(
            f"{options.name} cannot be fetched: its terms are to be accepted first; data/README.md says how to get it"
        )
    print(f"complete: {shown(make_simfer(options.preset))}")
    return 0


def check_command(options: argparse.Namespace) -> int:
    """0 where the data set agrees with its release, 1 where it does not."""
    from pathlib import Path

    from fercore.data.check import check_dataset
    from fercore.errors import DataError
    from fercore.paths import data_dir, shown

    if options.name == "wmnist":
        if not (data_dir() / "MNIST" / "raw").exists():
            raise DataError(f"{shown(data_dir())}/MNIST/raw does not exist; `python -m fercore data make wmnist` fetches it")
        return print_wmnist()
    default = data_dir() / options.name / (options.preset if options.name == "simfer" else "")
    table, ok = check_dataset(options.name, Path(options.path).expanduser() if options.path else default)
    print(table)
    return 0 if ok else 1


def print_wmnist() -> int:
    """Fetch W-MNIST where it is missing, check it, and print its counts."""
    from fercore.data import load_wmnist

    splits = load_wmnist()
    print("split   images  " + "  ".join(f"{name:>5}" for name in splits.class_names))
    for name in ("train", "val", "test"):
        labels = getattr(splits, name).labels
        counts = labels.bincount(minlength=splits.num_classes).tolist()
        print(f"{name:5}  {len(labels):7,}  " + "  ".join(f"{count:5d}" for count in counts))
    return 0


def predict_command(options: argparse.Namespace) -> None:
    from fercore.predict import predict

    names, probabilities = predict(options.images, options.source, device=options.device)
    for image, row in zip(options.images, probabilities, strict=True):
        print(f"{image}: " + ", ".join(f"{names[k]} {row[k]:.3f}" for k in (-row).argsort()))


def plan_command(options: argparse.Namespace) -> None:
    from fercore.errors import ConfigError
    from fercore.expected import STEP_MS, plan, to_text
    from fercore.full_scale import FULL_SCALE

    if options.tflops <= 0 or options.gpus < 1:
        raise ConfigError("--tflops must be above 0 and --gpus at least 1")
    table = plan(options.table or list(FULL_SCALE), tflops=options.tflops, gpus=options.gpus)
    print(to_text(table).to_string(index=False))
    gpus = "one GPU that sustains" if options.gpus == 1 else f"{options.gpus} GPUs that sustain, each,"
    print(f"computed, not measured, for {gpus} {options.tflops:g} TFLOP/s and take at least {STEP_MS:g} ms a step")
    print("longest run in minutes; GPU memory (of a batch) and disk in GB")


def report_command(options: argparse.Namespace) -> None:
    from pathlib import Path

    from fercore.errors import ConfigError
    from fercore.paths import shown
    from fercore.report import report, to_document

    if options.write and options.item:
        raise ConfigError("--write writes every table; leave out --item")
    if not options.write:
        print(report(options.profile, options.item).to_string(index=False))
        return
    Path(options.write).write_text(to_document(options.profile))
    print(shown(Path(options.write)))


def course_command(options: argparse.Namespace) -> None:
    from fercore.course import run_course, summary
    from fercore.paths import runs_dir, shown

    parameters = {name: literal(value) for name, value in map(split_pair, options.parameter)}
    executed = run_course(options.profile, only=options.only, device=options.device, fresh=options.fresh, parameters=parameters)
    print(f"\n{summary(executed)}")
    print(f"\nfigures as PNG and PDF: {shown(runs_dir() / options.profile / 'figures')}")
    print("read them in a browser: .venv/bin/jupyter lab notebooks (or open the executed copies named above)")


def figures_command(options: argparse.Namespace) -> None:
    from fercore.course import regenerate_figures
    from fercore.paths import shown

    for path in regenerate_figures():
        print(shown(path))


def ship_command(options: argparse.Namespace) -> None:
    from fercore.experiments import drawn
    from fercore.full_scale import FULL_SCALE, runs_for
    from fercore.report import finished
    from fercore.runs import ship

    wanted = {config for runs in find_experiments(["all"], options.profile).values() for config in runs}
    if options.profile == "paper":
        wanted |= set(runs_for(FULL_SCALE))
    results = finished(wanted)
    changed = ship(results, drawn=drawn(options.profile))
    print(f"{len(results)} of {len(wanted)} runs are finished; {changed} new or changed in results/")


def errata_command(options: argparse.Namespace) -> None:
    from pathlib import Path

    from fercore.errata import to_markdown
    from fercore.paths import shown

    if not options.write:
        print(to_markdown())
        return
    Path(options.write).write_text(to_markdown())
    print(shown(Path(options.write)))


def tune_command(options: argparse.Namespace) -> None:
    from fercore.tuning import TUNED, write_choices

    for method, values in write_choices(options.profile).items():
        print(f"{method:17} " + ", ".join(f"{key} = {value}" for key, value in values.items()))
    print(f"kept in {TUNED.name}")


def doctor_command(options: argparse.Namespace) -> None:
    from fercore.doctor import examine

    answers = examine()
    for question, ready, answer in answers:
        print(f"{'ok ' if ready else 'NO '} {question:22} {answer}")
    failed = [question for question, ready, _ in answers if not ready]
    sys.exit(f"not ready: {', '.join(failed)}" if failed else 0)


# --- helpers ----------------------------------------------------------------------------------------------------------


def make_config(options: argparse.Namespace, *more: tuple[str, str]):
    """The RunConfig that the options and `more` pairs describe; a key may be set once."""
    from fercore.config import config_from
    from fercore.errors import ConfigError

    chosen = {"method": options.method, "data": options.data, "profile": options.profile}
    for key, value in [*map(split_pair, options.set), *more]:
        if key in chosen:
            raise ConfigError(f"{key} is set twice (method, data, profile and seed have options of their own)")
        chosen[key] = value
    return config_from(chosen)


def split_pair(text: str) -> tuple[str, str]:
    """ "gamma=3" -> ("gamma", "3")."""
    from fercore.errors import ConfigError

    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise ConfigError(f"expected KEY=VALUE, got {text!r}")
    return key, value


def literal(text: str) -> object:
    """A Python literal where the text is one (True, 3, 0.5), else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def find_experiments(names: list[str], profile: str) -> dict:
    """{row label: configs} of the named experiments together; "all" names every one."""
    from fercore.errors import ConfigError
    from fercore.experiments import EXPERIMENTS

    unknown = [name for name in names if name not in (*EXPERIMENTS, "all")]
    if unknown:
        raise ConfigError(f"unknown experiment {unknown[0]!r}; known: all, {', '.join(EXPERIMENTS)}")
    chosen = EXPERIMENTS if "all" in names else {name: EXPERIMENTS[name] for name in names}
    return {f"{name}: {label}": configs for name, make in chosen.items() for label, configs in make(profile).items()}


def find_tables(names: list[str]) -> list:
    """The runs of the published tables of these names that can train here; the others are told, a line a reason."""
    from fercore.full_scale import FULL_SCALE, trainable

    runs, lack = trainable(FULL_SCALE if "all" in names else names)
    for reason, count in lack.items():
        print(f"not trained: {count} runs, for {reason} is not here", file=sys.stderr)
    return runs


def sweep_table(configs: list, fresh: bool) -> str:
    """Run, status, test accuracy and seconds of every config, once."""
    from fercore.runs import find_result

    width = max((len(config.id) for config in configs), default=0)
    lines = [f"{'run':{width}}  {'status':8}  accuracy  balanced  seconds"]
    for config in dict.fromkeys(configs):
        result = find_result(config, fresh=fresh)
        if result is None or result.diverged:
            lines.append(f"{config.id:{width}}  {result.status if result else 'failed'}")
        else:
            numbers = f"{100 * result.accuracy:6.2f} %  {100 * result.balanced_accuracy:6.2f} %"
            lines.append(f"{config.id:{width}}  {result.status:8}  {numbers}  {result.provenance['seconds']:7.0f}")
    return "\n".join(lines)


def describe(result) -> str:
    """One line: the run and its test numbers."""
    if result.diverged:
        return f"{result.config.id}: diverged in epoch {result.epochs[-1]['epoch']}"
    numbers = f"test accuracy {100 * result.accuracy:.2f} %, balanced {100 * result.balanced_accuracy:.2f} %"
    return f"{result.config.id}: {numbers} ({result.provenance['seconds']:.0f} s)"


def shown_location(result, folder) -> str:
    from fercore.paths import shown

    return shown(folder if result.array_file.parent == folder else result.array_file.with_suffix(".json"))
