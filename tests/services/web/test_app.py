"""The application as an object."""

import gc
import weakref

from sqlalchemy import create_engine

from services.runtime.clock import wall_clock
from services.runtime.settings import Settings
from services.web.app import create_app


def test_an_application_that_nobody_holds_leaves_memory() -> None:
    app = create_app(Settings(), create_engine("postgresql+psycopg://"), wall_clock)
    assert app.openapi()["paths"]
    let_go = weakref.ref(app)
    del app
    gc.collect()
    assert let_go() is None
