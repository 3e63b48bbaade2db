"""What the pages of log patterns say, and what leads from one to the next."""

from __future__ import annotations

import csv
import io

import httpx
import pytest
from tests.web.content import HOSTILE
from tests.web.estate import Estate
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.web.pages.patterns import spark

TOKEN = {"Authorization": "Bearer read-token"}


def ask(path: str, estate: Estate | None = None, token: bool = False) -> httpx.Response:
    """The answer to a signed-in person, or to a machine."""
    answers: list[httpx.Response] = []

    async def test(client: httpx.AsyncClient) -> None:
        if not token:
            await sign_in(client, "vera")
        answers.append(await client.get(path, headers=TOKEN if token else {}))

    run(test, estate)
    return answers[0]


def page(path: str, estate: Estate | None = None) -> str:
    answer = ask(path, estate)
    assert answer.status_code == 200, answer.text
    return answer.text


def api(path: str, status: int = 200) -> httpx.Response:
    answer = ask(path, token=True)
    assert answer.status_code == status, answer.text
    return answer


def test_logs_open_on_patterns_and_then_records() -> None:
    text = page("/logs")
    first, _, rest = text.partition('id="records"')
    assert "served order" in first
    assert "/patterns/0000000000000001" in first
    assert "record log-" in rest
    assert 'id="patterns-title"' not in page("/logs?pattern=2")  # of one pattern only its records


def test_the_list_shows_count_change_and_news() -> None:
    text = page("/patterns")
    assert text.index("served order") < text.index("cannot reach")
    assert "+11 %" in text
    assert ">new</span>" in text
    assert "/logs?pattern=0000000000000002" in text
    severe = page("/patterns?sort=severity")
    assert severe.index("cannot reach") < severe.index("served order")
    assert "No log records in this window" in page("/patterns", Estate(empty=True))


def test_a_pattern_shows_its_variables_and_what_it_was_called() -> None:
    text = page("/patterns/1?from=-1d")
    for said in ("12,345", "order", "4711", "half below 400", "no value comes often", "000000000000004d"):
        assert said in text, said
    assert "its records are still here" in page("/patterns/5")
    assert "a sample" in page("/patterns/3")  # no record in the window: lines kept as samples


def test_a_comparison_names_each_kind_of_change() -> None:
    text = page("/compare")
    for change in ("new", "vanished", "more", "fewer", "appeared"):
        assert f"change-{change}" in text, change
    assert "No pattern changed" in page("/compare?text=zzz")


@pytest.mark.parametrize("path", ["/patterns/xyz", "/patterns/" + "1" * 17, "/compare?before_from=never"])
def test_what_is_no_pattern_and_no_time_is_refused(path: str) -> None:
    assert ask(path).status_code in (400, 404, 422)


def test_the_api_says_the_same_with_ids_in_hexadecimal() -> None:
    body = api("/api/v1/patterns?most=3").json()
    assert [one["pattern"] for one in body["rows"]] == [f"{k:016x}" for k in (1, 2, 5)]
    one = api("/api/v1/patterns/0000000000000001").json()
    assert one["known"]["id"] == f"{1:016x}"
    assert one["known"]["merged"] == [f"{77:016x}"]
    assert len(api("/api/v1/patterns/compare?most=2").json()["rows"]) == 2
    api("/api/v1/patterns/6", 404)


def test_the_export_is_a_table_that_no_spreadsheet_runs() -> None:
    answer = api("/api/v1/patterns?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["records"] for row in rows] == ["100", "14", "2", "1"]
    assert HOSTILE[:20] in rows[1]["text"]


def test_a_spark_line_shows_even_the_smallest_count() -> None:
    assert spark((0, 0)) == "" == spark(())
    assert spark((1000, 1)).endswith("M1 20V18.5h1V20Z")


def test_a_responder_watches_a_variable_and_stops_and_a_viewer_cannot() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/patterns/1")
        form = {"csrf": token, "variable": "order"}
        answer = await client.post("/patterns/1/watch", data=form)
        assert (answer.status_code, estate.watching) == (303, [(1, "order")])
        assert "log_variable" in (await client.get("/patterns/1")).text
        answer = await client.post("/patterns/1/watch", data={**form, "stop": "true"})
        assert (answer.status_code, estate.watching) == (303, [])

    run(test, estate)
    viewer = page("/patterns/1", estate)
    assert "/patterns/0000000000000001/watch" not in viewer
