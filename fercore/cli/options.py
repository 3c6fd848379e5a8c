"""Options that commands share, and what they mean."""

import argparse
import ast
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


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
