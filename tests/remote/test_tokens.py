"""Tokens and the door: who comes in, kept how, changed when; where a server may listen."""

from __future__ import annotations

import argparse
import contextlib
import hmac
import json
import logging
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lancenb import _cli_token
from lancenb.errors import Forbidden, InvalidArgument, NotFound, StoreNotWritable, Unauthorized
from lancenb.remote import _tokens
from lancenb.remote._door import Door, bearer, is_loopback
from lancenb.remote._state import state_folder, token_file
from lancenb.remote._tokenfile import BrokenFile
from lancenb.remote._tokens import Principal, Tokens, from_environment, new_token
from lancenb.remote._wire import Call
from lancenb.store import Store


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "tokens.json")


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = _tokens.time.time()
    monkeypatch.setattr(_tokens.time, "time", lambda: now + seconds)


def refused(tokens: Tokens, token: str | None) -> Unauthorized:
    with pytest.raises(Unauthorized) as caught:
        tokens.check(token)
    return caught.value


def test_a_token_is_random_and_recognised(tokens: Tokens):
    ident, token = tokens.add("ci", "write")
    assert token.startswith("lnb_")
    assert len(token) == 47
    assert len(ident) == 8
    assert new_token() != new_token()
    assert tokens.check(token) == Principal(ident, "ci", "write")


def test_scopes_imply_each_other():
    reach = {s: [w for w in ("read", "write", "admin") if Principal("", "", s).allows(w)]
             for s in ("read", "write", "admin")}  # fmt: skip
    assert reach == {
        "read": ["read"],
        "write": ["read", "write"],
        "admin": ["read", "write", "admin"],
    }


def test_only_the_hash_is_kept_and_only_for_the_owner(tokens: Tokens):
    _, token = tokens.add("ci")
    assert tokens.path is not None
    text = tokens.path.read_text()
    assert token not in text
    assert token[-4:] not in text.replace(json.loads(text)["tokens"][0]["hash"], "")
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert not list(tokens.path.parent.glob(".tokens-*"))


def test_nothing_shows_a_token(tokens: Tokens):
    _, token = tokens.add("ci")
    both = Tokens(tokens.path, token)
    shown = f"{both!r} {both.list()!r} {both.check(token)!r} {refused(both, token[:-1])}"
    assert token not in shown
    assert token[4:-1] not in shown


def test_one_answer_for_every_token_that_is_not_accepted(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
):
    gone, revoked = tokens.add("gone")
    _, expired = tokens.add("short", expires_in=1000)
    tokens.revoke(gone)
    assert tokens.check(expired).name == "short"
    later(monkeypatch, 1001)
    odd = ["", "x", "lnb_", "lnb_é\ud800", "l" * 100_000, new_token(), revoked, expired]
    answers = [refused(tokens, token) for token in odd]
    assert len({str(answer) for answer in answers}) == 1
    assert answers[0].details == {"reason": "absent"}
    assert {a.details["reason"] for a in answers[1:]} == {"not_accepted"}
    assert str(refused(tokens, None)) == str(answers[0])
    assert answers[0].hint


def test_every_hash_is_compared_whatever_came_before(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
):
    made = [tokens.add(f"t{n}")[1] for n in range(5)]
    compared: list[Any] = []

    monkeypatch.setattr(_tokens.hmac, "compare_digest", _counted(compared))
    counts = []
    for token in (made[0], made[4], new_token()):
        compared.clear()
        with contextlib.suppress(Unauthorized):
            tokens.check(token)
        counts.append(len(compared))
    assert counts == [5, 5, 5]


def _counted(seen: list[Any]) -> Any:
    real = hmac.compare_digest

    def compare(a: Any, b: Any) -> bool:
        seen.append(a)
        return real(a, b)

    return compare


def test_rotation_ends_the_old_token_at_once_or_after_the_grace(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
):
    ident, first = tokens.add("ci", "admin")
    second = tokens.rotate(ident)
    refused(tokens, first)
    third = tokens.rotate(ident, grace_seconds=1000)
    assert {tokens.check(second).id, tokens.check(third).id} == {ident}
    assert tokens.list()[0].retiring is not None
    later(monkeypatch, 1001)
    refused(tokens, second)
    assert tokens.check(third).scope == "admin"
    assert tokens.list()[0].retiring is None


def test_rotating_at_once_ends_a_grace_too(tokens: Tokens):
    ident, first = tokens.add("ci")
    tokens.rotate(ident, grace_seconds=600)
    tokens.rotate(ident)
    refused(tokens, first)


def test_a_running_server_sees_what_another_process_changed(tokens: Tokens):
    ident, first = tokens.add("ci")
    assert tokens.check(first)
    code = (
        "import sys; from lancenb.remote._tokens import Tokens\n"
        f"print(Tokens({str(tokens.path)!r}).rotate({ident!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    second = done.stdout.strip()
    assert second, done.stderr
    refused(tokens, first)
    assert tokens.check(second).id == ident


def test_adding_from_many_processes_loses_none(tmp_path: Path):
    code = (
        "import sys; from lancenb.remote._tokens import Tokens\n"
        f"for n in range(5): Tokens({str(tmp_path / 't.json')!r}).add(f'{{sys.argv[1]}}-{{n}}')"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(3)]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert len(Tokens(tmp_path / "t.json").list()) == 15


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"tokens": [{}]}', '{"tokens": 3}', "[" * 100_000, "\xff"],
)
def test_a_damaged_file_lets_nobody_in(tokens: Tokens, text: str, caplog: pytest.LogCaptureFixture):
    _, token = tokens.add("ci", "admin")
    assert tokens.check(token)
    assert tokens.path is not None
    good = tokens.path.read_bytes()
    tokens.path.write_text(text, encoding="latin-1")
    with caplog.at_level(logging.ERROR, "lancenb.server"):
        refused(tokens, token)
        refused(tokens, token)
    assert len(caplog.records) == 1
    assert "not accepted" in caplog.text
    with pytest.raises(BrokenFile):
        tokens.list()
    with pytest.raises(BrokenFile):  # and it is not overwritten by a fresh one
        tokens.add("more")
    tokens.path.write_bytes(good)
    assert tokens.check(token)


def test_a_file_that_others_may_change_lets_nobody_in(tokens: Tokens):
    _, token = tokens.add("ci")
    assert tokens.path is not None
    tokens.path.chmod(0o666)
    refused(tokens, token)
    tokens.path.chmod(0o600)
    assert tokens.check(token)


def test_a_file_that_is_taken_away_lets_nobody_in(tokens: Tokens):
    _, token = tokens.add("ci")
    assert tokens.check(token)
    assert tokens.path is not None
    tokens.path.unlink()
    refused(tokens, token)


def test_fixed_tokens(monkeypatch: pytest.MonkeyPatch):
    one, two = new_token(), new_token()
    tokens = Tokens(fixed=[one, (two, "read")])
    assert (tokens.check(one).scope, tokens.check(two).scope) == ("admin", "read")
    assert tokens.check(one).id != tokens.check(two).id
    monkeypatch.setenv("LANCENB_TOKEN", f" {one}, {two}\n")
    assert from_environment() == [one, two]
    monkeypatch.delenv("LANCENB_TOKEN")
    assert from_environment() == []
    assert not Tokens()
    with pytest.raises(InvalidArgument, match="no file"):
        tokens.add("x")


@pytest.mark.parametrize(
    "weak", ["", "admin", "passw0rd1234567", "with a space in between", "é" * 20]
)
def test_a_token_that_could_be_guessed_is_refused_unseen(weak: str):
    with pytest.raises(InvalidArgument) as caught:
        Tokens(fixed=[weak])
    assert not weak or weak not in str(caught.value)


def test_wrong_words(tokens: Tokens):
    for name, scope in (("x", "root"), ("", "read"), ("a\nb", "read"), (new_token(), "read")):
        with pytest.raises(InvalidArgument):
            tokens.add(name, scope)
    for expires in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InvalidArgument):
            tokens.add("x", expires_in=expires)
    for call in (tokens.revoke, tokens.rotate):
        with pytest.raises(NotFound):
            call("nobody")
    ident, _ = tokens.add("x")
    with pytest.raises(InvalidArgument):
        tokens.rotate(ident, grace_seconds=-1)


# --- the door


def test_loopback_makes_a_token_when_there_is_none():
    door = Door()
    assert door.made is not None
    assert door.admit(Call("list", {}, token=door.made), "admin").scope == "admin"
    assert door.made not in repr(door)
    with pytest.raises(Unauthorized):
        door.admit(Call("list", {}), "read")
    given = new_token()
    assert Door(Tokens(fixed=given)).made is None


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.5", "example.org", "::ffff:8.8.8.8"]
)
def test_listening_to_others_needs_a_token_and_wants_tls(host: str):
    with pytest.raises(InvalidArgument) as caught:
        Door(host=host)
    assert "lancenb token add" in caught.value.hint
    with pytest.raises(InvalidArgument):
        Door(Tokens(fixed=new_token()), host=host, anonymous=True)
    assert "TLS" in Door(Tokens(fixed=new_token()), host=host).warning
    assert Door(Tokens(fixed=new_token()), host=host, tls=True).warning == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::ffff:127.0.0.1"])
def test_without_tokens_only_on_this_machine_and_only_when_asked_for(host: str):
    assert is_loopback(host)
    door = Door(host=host, anonymous=True)
    assert door.made is None
    assert door.admit(Call("list", {}), "admin").id == "anonymous"
    kept = Door(Tokens(fixed=new_token()), host=host, anonymous=True)
    with pytest.raises(Unauthorized):  # a wrong token is never as good as none
        kept.admit(Call("list", {}, token=new_token()), "read")


def test_a_scope_that_does_not_reach():
    token = new_token()
    door = Door(Tokens(fixed=[(token, "read")]))
    assert door.admit(Call("list", {}, token=token), "read").scope == "read"
    for scope in ("write", "admin"):
        with pytest.raises(Forbidden) as caught:
            door.admit(Call("delete", {}, token=token), scope)
        assert caught.value.details == {"needed": scope, "scope": "read"}
        assert token not in str(caught.value)


def test_where_a_token_is_looked_for():
    assert bearer({"authorization": "bearer  abc "}) == "abc"
    assert bearer({"X-API-Key": "abc"}) == "abc"
    assert bearer([(b"Authorization", b"Bearer abc"), ("x-api-key", "abc")]) == "abc"
    for none in (
        {},
        {"authorization": "Basic YWJj"},
        {"authorization": "Bearer"},
        {"cookie": "token=abc"},
        {"authorization": "Bearer a", "x-api-key": "b"},
    ):
        assert bearer(none) is None


@pytest.mark.parametrize(
    ("name", "fine"),
    [("127.0.0.1:8080", True), ("localhost:1", True), ("[::1]:8080", True), ("LOCALHOST.", True),
     (None, True), ("evil.example", False), ("evil.example:8080", False),
     ("127.0.0.1.evil.x", False),
     ("localhost@evil.x", False), ("169.254.169.254", False), ("a b", False)],
)  # fmt: skip
def test_a_server_on_loopback_answers_only_to_its_names(name: str | None, fine: bool):
    door = Door(Tokens(fixed=new_token()))
    if fine:
        door.check_host(name)
    else:
        with pytest.raises(Forbidden):
            door.check_host(name)


def test_names_that_were_given():
    door = Door(Tokens(fixed=new_token()), names=["Lab.internal"])
    door.check_host("lab.internal:80")
    open_door = Door(Tokens(fixed=new_token()), host="0.0.0.0", tls=True)
    open_door.check_host("whatever.example")


@pytest.mark.parametrize(
    ("origin", "host", "fine"),
    [(None, "127.0.0.1:80", True), ("http://127.0.0.1:80", "127.0.0.1", True),
     ("http://localhost:8080", "localhost:8080", True), ("https://lab.example", "x", True),
     ("https://lab.example:443", "x", True), ("http://lab.example", "x", False),
     ("null", "127.0.0.1", False), ("http://evil.x", "127.0.0.1", False), ("", "127.0.0.1", False),
     ("http://127.0.0.1:81", "127.0.0.1:80", False), ("http://localhost", "127.0.0.1", False),
     ("file://", "127.0.0.1", False), ("http://lab.example.evil.x", "x", False),
     ("https://lab.example@evil.x", "x", False)],
)  # fmt: skip
def test_pages_of_others_are_refused(origin: str | None, host: str, fine: bool):
    door = Door(Tokens(fixed=new_token()), origins=["https://lab.example"])
    if fine:
        door.check_origin(origin, host)
    else:
        with pytest.raises(Forbidden):
            door.check_origin(origin, host)


def test_origins_are_named_one_by_one():
    for wrong in ("*", "lab.example", "https://lab.example/path"):
        with pytest.raises(InvalidArgument):
            Door(origins=[wrong])
    door = Door(Tokens(fixed=new_token()), tls=True)
    with pytest.raises(Forbidden):  # a page that came over plain http is not of this server
        door.check_origin("http://127.0.0.1:443", "127.0.0.1:443")


# --- where it is kept, and the command


def test_state_of_a_local_root(tmp_path: Path):
    store = Store(tmp_path / "root").create()
    folder = state_folder(store)
    assert folder == tmp_path / "root" / ".server"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    assert stat.S_IMODE(state_folder(store).stat().st_mode) == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(StoreNotWritable):
        state_folder(store)


def test_tokens_of_a_bucket_stay_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    options: dict[str, Any] = {
        "endpoint": "http://127.0.0.1:1",
        "access_key": "k",
        "secret_key": "s",
    }
    one, two = (token_file(Store(f"s3://bucket/{p}", **options)) for p in ("a", "b"))
    assert one.parent != two.parent
    assert one.is_relative_to(tmp_path)
    assert stat.S_IMODE(one.parent.stat().st_mode) == 0o700


def command(store: Store, *words: str) -> None:
    parser = argparse.ArgumentParser()
    for flag, settings in _cli_token.words():
        parser.add_argument(flag, **settings)
    assert _cli_token.run(parser.parse_args(words), store) == 0


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store = Store(tmp_path).create()

    def answer(*words: str) -> str:
        command(store, *words)
        return capsys.readouterr().out

    assert "no tokens" in answer()
    made = json.loads(answer("add", "ci", "--scope", "write", "--expires", "2d", "--json"))
    tokens = Tokens(token_file(store))
    assert tokens.check(made["token"]).scope == "write"
    listed = answer("list")
    assert "ci" in listed
    assert made["id"] in listed
    assert made["token"] not in listed
    assert json.loads(answer("list", "--json"))["state"] == "active"
    second = answer("rotate", made["id"], "--grace", "5m").split()[0]
    assert tokens.check(second).id == tokens.check(made["token"]).id
    answer("revoke", made["id"])
    refused(tokens, second)
    soon = ["add", "x", "--expires", "soon"]
    for wrong in (["add"], ["list", "x"], ["revoke", "x", "--grace", "1m"], soon):
        with pytest.raises(InvalidArgument):
            command(store, *wrong)
