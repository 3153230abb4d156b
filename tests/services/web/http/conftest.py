"""The served city of the API's tests."""

from tests.services.web.api.conftest import city, quiet_city

__all__ = ["city", "quiet_city"]
