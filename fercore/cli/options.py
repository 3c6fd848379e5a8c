"""Options that commands share, and what they mean."""

import argparse
import ast
import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from fercore.choices import PRECISIONS
from fercore.config import KEYS, RunConfig, config_from
from fercore.errors import ConfigError
from fercore.limits import Key, Of, OneOf

# Keys that have an option of their own: its default.
OWN_OPTIONS = {"method": "softmax", "data": "wmnist", "profile": "quick", "seed": "0"}


class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], summary: str, *, in_checkout: bool = False
) -> argparse.ArgumentParser:
    """A subcommand that calls `run`; `in_checkout`, one that needs the repository's notebooks, results or figures."""
    command = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(run=run, command=name, in_checkout=in_checkout)
    return command


# --- a table ---------------------------------------------------------------------------------------------------------------


def add_format(command: argparse.ArgumentParser) -> None:
    """How a command's table is printed; see `formatted`."""
    command.add_argument("--format", default="text", choices=("text", "csv", "json"), help="csv and json: for other programs")


def formatted(rows: list[dict[str, Any]], form: str) -> str:
    """Rows with the same keys as csv or json; NaN, which JSON does not have, and "-" are null, and in csv empty."""

    def is_nothing(value: Any) -> bool:
        return value == "-" or (isinstance(value, float) and math.isnan(value))

    rows = [{key: None if is_nothing(value) else value for key, value in row.items()} for row in rows]
    if form == "json":
        return json.dumps(rows, indent=1, ensure_ascii=False)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().removesuffix("\n")


# --- a run --------------------------------------------------------------------------------------------------------------


def add_config_options(command: argparse.ArgumentParser) -> None:
    """What describes a run and how it is trained; every key of RunConfig is a flag."""
    command.usage = "%(prog)s [options]"
    command.add_argument("--method", default="softmax", help="a row of fercore.methods.table (default: softmax)")
    command.add_argument("--data", default="wmnist", help="wmnist, simfer, ... or NAME:PATH (default: wmnist)")
    command.add_argument("--profile", default="quick", help="quick, laptop or paper (default: quick)")
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    command.add_argument(
        "--precision", default="auto", choices=PRECISIONS, help="auto: bf16 where the device computes it itself"
    )
    command.add_argument("--fresh", action="store_true", help="train again even where a finished run exists")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any key below, as --KEY VALUE does")
    groups = {of: command.add_argument_group(of.value if of else "what every run has") for of in (None, *Of)}
    for key in KEYS.values():
        if key.name not in OWN_OPTIONS:
            add_flag(groups[key.of], key)


def add_flag(group: Any, key: Key) -> None:
    """`--image-size 48`, which means `--set image_size=48`."""
    flag, text = f"--{key.name.replace('_', '-')}", key.help.replace("%", "%%")
    if isinstance(key.limit, OneOf) and not key.limit.own:
        metavar = f"{{{','.join(key.limit.choices)}}}"
    else:
        metavar = {int: "N", float: "X", str: "NAME"}[key.kind]
        text += f" ({key.limit})" if key.limit else ""
    group.add_argument(flag, dest=key.name, action=SetKey, default=argparse.SUPPRESS, metavar=metavar, help=text)


class SetKey(argparse.Action):
    """Appends "key=value" to `--set`: a key has one way into a config, and is refused where it comes twice."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, flag: Any = None) -> None:
        options.set = [*options.set, f"{self.dest}={value}"]


def make_config(options: argparse.Namespace, *more: tuple[str, str | None], base: Mapping[str, Any] = OWN_OPTIONS) -> RunConfig:
    """The RunConfig that the options and `more` pairs describe, and `base` where they are silent; a key may be set once."""
    chosen = {"method": options.method, "data": options.data, "profile": options.profile}
    for key, value in [*map(split_pair, options.set), *more]:
        if key in chosen:
            raise ConfigError(f"{key} is set twice (method, data, profile and seed have options of their own)")
        chosen[key] = value
    return config_from({**base, **{key: value for key, value in chosen.items() if value is not None}})


def split_pair(text: str) -> tuple[str, str]:
    """ "gamma=3" -> ("gamma", "3")."""
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
