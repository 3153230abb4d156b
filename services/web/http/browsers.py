"""Browser and system of a User-Agent header in a few words, without versions, so that an update changes nothing."""

from collections.abc import Sequence

MAX_UNKNOWN_CHARS = 40
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
# The order matters: browsers name those that they resemble too.


def browser_of(user_agent: str) -> str:
    """The browser and its system, such as `Firefox, Linux`; a program's own name where it is no browser."""
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser is None:
        return "".join(filter(str.isprintable, user_agent.partition("/")[0]))[:MAX_UNKNOWN_CHARS] or "?"
    return f"{browser}, {system}" if system else browser


def _first(names: Sequence[tuple[str, str]], user_agent: str) -> str | None:
    return next((name for sign, name in names if sign in user_agent), None)
