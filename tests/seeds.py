"""La Plata's seed, read once for all tests, since its values are frozen."""

from functools import cache

from services.city.seed import LA_PLATA, Seed, read_seed


@cache
def la_plata() -> Seed:
    """The seed as shipped."""
    return read_seed(LA_PLATA)
