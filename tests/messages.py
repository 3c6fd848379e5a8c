"""What every message for people has in common."""


def one_line(message: object) -> str:
    """`message` as text, having checked that it is one line."""
    text = str(message)
    assert text
    assert "\n" not in text
    return text
