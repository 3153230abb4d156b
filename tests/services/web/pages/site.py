"""A visitor of the pages: requests them and parses them strictly, like a browser."""

import asyncio
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self

import httpx
from fastapi import FastAPI

ORIGIN = "http://127.0.0.1"
VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})
NOT_SEEN = frozenset({"script", "style", "title", "noscript"})
DRAWN = frozenset({"line", "path", "rect", "circle"})


class Site:
    """A browser without JavaScript, with its cookies."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(app)
        self._client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"accept-language": "es-AR"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Request a page."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._loop.run_until_complete(self._client.get(path, headers=named))

    def browse_with(self, user_agent: str) -> None:
        """Be another browser from now on, with the same cookies."""
        self._client.headers["user-agent"] = user_agent

    def clear_cookies(self) -> None:
        """Forget all cookies."""
        self._client.cookies.clear()

    def cookie(self, name: str) -> str:
        """The value of a cookie."""
        return self._client.cookies[name]

    def set_cookie(self, name: str, value: str) -> None:
        """Have one cookie and no other."""
        self._client.cookies.clear()
        self._client.cookies.set(name, value, domain="127.0.0.1")

    def post(
        self, path: str, form: Mapping[str, Any], *, origin: str | None = ORIGIN, **headers: str
    ) -> httpx.Response:
        """Send a form, as a page of `origin` would."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = named | ({"origin": origin} if origin else {})
        return self._loop.run_until_complete(self._client.post(path, data=form, headers=headers))

    def send(self, path: str, body: Mapping[str, Any], **headers: str) -> httpx.Response:
        """Send JSON."""
        return self._loop.run_until_complete(self._client.post(path, json=body, headers=headers))

    def deliver(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        """Send bytes as another server would."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._loop.run_until_complete(self._client.post(path, content=content, headers=named))

    def page(self, path: str, *, status: int = 200) -> "Page":
        """A page that must be well-formed HTML."""
        response = self.get(path)
        assert response.status_code == status, response.text[:500]
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return read(response.text)

    def enter(self, token: str) -> httpx.Response:
        """Sign in."""
        return self.post("/entrar", {"token": token})


class Page(HTMLParser):
    """A parsed page. Raises AssertionError on tags that do not match, duplicate ids and inline code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self._texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"
        assert len(self.ids) == len(set(self.ids)), "an id is given twice"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the tag."""
        self._note(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Only elements of drawings may close themselves."""
        assert tag in DRAWN, f"<{tag}/> is no HTML"
        self._note(tag, attrs)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len({name for name, _ in attrs}), f"<{tag}> says an attribute twice: {attrs}"
        said = {name: value or "" for name, value in attrs}
        inline = [name for name in said if name == "style" or name.startswith("on")]
        assert not inline, f"<{tag}> carries {inline}: the content security policy refuses it"
        self.tags.append((tag, said))
        self.ids += [said["id"]] if "id" in said else []

    def handle_endtag(self, tag: str) -> None:
        """An end tag must close the tag opened last."""
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        """Record visible text."""
        if not NOT_SEEN & set(self._open):
            self._texts.append(data)

    @property
    def text(self) -> str:
        """Visible text and labels for screen readers, with single spaces."""
        spoken = [said[name] for _, said in self.tags for name in ("aria-label", "placeholder") if name in said]
        return re.sub(r"\s+", " ", " ".join(self._texts + spoken))

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all tags of this name."""
        return [said for name, said in self.tags if name == tag]

    def part(self, element_id: str) -> "Page":
        """The element of that id, as a page of its own."""
        start = re.search(rf'<(\w+) [^>]*\bid="{re.escape(element_id)}"', self.html)
        assert start, f"no #{element_id}"
        tag, depth = start[1], 0
        for found in re.finditer(rf"<(/?){tag}\b", self.html[start.start() :]):
            depth += -1 if found[1] else 1
            if not depth:
                end = self.html.index(">", start.start() + found.start()) + 1
                return Page(self.html[start.start() : end])
        raise AssertionError(f"#{element_id} never ends")


def read(html: str) -> Page:
    """Parse a page."""
    return Page(html)
