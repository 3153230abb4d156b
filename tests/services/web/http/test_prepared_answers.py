"""An answer is computed once for all who ask at once, and is never older than what changed."""

import asyncio

import pytest
from fastapi import Response
from starlette.responses import StreamingResponse

from services.runtime.problem import NotFound
from services.web.http import prepared_answers
from services.web.http.prepared_answers import PreparedAnswers, PreparedRoutes


class Kitchen:
    """Computes answers and counts them. Holds them back until `go` is set."""

    def __init__(self) -> None:
        self.computed = 0
        self.version = 0
        self.go = asyncio.Event()
        self.go.set()

    async def compute(self) -> Response:
        """The next answer."""
        self.computed += 1
        number = self.computed
        await self.go.wait()
        return Response(f"answer {number}", headers={"X-Number": str(number)})

    def answers(self, fresh_s: float = 60.0) -> PreparedAnswers:
        """Prepared answers that follow `version`."""
        return PreparedAnswers(lambda: self.version, fresh_s)


async def settle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_many_who_ask_at_once_wait_for_one_computation() -> None:
    async def story() -> None:
        kitchen = Kitchen()
        answers = kitchen.answers()
        kitchen.go.clear()
        asking = [asyncio.ensure_future(answers.get("/", kitchen.compute)) for _ in range(500)]
        await settle()
        kitchen.go.set()
        found = await asyncio.gather(*asking)
        assert {response.body for response in found} == {b"answer 1"}
        assert (await answers.get("/", kitchen.compute)).headers["x-number"] == "1"
        assert (await answers.get("/other", kitchen.compute)).body == b"answer 2"
        assert kitchen.computed == 2
        found[0].headers["X-Number"] = "changed"
        assert (await answers.get("/", kitchen.compute)).headers["x-number"] == "1", "each has headers of its own"

    asyncio.run(story())


def test_an_answer_is_not_served_again_after_its_time_or_after_a_change() -> None:
    async def story() -> None:
        kitchen = Kitchen()
        brief, long = kitchen.answers(fresh_s=0.0), kitchen.answers()
        assert [(await brief.get("/", kitchen.compute)).body for _ in range(2)] == [b"answer 1", b"answer 2"]
        assert [(await long.get("/", kitchen.compute)).body for _ in range(2)] == [b"answer 3", b"answer 3"]
        kitchen.version += 1
        assert (await long.get("/", kitchen.compute)).body == b"answer 4"

    asyncio.run(story())


def test_a_computation_from_before_a_change_serves_nobody_who_asks_after_it() -> None:
    async def story() -> None:
        kitchen = Kitchen()
        answers = kitchen.answers()
        kitchen.go.clear()
        before = asyncio.ensure_future(answers.get("/", kitchen.compute))
        await settle()
        kitchen.version += 1
        after = asyncio.ensure_future(answers.get("/", kitchen.compute))
        await settle()
        kitchen.go.set()
        assert [(await one).body for one in (before, after)] == [b"answer 1", b"answer 2"]
        assert (await answers.get("/", kitchen.compute)).body == b"answer 2"

    asyncio.run(story())


@pytest.mark.parametrize(
    "response",
    [
        Response("mine", headers={"Set-Cookie": "a=b"}),
        Response("no", 503),
        Response(b"x" * (prepared_answers.MAX_ANSWER_BYTES + 1)),
        StreamingResponse(iter(())),
    ],
    ids=["cookie", "refusal", "too large", "stream"],
)
def test_what_belongs_to_one_visitor_is_shared_with_nobody(response: Response) -> None:
    async def story() -> None:
        kitchen = Kitchen()
        answers = kitchen.answers()

        async def own() -> Response:
            kitchen.computed += 1
            await kitchen.go.wait()
            return response

        kitchen.go.clear()
        asking = [asyncio.ensure_future(answers.get("/", own)) for _ in range(3)]
        await settle()
        kitchen.go.set()
        await asyncio.gather(*asking)
        await answers.get("/", own)
        assert kitchen.computed == 4

    asyncio.run(story())


def test_a_problem_is_told_to_all_who_wait_and_is_not_kept() -> None:
    async def story() -> None:
        kitchen = Kitchen()
        answers = kitchen.answers()

        async def missing() -> Response:
            kitchen.computed += 1
            await kitchen.go.wait()
            raise NotFound

        kitchen.go.clear()
        asking = [asyncio.ensure_future(answers.get("/", missing)) for _ in range(3)]
        await settle()
        kitchen.go.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(one) for one in found] == [NotFound] * 3
        assert kitchen.computed == 1
        assert (await answers.get("/", kitchen.compute)).status_code == 200

    asyncio.run(story())


def test_invented_addresses_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(prepared_answers, "MAX_ANSWERS", 2)
        kitchen = Kitchen()
        answers = kitchen.answers()
        for path in ("/1", "/2", "/3", "/3", "/2", "/1"):
            await answers.get(path, kitchen.compute)
        assert kitchen.computed == 4

    asyncio.run(story())


def test_an_answer_is_ready_once_it_is_computed_and_until_it_is_too_old_or_something_changed() -> None:
    async def story() -> None:
        kitchen = Kitchen()
        answers, brief = kitchen.answers(), kitchen.answers(fresh_s=0.0)
        assert answers.ready("/") is None
        kitchen.go.clear()
        asking = asyncio.ensure_future(answers.get("/", kitchen.compute))
        await settle()
        assert answers.ready("/") is None, "still being computed"
        kitchen.go.set()
        await asking
        ready = answers.ready("/")
        assert ready is not None
        assert ready.body == b"answer 1"
        kitchen.version += 1
        assert answers.ready("/") is None
        await brief.get("/", kitchen.compute)
        assert brief.ready("/") is None

    asyncio.run(story())


def test_the_routes_of_invented_addresses_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_answers, "MAX_ANSWERS", 2)
    routes = PreparedRoutes()
    for path in ("/1", "/2", "/3"):
        routes.note(path, lambda _request: "")
    assert [routes.variant_of(path) is not None for path in ("/1", "/2", "/3")] == [False, True, True]
