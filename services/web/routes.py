"""Route classes: requests take a slot before a thread, and anonymous visitors share an answer of the last second."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from services.web.context import Context, context_of
from services.web.http.admission import Slots
from services.web.http.credentials import is_anonymous

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class BoundedRoute(APIRoute):
    """A route that waits for a slot before it runs in a thread. Operators have slots of their own.

    For everything that reads the database or computes: while visitors fill their slots, operators find theirs free.
    """

    def get_route_handler(self) -> Handler:
        """The route's handler, run within a slot."""
        handle = super().get_route_handler()

        async def handle_admitted(request: Request) -> Response:
            context = context_of(request)
            is_operator = context.known_operators.sent(request)
            slots = context.admission.operators if is_operator else self.visitor_slots(context)
            async with slots.taken():
                return await handle(request)

        return handle_admitted

    def visitor_slots(self, context: Context) -> Slots:
        """The slots for whoever is no operator."""
        return context.admission.visitors


class PreparedRoute(BoundedRoute):
    """A route whose GET answers are the same for all anonymous visitors and are computed once a second.

    A request with credentials of any sort is answered for itself.
    """

    def get_route_handler(self) -> Handler:
        """The route's handler, asked once for all anonymous visitors of a second."""
        handle = super().get_route_handler()

        async def handle_prepared(request: Request) -> Response:
            if request.method != "GET" or not is_anonymous(request):
                return await handle(request)
            key = (request.scope["path"], request.scope["query_string"], self.variant(request))
            return await context_of(request).prepared_answers.get(key, lambda: handle(request))

        return handle_prepared

    def variant(self, _request: Request) -> str:
        """What else than the address decides the answer, such as the visitor's language."""
        return ""
