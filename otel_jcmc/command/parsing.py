"""
Parses the command line with argparse; the error for a wrong word names the nearest right word.

The words of the command line come in; the arguments go out. If a word is wrong, the process prints
what would be right, and exits with 2.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence

# Options whose values may begin like an option: `--from -2h`.
_TIMES = ("--from", "--to", "--at", "--since")
_long = re.compile(r"(?<![\w-])--[a-z][a-z-]*").findall


def examples(*lines: str) -> str:
    """Return *lines* as the examples of a help: each is a command and, after `#`, its effect."""
    return "\n".join(["examples:", *(f"  {each}" for each in lines)])


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Return a function that accepts one of *words*; for any other word it names the nearest."""

    def take(word: str) -> str:
        if word not in words:
            told = f"{word} is not one of {', '.join(words)}{meant(word, words)}"
            raise ArgumentTypeError(told)
        return word

    return take


def number(word: str) -> float:
    """Return *word* as a number; argparse reports the error if it is none."""
    try:
        return float(word)
    except ValueError:
        raise ArgumentTypeError(f"{word} is no number") from None


def whole(word: str) -> int:
    """Return *word* as a whole number; argparse reports the error if it is none."""
    try:
        return int(word)
    except ValueError:
        raise ArgumentTypeError(f"{word} is no whole number") from None


def count(word: str) -> int:
    """Return *word* as a whole number of at least 1; argparse reports the error otherwise."""
    if (found := whole(word)) < 1:
        raise ArgumentTypeError(f"{word} is less than 1")
    return found


def meant(word: str, known: Iterable[str]) -> str:
    """Return a question that names the word of *known* nearest to *word*; empty if none is near."""
    from difflib import get_close_matches

    # The command `export` is for `serve` to start; no operator should type it.
    found = get_close_matches(word, [each for each in known if each != "export"], 1)
    return f": is {found[0]} meant?" if found else ""


def parse(
    parser: ArgumentParser, commands: Mapping[str, ArgumentParser], words: list[str]
) -> Namespace:
    """
    Return the arguments in *words*, by *parser* and by the parser of the command.

    Raises:
        SystemExit: the words are wrong (2), or ask for help or the version (0).
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
        of_command.error(f"unknown arguments: {' '.join(rest)}")
    return arguments


def _check_option(parser: ArgumentParser, word: str) -> None:
    """Refuse a *word* that looks like an option and is neither an option nor the start of one."""
    known = ["--help", *_long(parser.format_usage())]
    if word.startswith("--") and not any(each.startswith(word) for each in known):
        parser.error(f"there is no option {word}{meant(word, known)}")


def join_times(words: list[str]) -> list[str]:
    """Return *words* with each value of a time joined: argparse takes `-2h` for an option."""
    bound: list[str] = []
    for each in words:
        if bound and bound[-1] in _TIMES:
            bound[-1] += f"={each}"
        else:
            bound.append(each)
    return bound
