"""Numbers as people read them: two to three digits and a unit."""

BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
POWERS = ("", "k", "M", "G", "T", "P", "E", "Z")
TIMES = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (24 * 3600.0, "days"), (365 * 24 * 3600.0, "years"))
GROUP = 1000.0


def digits(value: float) -> str:
    """Two digits below ten, three below a thousand, all above: 0.38, 4.2, 83, 1,234."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def size(value: float) -> str:
    """Bytes; a dash for none."""
    return _scaled(value, BYTES) if value else "–"


def flop(value: float) -> str:
    """Floating-point operations, such as ``19 P``; a dash for none."""
    return _scaled(value, POWERS) if value else "–"


def _scaled(value: float, units: tuple[str, ...]) -> str:
    power = 0
    while value >= GROUP and power < len(units) - 1:
        value, power = value / GROUP, power + 1
    return f"{digits(value)} {units[power]}".strip()


def seconds(value: float) -> str:
    """A time; a dash for none."""
    if not value:
        return "–"
    unit_s, unit = next(((length, name) for length, name in reversed(TIMES) if value >= 2 * length), TIMES[0])
    return f"{digits(value / unit_s)} {unit}"


def hours(value: float) -> str:
    """Hours of a machine, which are paid by the hour; a dash for none."""
    if not value:
        return "–"
    return digits(value) if value >= 0.001 else "< 0.001"


def usd(value: float) -> str:
    """Dollars."""
    return f"{value:,.2f}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"


def count(value: float) -> str:
    """Rows, requests; a dash for none."""
    if not value:
        return "–"
    for power, word in ((1e9, "billion"), (1e6, "million")):
        if value >= power:
            return f"{digits(value / power)} {word}"
    return f"{value:,.0f}"


def against(records: float, bears: float) -> str:
    """How a size stands to a limit."""
    if records <= bears:
        return "holds"
    return f"**{digits(records / bears)} x**"
