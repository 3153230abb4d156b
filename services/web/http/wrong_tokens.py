"""Counts wrong operator tokens by address, so that guessing is slowed and seen."""

from services.web.http.rate_limit import RateLimit

MAX_WRONG_TOKENS = 10


class WrongTokens(RateLimit):
    """How many wrong tokens came from each address of late."""

    def __init__(self) -> None:
        super().__init__(MAX_WRONG_TOKENS)
