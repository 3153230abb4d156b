"""Random secrets that people type and paste."""

import secrets


def new_secret(random_bytes: int) -> str:
    """Random characters of A-Z, a-z, 0-9, - and _, four for three bytes, that never begin with -.

    A program would take a secret that begins with - for one of its options, as in `mosquitto_pub -P -oX3`.
    """
    while (drawn := secrets.token_urlsafe(random_bytes)).startswith("-"):
        pass
    return drawn
