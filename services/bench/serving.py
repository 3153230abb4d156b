"""The API as served, with one empty endpoint, which measures the cost of framework and server alone."""

import sys

from services.runtime.clock import wall_clock
from services.runtime.database import open_database
from services.runtime.process import start_logging
from services.runtime.settings import Settings
from services.web.access import PUBLIC
from services.web.app import create_app
from services.web.server import POOL_SIZE, LiveStreamServer, server_config


async def empty() -> dict[str, str]:
    """An empty answer."""
    return {}


def main() -> int:
    """Serve until stopped."""
    settings = Settings()
    start_logging(settings)
    assert settings.database_url is not None
    engine = open_database(settings.database_url.get_secret_value(), pool_size=POOL_SIZE, name="vigia-bench-api")
    app = create_app(settings, engine, wall_clock)
    app.add_api_route("/empty", empty, dependencies=[PUBLIC])
    LiveStreamServer(server_config(app, settings), app.state.context.event_feed).run()
    engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
