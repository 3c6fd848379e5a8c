"""`python -m simfer --preset quick --out DIR`: make a set; `python -m simfer --check DIR`: is it whole?"""

import argparse
import ast
import dataclasses
import signal
import sys
from pathlib import Path

from simfer.errors import SimferError

# What draws is imported inside functions: it takes a second, in which a Ctrl-C is to end as at any other time.


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error, Ctrl-C or a termination is one line and exit code 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(run(parser().parse_args(arguments)))
    except SimferError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on where it stopped")


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(prog="simfer", description="Render faces with seven expressions, in RAF-DB's layout.")
    command.add_argument(
        "--preset", default="quick", help="such as laptop; an unknown one is answered with all (default: quick)"
    )
    command.add_argument("--out", type=Path, help="the folder to write, or to go on with")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the preset, such as difficulty=0.5"
    )
    command.add_argument("--workers", type=int, help="processes (default: one a core)")
    command.add_argument(
        "--turned", type=int, default=0, metavar="N", help="instead: N test images a class, one knob of the scene turned"
    )
    command.add_argument("--check", type=Path, metavar="DIR", help="check a finished set instead")
    command.add_argument("--parent", type=int, metavar="PID", help="end when this process, which started the command, does")
    return command


def run(options: argparse.Namespace) -> str:
    """Make or check the set, and say what is there."""
    from simfer.dataset import check, make
    from simfer.workers import end_with_parent

    if options.check:
        manifest = check(options.check)
        preset, seed = manifest["preset"], manifest["seed"]
        return f"{options.check}: {manifest['images']:,} images, whole (preset {preset}, seed {seed})"
    if options.out is None:
        raise SimferError("--out DIR is missing: the folder to write")
    if options.seed < 0 or (options.workers is not None and options.workers < 1):
        raise SimferError("--seed must be 0 or more, and --workers 1 or more")
    if options.turned < 0:
        raise SimferError("--turned must be 1 or more")
    recipe = find_recipe(options.preset, options.set)
    if options.parent:
        end_with_parent(options.parent)
    more = {"preset": options.preset, "workers": options.workers, "turned": options.turned}
    return f"{options.out}: {make(recipe, options.out, seed=options.seed, **more)['images']:,} images"


def find_recipe(preset: str, changes: list[str]):
    """The preset's recipe with KEY=VALUE changes; SimferError names what is unknown."""
    from simfer.dataset import PRESETS, Recipe

    if preset not in PRESETS:
        raise SimferError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    kinds = {field.name: field.type for field in dataclasses.fields(Recipe)}
    values = {}
    for change in changes:
        key, _, text = change.partition("=")
        if key not in kinds:
            raise SimferError(f"unknown key {key!r} in --set {change}; known: {', '.join(kinds)}")
        values[key] = parsed(key, text, kinds[key])
    return dataclasses.replace(PRESETS[preset], **values)


def parsed(key: str, text: str, kind: type) -> object:
    try:
        value = ast.literal_eval(text)
        if kind in (int, float):
            return kind(value)
        return tuple(int(number) for number in value)
    except (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError):
        raise SimferError(f"{key} cannot be {text[:40]!r}; numbers look like 0.5, lists like 10,20,30") from None


if __name__ == "__main__":
    main()
