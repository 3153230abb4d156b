"""What is found wrong in a timetable: refusals, which keep it out, and warnings, which are told; each says where."""

from collections.abc import Sequence

MAX_REFUSALS = 50
"""Reading stops there: who mends fifty faults finds out what the rest are."""


class BadTimetable(Exception):
    """The feed cannot be used. `refusals` say where and what to do, one line each; `str` is all of them."""

    def __init__(self, refusals: Sequence[str]) -> None:
        """Take the lines."""
        super().__init__("\n".join(refusals))
        self.refusals = tuple(refusals)


class Findings:
    """Collects what is wrong. Refusals are bounded; warnings of one kind are counted, and the first place is kept."""

    def __init__(self) -> None:
        """Begin with nothing found."""
        self.refusals: list[str] = []
        self._warnings: dict[str, tuple[str, int]] = {}

    def refuse(self, where: str, words: str) -> None:
        """The feed will not do. Raises BadTimetable once there are enough."""
        self.refusals.append(f"{where}: {words}")
        if len(self.refusals) >= MAX_REFUSALS:
            raise BadTimetable([*self.refusals, f"... and reading stopped after {MAX_REFUSALS} faults"])

    def warn(self, words: str, where: str) -> None:
        """The feed will do, but somebody should know. `words` is the kind of finding; `where` its first place."""
        first, count = self._warnings.get(words, (where, 0))
        self._warnings[words] = (first, count + 1)

    @property
    def warnings(self) -> list[str]:
        """One line a kind: its first place, the words, and how many more there are."""
        return [
            f"{where}: {words}" + (f" (and {count - 1} more)" if count > 1 else "")
            for words, (where, count) in self._warnings.items()
        ]

    def raise_if_refused(self) -> None:
        """Raises BadTimetable if anything was refused."""
        if self.refusals:
            raise BadTimetable(self.refusals)
