"""Problems reported to a client: exceptions with an HTTP status. The docstring is the message that people read."""

import inspect
from typing import ClassVar


class HttpProblem(Exception):
    """No se puede hacer lo que se pidió. / What was asked cannot be done."""

    status: ClassVar[int] = 400
    retry_after_s: ClassVar[int | None] = None

    def __init__(self, detail: str | None = None) -> None:
        """`detail`: the message instead of the docstring, where there is more to say."""
        super().__init__(detail or inspect.getdoc(type(self)))


class NotFound(HttpProblem):
    """Eso no existe aquí. / There is no such thing here."""

    status = 404
