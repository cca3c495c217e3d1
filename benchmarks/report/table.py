"""Figures as rows: of a terminal, and of a Markdown table."""

from collections.abc import Iterator, Sequence

from benchmarks.report.bench import Figure

# Above them a figure tells of it as well.
BUSY_PERCENT, SLOWED_PERCENT = 5, 10


def rows(figures: Sequence[Figure]) -> Iterator[str]:
    """Return the lines of a terminal's table."""
    width = max((len(figure.name) for figure in figures), default=0)
    for figure in figures:
        best = "" if figure.best == figure.value else f"best {digits(figure.best)}"
        target = "" if figure.target is None else f"<= {figure.target:g} {mark(figure)}"
        half = " to ".join(digits(each) for each in figure.middle or ())
        yield (
            f"  {figure.name:<{width}} {digits(figure.value):>9} {figure.unit:<6}"
            f"{best:<13} {half and f'half {half}':<20} {target:<11} {troubled(figure)}".rstrip()
        )


def markdown(figures: Sequence[Figure]) -> Iterator[str]:
    """Return the lines of a Markdown table."""
    yield "| what | median | best | target | | machine |"
    yield "| --- | ---: | ---: | ---: | --- | --- |"
    for figure in figures:
        unit = f" {figure.unit}" if figure.unit else ""
        best = "" if figure.best == figure.value else f"{digits(figure.best)}{unit}"
        target = "" if figure.target is None else f"{figure.target:g}{unit}"
        value = f"{digits(figure.value)}{unit}"
        machine = troubled(figure)
        yield f"| {figure.name} | {value} | {best} | {target} | {mark(figure)} | {machine} |"


def troubled(figure: Figure) -> str:
    """Return what there was about the machine that makes the figure worse than it is."""
    others, slowed = figure.others_percent or 0, figure.slowed_percent or 0
    told = [f"others {others:.0f} %"] if others >= BUSY_PERCENT else []
    return ", ".join([*told, f"slowed {slowed:.0f} %"] if slowed >= SLOWED_PERCENT else told)


def mark(figure: Figure) -> str:
    """Return whether the target is met."""
    return {None: "", True: "✓", False: "✗"}[figure.is_met]


def digits(value: float) -> str:
    """Return *value* with three digits or, above, as a whole number."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
