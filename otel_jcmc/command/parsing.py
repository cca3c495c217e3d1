"""
Reads the command line with argparse, and suggests the nearest word for a wrong one.

The words of the command line come in. The arguments go out, or the process exits with 2 and a line
that says what would be right.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence

# Options whose value may begin as an option does: `--from -2h`.
_TIMES = ("--from", "--to", "--at", "--since")
_long = re.compile(r"(?<![\w-])--[a-z][a-z-]*").findall


def examples(*lines: str) -> str:
    """Return *lines* as the end of a help text; each is a command and, behind `#`, its effect."""
    return "\n".join(["examples:", *(f"  {each}" for each in lines)])


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Return a type for argparse: it accepts one of *words*, and suggests one for another word."""

    def take(word: str) -> str:
        if word not in words:
            told = f"{word} is not one of {', '.join(words)}{meant(word, words)}"
            raise ArgumentTypeError(told)
        return word

    return take


def number(word: str) -> float:
    """Return *word* as a number, as a type for argparse."""
    try:
        return float(word)
    except ValueError:
        raise ArgumentTypeError(f"{word} is not a number") from None


def whole(word: str) -> int:
    """Return *word* as a whole number, as a type for argparse."""
    try:
        return int(word)
    except ValueError:
        raise ArgumentTypeError(f"{word} is not a whole number") from None


def count(word: str) -> int:
    """Return *word* as a whole number of at least 1, as a type for argparse."""
    if (found := whole(word)) < 1:
        raise ArgumentTypeError(f"{word} is less than 1")
    return found


def meant(word: str, known: Iterable[str]) -> str:
    """Return a question that names the one of *known* nearest to *word*; empty if none is near."""
    from difflib import get_close_matches

    # `export` is for serve to start, and not for an operator to type.
    found = get_close_matches(word, [each for each in known if each != "export"], 1)
    return f": is {found[0]} meant?" if found else ""


def parse(
    parser: ArgumentParser, commands: Mapping[str, ArgumentParser], words: list[str]
) -> Namespace:
    """
    Return *words* as arguments, by *parser* and by the parser of one of *commands*.

    Raises:
        SystemExit: they are wrong (2), or ask for help or the version (0).
    """
    first = words[0] if words else ""
    if first.startswith("--"):
        _check_option(parser, first)
    elif first and first[0] != "-" and first not in commands:
        parser.error(f"there is no command {first}{meant(first, [*commands, '--help'])}")
    arguments, rest = parser.parse_known_args(join_times(words))
    if rest:
        of_command = commands[arguments.command]
        _check_option(of_command, rest[0].partition("=")[0])
        of_command.error(f"too many arguments: {' '.join(rest)}")
    return arguments


def _check_option(parser: ArgumentParser, word: str) -> None:
    """Refuse a *word* that begins with -- and neither is nor begins an option of *parser*."""
    known = ["--help", *_long(parser.format_usage())]
    if word.startswith("--") and not any(each.startswith(word) for each in known):
        parser.error(f"there is no option {word}{meant(word, known)}")


def join_times(words: list[str]) -> list[str]:
    """Return *words* with `-2h` joined to the flag before it; argparse would take it for a flag."""
    bound: list[str] = []
    for each in words:
        if bound and bound[-1] in _TIMES:
            bound[-1] += f"={each}"
        else:
            bound.append(each)
    return bound
