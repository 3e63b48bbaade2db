"""People, with the real rules behind the real pages: invited, changed, signed out, removed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from tests.web import content
from tests.web.estate import PASSWORD, Estate
from tests.web.serve import client_of, csrf_of, run, sign_in

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.app.people import People
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.people import Invitation, PeopleView
from stormpetrel.testing.clock import FakeClock
from stormpetrel.web.access import ACCESS, Access

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
OTHER = "another horse battery"


class RealPeople(Estate):
    """The estate with `app.people.People` over a control store of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.control = open_control_store(f"sqlite:///{directory / 'c.sqlite'}")
        self.desk = People(self.control, FakeClock(content.NOW), CHEAP)
        for name, role in self.people.items():
            self.desk.add_user(name, role, PASSWORD, Caller("ada", Role.ADMIN))

    def sign_in(self, name: str, password: str, address: str) -> Caller:
        return self.desk.sign_in(name, password, address)

    def caller_of_session(self, name: str, mark: str) -> Caller | None:
        return self.desk.caller_of_session(name, mark)

    def list_people(self, by: Caller) -> PeopleView:
        return self.desk.people(by)

    def invite(self, name: str, role: Role, by: Caller) -> tuple[Invitation, str]:
        return self.desk.invite(name, role, by)

    def new_password_link(self, name: str, by: Caller) -> tuple[Invitation, str]:
        return self.desk.new_password_link(name, by)

    def invitation(self, secret: str, address: str) -> Invitation:
        return self.desk.invitation(secret, address)

    def join(self, secret: str, password: str, address: str) -> Caller:
        return self.desk.join(secret, password, address)

    def change_password(self, old: str, new: str, by: Caller, address: str) -> Caller:
        return self.desk.change_password(old, new, by, address)

    def change_role(self, name: str, role: Role, by: Caller) -> None:
        self.desk.change_role(name, role, by)

    def remove_person(self, name: str, by: Caller) -> None:
        self.desk.remove(name, by)


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[RealPeople]:
    made = RealPeople(tmp_path)
    yield made
    made.control.close()


async def do(client: httpx.AsyncClient, path: str = "", **form: str) -> httpx.Response:
    """An admin's form of the page *People*."""
    csrf = await csrf_of(client, "/settings/people")
    return await client.post(f"/settings/people{path}", data={"csrf": csrf, **form})


def link_on(answer: httpx.Response) -> str:
    found = re.search(r'id="made"[^>]*>http://localhost(/invited\?secret=petrel_[\w-]+)<', answer.text)
    assert found, answer.text
    return found[1]


async def use(client: httpx.AsyncClient, link: str, password: str) -> httpx.Response:
    csrf = await csrf_of(client, link)
    form = {"csrf": csrf, "secret": link.partition("=")[2], "password": password}
    return await client.post("/invited", data=form)


def test_an_invited_person_signs_in_and_the_link_is_shown_and_good_once(estate: RealPeople) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        link = link_on(await do(client, name="bo", role="responder"))
        page = await client.get("/settings/people")
        assert link not in page.text
        assert "bo" in page.text
        async with client_of(estate) as stranger:
            opened = await stranger.get(link)
            assert (opened.status_code, opened.headers["cache-control"]) == (200, "no-store")
            assert opened.headers["referrer-policy"] == "same-origin"  # else its own form had no origin
            assert (await stranger.get("/")).status_code == 303  # looking opens nothing
            assert (await use(stranger, link, "short")).status_code == 409
            assert (await use(stranger, link, PASSWORD)).headers["location"] == "/"
            assert (await stranger.get("/")).status_code == 200
            assert (await stranger.get("/settings/people")).status_code == 403
            assert (await stranger.get(link)).status_code == 404
        assert "joined" in (await client.get("/settings/people")).text

    run(test, estate)


def test_sessions_end_with_the_password_the_new_link_and_the_removal(estate: RealPeople) -> None:
    async def test(ada: httpx.AsyncClient) -> None:
        await sign_in(ada, "ada")
        async with client_of(estate) as rob, client_of(estate) as elsewhere:
            for one in (rob, elsewhere):
                await sign_in(one, "rob")
            form = {"csrf": await csrf_of(rob, "/settings/account"), "old": PASSWORD, "password": OTHER}
            assert (await rob.post("/settings/account", data=form | {"old": OTHER})).status_code == 403
            assert (await rob.post("/settings/account", data=form)).status_code == 303
            assert (await elsewhere.get("/")).status_code == 303
            assert "is changed" in (await rob.get("/settings/account?done=true")).text

            link = link_on(await do(ada, "/link", name="rob"))
            assert (await rob.get("/")).status_code == 303
            csrf = await csrf_of(rob, "/sign-in")
            old = await rob.post("/sign-in", data={"csrf": csrf, "name": "rob", "password": OTHER})
            assert old.status_code == 403
            assert (await use(rob, link, PASSWORD)).status_code == 303
            assert (await rob.get("/")).status_code == 200

            assert (await do(ada, "/role", name="rob", role="viewer")).status_code == 303
            switch = {"csrf": await csrf_of(rob, "/settings/account"), "scope": "global"}
            assert (await rob.post("/automation/switch/engage", data=switch)).status_code == 403

            assert (await do(ada, "/remove", name="rob")).status_code == 400  # the box was not ticked
            assert (await rob.get("/")).status_code == 200
            assert (await do(ada, "/remove", name="rob", sure="true")).status_code == 303
            assert (await rob.get("/")).status_code == 303
            # Somebody else of that name does not inherit what is left of the sessions.
            link = link_on(await do(ada, name="rob", role="admin"))
            async with client_of(estate) as second:
                assert (await use(second, link, PASSWORD)).status_code == 303
            assert (await rob.get("/")).status_code == 303

    run(test, estate)


def test_people_are_an_admins_in_the_gate_and_behind_it(estate: RealPeople) -> None:
    gates = {access for (_, path), access in ACCESS.items() if path.startswith("/settings/people")}
    assert gates == {Access.ADMIN}

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        csrf = await csrf_of(client, "/settings/account")
        form = {"csrf": csrf, "name": "rob", "role": "admin", "sure": "true"}
        for path in ("", "/link", "/role", "/remove"):
            assert (await client.post(f"/settings/people{path}", data=form)).status_code == 403, path
        assert estate.control.list_people_changes() == []

    run(test, estate)


def test_forms_of_people_are_refused_without_their_token(estate: RealPeople) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        link = link_on(await do(client, name="bo", role="admin"))
        secret = link.partition("=")[2]
        for path, form in (
            ("/settings/people", {"name": "eve", "role": "admin"}),
            ("/settings/people/link", {"name": "rob"}),
            ("/settings/people/role", {"name": "rob", "role": "admin"}),
            ("/settings/people/remove", {"name": "rob", "sure": "true"}),
            ("/settings/account", {"old": PASSWORD, "password": OTHER}),
            ("/invited", {"secret": secret, "password": PASSWORD}),
        ):
            csrf = await csrf_of(client, "/settings/people")
            for headers, token in (({}, ""), ({}, "0" * 64), ({"Origin": "https://evil.example"}, csrf)):
                answer = await client.post(path, data={"csrf": token, **form}, headers=headers)
                assert answer.status_code == 403, path
        assert {one.name: one.role for one in estate.control.list_users()} == estate.people
        assert estate.desk.sign_in("ada", PASSWORD, "10.0.0.1").role is Role.ADMIN

    run(test, estate)


def test_what_is_refused_is_said_on_the_page_and_hostile_names_are_text(estate: RealPeople) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        hostile = "<script>alert(1)</script>"
        assert (await do(client, name=hostile, role="viewer")).status_code == 200
        page = (await client.get("/settings/people")).text
        assert hostile not in page
        assert "<bdi>&lt;script&gt;" in page
        for path, form in (
            ("", {"name": "a\u202eb", "role": "admin"}),
            ("", {"name": "ROB", "role": "admin"}),
            ("/role", {"name": "ada", "role": "viewer"}),
            ("/link", {"name": "ada"}),
            ("/remove", {"name": "ada", "sure": "true"}),
        ):
            answer = await do(client, path, **form)
            assert answer.status_code == 409, (path, form)
            assert 'class="problem"' in answer.text
        assert (await do(client, "/role", name="nobody", role="viewer")).status_code == 404
        assert (await do(client, "/role", name="rob", role="root")).status_code == 400

    run(test, estate)
