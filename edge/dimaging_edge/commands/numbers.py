"""Numbers of the command line; argparse says what was expected where one is out of range."""

import argparse


def positive(text: str) -> int:
    """Return a whole number of 1 or more."""
    return _at_least(1, text)


def not_negative(text: str) -> int:
    """Return a whole number of 0 or more."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    if not text.removeprefix("-").isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected {least} or more, received {text}")
    return int(text)


def above_zero(text: str) -> float:
    """Return a number above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):  # NaN fails too
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {text}")
    return value


def finite(text: str) -> float:
    """Return a number of 0 or more."""
    value = _number(text)
    if not 0 <= value < float("inf"):  # NaN fails too
        raise argparse.ArgumentTypeError(f"expected a number of 0 or more, received {text}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
