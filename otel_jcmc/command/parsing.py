"""
Parses the command line with argparse; for a wrong word, the error names the word that was meant.

The input is the words of the command line, the output is the arguments. If a word is wrong, the
process prints the nearest right word, and exits with 2.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence

# Options whose values may begin like an option: `--from -2h`.
_TIMES = ("--from", "--to", "--at", "--since")
_long = re.compile(r"(?<![\w-])--[a-z][a-z-]*").findall


def examples(*lines: str) -> str:
    """Return *lines* as the examples in a help text; a line is a command, `#` and its effect."""
    return "\n".join(["examples:", *(f"  {each}" for each in lines)])


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Return a function that accepts *words*; for any other word, its error names the nearest."""

    def take(word: str) -> str:
        if word not in words:
            told = f"{word} is not one of {', '.join(words)}{meant(word, words)}"
            raise ArgumentTypeError(told)
        return word

    return take


def number(word: str) -> float:
    """Return *word* as a number; if it is not a number, argparse reports the error."""
    try:
        return float(word)
    except ValueError:
        raise ArgumentTypeError(f"{word} is no number") from None


def whole(word: str) -> int:
    """Return *word* as a whole number; if it is not a whole number, argparse reports the error."""
    try:
        return int(word)
    except ValueError:
        raise ArgumentTypeError(f"{word} is no whole number") from None


def count(word: str) -> int:
    """Return *word* as a whole number of at least 1; otherwise argparse reports the error."""
    if (found := whole(word)) < 1:
        raise ArgumentTypeError(f"{word} is less than 1")
    return found


def meant(word: str, known: Iterable[str]) -> str:
    """Return `: is WORD meant?` with the nearest of *known* to *word*; empty if none is near."""
    from difflib import get_close_matches

    # `serve` runs the command `export`; no operator should type it.
    found = get_close_matches(word, [each for each in known if each != "export"], 1)
    return f": is {found[0]} meant?" if found else ""


def parse(
    parser: ArgumentParser, commands: Mapping[str, ArgumentParser], words: list[str]
) -> Namespace:
    """
    Return the arguments in *words*, the command line; *commands* has the parser of each command.

    Raises:
        SystemExit: the words are wrong (exit code 2), or ask for help or the version (exit code 0).
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
    """Report an error if *word* begins with `--`, but no option of *parser* begins with *word*."""
    known = ["--help", *_long(parser.format_usage())]
    if word.startswith("--") and not any(each.startswith(word) for each in known):
        parser.error(f"there is no option {word}{meant(word, known)}")


def join_times(words: list[str]) -> list[str]:
    """Return *words* with `--from -2h` as `--from=-2h`: argparse takes -2h for an option."""
    bound: list[str] = []
    for each in words:
        if bound and bound[-1] in _TIMES:
            bound[-1] += f"={each}"
        else:
            bound.append(each)
    return bound
