"""Figures as rows: of a terminal, and of a Markdown table."""

from collections.abc import Iterator, Sequence

from benchmarks.bench import Figure

# Above it a figure tells of the others as well.
BUSY_PERCENT = 5


def rows(figures: Sequence[Figure]) -> Iterator[str]:
    """Return the lines of a terminal's table."""
    width = max((len(figure.name) for figure in figures), default=0)
    for figure in figures:
        best = "" if figure.best == figure.value else f"best {digits(figure.best)}"
        target = "" if figure.target is None else f"<= {figure.target:g} {mark(figure)}"
        others = figure.others_percent
        busy = "" if others is None or others < BUSY_PERCENT else f"others {others:.0f} %"
        yield (
            f"  {figure.name:<{width}} {digits(figure.value):>9} {figure.unit:<6}"
            f"{best:<13} {target:<11} {busy}".rstrip()
        )


def markdown(figures: Sequence[Figure]) -> Iterator[str]:
    """Return the lines of a Markdown table."""
    yield "| what | median | best | target | |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for figure in figures:
        unit = f" {figure.unit}" if figure.unit else ""
        best = "" if figure.best == figure.value else f"{digits(figure.best)}{unit}"
        target = "" if figure.target is None else f"{figure.target:g}{unit}"
        value = f"{digits(figure.value)}{unit}"
        yield f"| {figure.name} | {value} | {best} | {target} | {mark(figure)} |"


def mark(figure: Figure) -> str:
    """Return whether the target is met."""
    return {None: "", True: "✓", False: "✗"}[figure.is_met]


def digits(value: float) -> str:
    """Return *value* with three digits or, above, as a whole number."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
