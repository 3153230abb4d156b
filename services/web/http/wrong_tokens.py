"""Counts wrong operator tokens by address, so that guessing is slowed and seen."""

from services.web.http.rate_limit import MOST_ADDRESSES, Tally

__all__ = ["MOST_ADDRESSES", "MOST_WRONG", "WrongTokens"]

MOST_WRONG = 10


class WrongTokens(Tally):
    """How many wrong tokens came from each address of late."""

    def __init__(self) -> None:
        super().__init__(MOST_WRONG)
