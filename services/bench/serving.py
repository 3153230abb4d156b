"""The API as it is served, with one endpoint that does nothing: what a framework and a server cost by themselves."""

import sys

from services.api.access import PUBLIC
from services.api.app import create_app
from services.commands.api import POOL, StoppingServer, server_config
from services.runtime import open_database, start_logging, wall_clock
from services.settings import Settings


async def empty() -> dict[str, str]:
    """Nothing."""
    return {}


def main() -> int:
    """Serve until told to stop."""
    settings = Settings()
    start_logging(settings)
    assert settings.database_url is not None
    engine = open_database(settings.database_url.get_secret_value(), pool_size=POOL, name="vigia-bench-api")
    app = create_app(settings, engine, wall_clock)
    app.add_api_route("/empty", empty, dependencies=[PUBLIC])
    StoppingServer(server_config(app, settings), app.state.context.feed).run()
    engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
