"""Rate limit of wrong operator tokens by client address, which slows down guessing."""

from services.web.http.rate_limit import RateLimit

MAX_WRONG_TOKENS = 10


class WrongTokens(RateLimit):
    """At most MAX_WRONG_TOKENS wrong tokens of an address in a minute."""

    def __init__(self) -> None:
        super().__init__(MAX_WRONG_TOKENS)
