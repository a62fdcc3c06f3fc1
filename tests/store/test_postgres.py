"""What is a server's own: several runs in one database, passwords, restarts, and its end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from postgres_server import PASSWORD, PostgresServer

from raynas.errors import StoreError
from raynas.store import Store, database
from raynas.trial import Trial

Make = Callable[..., Trial]

COUNT = itertools.count()


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """A database with nothing in it; its server runs again afterwards."""
    yield postgres.create(f"server{next(COUNT)}")
    postgres.start()


def test_several_runs_live_in_one_database(empty: str, make: Make) -> None:
    for name in ("one", "two"):
        with Store.create(empty, {"name": name}, name) as store:
            store.commit(store.new_epoch(name), [make(len(name), message=name)], {"f": name})
    with Store.open(empty, name="two") as two, Store.open(empty, name="one", readonly=True) as one:
        assert [t.message for t in one.trials()] == ["one"] and [t.message for t in two.trials()] == ["two"]
        assert (one.source("f"), two.source("f")) == ("one", "two")
    with pytest.raises(StoreError, match=r"holds several runs: name one of 'one', 'two'"):
        Store.open(empty)


def test_runs_that_are_begun_at_the_same_moment_do_not_meet(empty: str) -> None:
    together = threading.Barrier(6)
    wrong: list[BaseException] = []

    def begin(name: str) -> None:
        together.wait()
        try:
            Store.create(empty, {}, name).close()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=begin, args=(f"run{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert all(Store.exists(empty, f"run{number}") for number in range(6))


def test_what_is_wrong_with_an_address_is_said_without_the_password(postgres: PostgresServer, empty: str) -> None:
    nowhere = postgres.url("nowhere")
    secret = PASSWORD.replace(" ", "%20")
    for url, match in (
        (postgres.url("nowhere", "guessed"), "user and password are not its own: check the URL"),
        (nowhere.replace(str(postgres.port), "1"), "no server answers there: start it, or check the URL's host"),
        (nowhere, 'it has no such database: create it, or check the URL .*database "nowhere" does not exist'),
        (nowhere.replace("127.0.0.1", "nobody.invalid"), "nobody knows its host's name: check the URL"),
        (f"{empty}?sslmode=require", "it has no SSL: check the URL's sslmode"),
        (f"{empty}?sslmode=much", "check what stands behind the URL's '\\?'"),
        (f"{empty}?colour=red", "check what stands behind the URL's '\\?'"),
        (empty, r"server\d+ holds no run: check the name, or begin one"),
    ):
        with pytest.raises(StoreError, match=match) as caught:
            Store.open(url)
        assert str(caught.value).startswith("postgresql://ann:***@") and "\n" not in str(caught.value)
        assert not any(word in str(caught.value) for word in (PASSWORD, secret, "guessed"))


def test_a_user_who_may_not_make_tables_is_told_so(postgres: PostgresServer, empty: str) -> None:
    import psycopg

    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'p@:/? w'")
    url = empty.replace(f"ann:{PASSWORD.replace(' ', '%20')}", "guest:p%40%3A%2F%3F%20w")
    with pytest.raises(StoreError, match="its role may not do that: grant it") as caught:
        Store.create(url, {}, "run")
    assert "CREATE TABLE" not in str(caught.value)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA theirs AUTHORIZATION guest")
    own = f"{url}?options=-csearch_path%3Dtheirs"
    Store.create(own, {}, "run").close()
    assert Store.exists(own, "run") and not Store.exists(empty, "run")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_costs_nothing_but_its_time(postgres: PostgresServer, empty: str, make: Make, mode: str) -> None:
    """In the middle of commits, in order or as by a crash, with a pause in which nobody answers."""
    committed: list[int] = []
    enough = threading.Event()
    wrong: list[BaseException] = []

    def write() -> None:
        try:
            with Store.create(empty, {}, "digits") as store:
                epoch = store.new_epoch("me")
                while not enough.is_set():
                    number = len(committed)
                    store.commit(epoch, [make(number), make(number + 1)], {f"{number:064x}": "source"})
                    committed.append(number)
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(2):
        wait_for(committed, 20)
        postgres.stop(mode)
        time.sleep(0.3)
        postgres.start()
    wait_for(committed, 20)
    enough.set()
    thread.join()
    assert not wrong
    with Store.open(empty, readonly=True) as store:
        assert [t.number for t in store.trials()] == list(range(len(committed) + 1))
        assert store.trials() == [make(number) for number in range(len(committed) + 1)]
        assert all(store.source(f"{number:064x}") == "source" for number in committed)


def wait_for(committed: list[int], more: int) -> None:
    wanted = len(committed) + more
    limit = time.monotonic() + 60
    while len(committed) < wanted:
        assert time.monotonic() < limit, "the writer does not go on"
        time.sleep(0.01)


def test_a_reader_that_is_open_waits_for_the_server_too(postgres: PostgresServer, empty: str, make: Make) -> None:
    with Store.create(empty, {}, "digits") as store:
        store.commit(store.new_epoch("me"), [make(0)])
        postgres.stop("immediate")
        thread = threading.Timer(0.3, postgres.start)
        thread.start()
        assert store.trials() == [make(0)]
        thread.join()


def test_a_server_that_stays_away_is_an_error_at_last(
    postgres: PostgresServer, empty: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.5)
    with Store.create(empty, {}, "digits") as store:
        epoch = store.new_epoch("me")
        postgres.stop()
        with pytest.raises(StoreError, match=r"server\d+: no server answers there"):
            store.commit(epoch, [make(0)])
        postgres.start()
        store.commit(epoch, [make(0)])
        assert store.trials() == [make(0)]
