"""Digits that train in a second: a config's fields, and the same as words of a command line."""

TINY = {"data_fraction": 0.01, "test_images": 300, "width": 0.0625, "epochs": 1}
SETTINGS = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
