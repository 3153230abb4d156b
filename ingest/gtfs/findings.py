"""Faults found in a timetable: refusals, which prevent its use, and warnings. Each says its place."""

from collections.abc import Sequence

MAX_REFUSALS = 50
"""Reading stops after so many refusals. More appear after those are corrected."""


class BadTimetable(Exception):
    """The feed cannot be used. `refusals`: place and advice, one line each; `str` is all of them."""

    def __init__(self, refusals: Sequence[str]) -> None:
        """Store the lines."""
        super().__init__("\n".join(refusals))
        self.refusals = tuple(refusals)


class Findings:
    """Collects refusals, up to a limit, and warnings, counted by kind with their first place."""

    def __init__(self) -> None:
        """Start without findings."""
        self.refusals: list[str] = []
        self._warnings: dict[str, tuple[str, int]] = {}

    def refuse(self, where: str, words: str) -> None:
        """Add a fault that prevents the use of the feed. Raises BadTimetable after `MAX_REFUSALS`."""
        self.refusals.append(f"{where}: {words}")
        if len(self.refusals) >= MAX_REFUSALS:
            raise BadTimetable([*self.refusals, f"... and reading stopped after {MAX_REFUSALS} faults"])

    def warn(self, words: str, where: str) -> None:
        """Add a fault that does not prevent the use of the feed. words: the kind of fault. where: its place."""
        first, count = self._warnings.get(words, (where, 0))
        self._warnings[words] = (first, count + 1)

    @property
    def warnings(self) -> list[str]:
        """One line per kind: its first place, the words, and how many more there are."""
        return [
            f"{where}: {words}" + (f" (and {count - 1} more)" if count > 1 else "")
            for words, (where, count) in self._warnings.items()
        ]

    def raise_if_refused(self) -> None:
        """Raise BadTimetable if anything was refused."""
        if self.refusals:
            raise BadTimetable(self.refusals)
