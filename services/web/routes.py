"""Route classes: requests take a slot before a thread, and anonymous visitors share an answer of the last second."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from services.web.context import Context, context_of
from services.web.http.admission import Slots
from services.web.http.credentials import is_anonymous
from services.web.http.prepared_answers import PreparedAnswers, PreparedRoutes, Variant

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
            async with self.slots_for(context, request).taken():
                return await handle(request)

        return handle_admitted

    def slots_for(self, context: Context, request: Request) -> Slots:
        """The slots in which a request is answered."""
        is_operator = context.known_operators.sent(request)
        return context.admission.operators if is_operator else self.visitor_slots(context)

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
            context_of(request).prepared_routes.note(request.scope["path"], self.variant)
            return await context_of(request).prepared_answers.get(_key(request, self.variant), lambda: handle(request))

        return handle_prepared

    def variant(self, _request: Request) -> str:
        """What else than the address decides the answer, such as the visitor's language."""
        return ""


class PreparedAnswerMiddleware:
    """Sends an answer that is ready before the routes are tried: finding the route costs more than all else (ASGI)."""

    def __init__(self, app: ASGIApp, answers: PreparedAnswers, routes: PreparedRoutes) -> None:
        self._app, self._answers, self._routes = app, answers, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        answer = self._ready(Request(scope)) if scope["type"] == "http" and scope["method"] == "GET" else None
        await (answer or self._app)(scope, receive, send)

    def _ready(self, request: Request) -> Response | None:
        variant = self._routes.variant_of(request.scope["path"])
        if variant is None or not is_anonymous(request):
            return None
        return self._answers.ready(_key(request, variant))


def _key(request: Request, variant: Variant) -> tuple[str, bytes, str]:
    return request.scope["path"], request.scope["query_string"], variant(request)
