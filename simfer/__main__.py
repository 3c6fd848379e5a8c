"""`python -m simfer --preset quick --out DIR`: make a set; `python -m simfer --check DIR`: is it whole?"""

import argparse
import ast
import dataclasses
import sys
from pathlib import Path

from simfer.dataset import PRESETS, Recipe, SimferError, check, make


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error is one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="simfer", description="Render faces with seven expressions, in RAF-DB's layout.")
    parser.add_argument("--preset", default="quick", help=f"one of {', '.join(PRESETS)} (default: quick)")
    parser.add_argument("--out", type=Path, help="the folder to write, or to go on with")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the preset, such as difficulty=0.5"
    )
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.add_argument(
        "--turned", type=int, default=0, metavar="N", help="instead: N test images a class, one knob of the scene turned"
    )
    parser.add_argument("--check", type=Path, metavar="DIR", help="check a finished set instead")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            manifest = check(options.check)
            print(
                f"{options.check}: {manifest['images']:,} images, whole (preset {manifest['preset']}, seed {manifest['seed']})"
            )
            return
        if options.out is None:
            raise SimferError("--out DIR is missing: the folder to write")
        if options.seed < 0 or (options.workers is not None and options.workers < 1):
            raise SimferError("--seed must be 0 or more, and --workers 1 or more")
        if options.turned < 0:
            raise SimferError("--turned must be 1 or more")
        manifest = make(
            find_recipe(options.preset, options.set),
            options.out,
            seed=options.seed,
            preset=options.preset,
            workers=options.workers,
            turned=options.turned,
        )
        print(f"{options.out}: {manifest['images']:,} images")
    except SimferError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on where it stopped")


def find_recipe(preset: str, changes: list[str]) -> Recipe:
    """The preset's recipe with KEY=VALUE changes; SimferError names what is unknown."""
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
    except (ValueError, SyntaxError, TypeError):
        raise SimferError(f"{key} cannot be {text!r}; numbers look like 0.5, lists like 10,20,30") from None


if __name__ == "__main__":
    main()
