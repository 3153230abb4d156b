"""La Plata's seed, read once for all tests: nothing in it can be changed."""

from functools import cache

from services.city.seed import LA_PLATA, Seed, read_seed


@cache
def la_plata() -> Seed:
    """The city as it is shipped."""
    return read_seed(LA_PLATA)
