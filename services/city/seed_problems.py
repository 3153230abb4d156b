"""The error of a seed that cannot be used, with all its problems."""

from collections.abc import Iterable

MAX_PROBLEMS = 50


class SeedError(Exception):
    """A seed with problems. One line for each problem, with the file and the line or key."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)[:MAX_PROBLEMS]
        super().__init__("\n".join(self.problems))


def raise_if_any(problems: Iterable[str]) -> None:
    """Raise SeedError where there are problems."""
    if found := list(problems):
        raise SeedError(found)
