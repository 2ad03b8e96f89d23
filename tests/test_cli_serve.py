"""``lancenb serve`` and ``lancenb token`` as processes, and the other commands over the wire."""

from __future__ import annotations

import ctypes
import ipaddress
import json
import os
import platform
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lancenb as lnb

pytest.importorskip("fastapi")
pytest.importorskip("grpc")
SECRET = "lnb_a-token-of-the-tests-0123456789"


@dataclass
class Served:
    """A process that serves, and what it said until it listened."""

    process: subprocess.Popen[str]
    said: str

    def url(self, scheme: str) -> str:
        found = re.search(rf"{scheme}://[\w.:\[\]]+", self.said)
        assert found, self.said
        return found[0]

    @property
    def token(self) -> str:
        found = re.search(r'token="(lnb_[^"]+)"', self.said)
        assert found, self.said
        return found[1]

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Send a signal; return the exit status and all that was printed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, self.said + out, err


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LANCENB_")}
    return {**kept, **more}


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Return a function that starts ``lancenb serve`` on free ports and waits until it listens."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: str, **env: str) -> Served:
        command = [sys.executable, "-m", "lancenb", "serve", *words]
        for flag in ("--http", "--grpc"):
            command += [] if flag in words else [flag, "0"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
            env=environment(**env),
        )  # fmt: skip
        running.append(process)
        said, stdout = "", process.stdout
        assert stdout is not None
        while "Ctrl-C stops it" not in said:
            line = stdout.readline()
            assert line, process.communicate()[1]
            said += line
        return Served(process, said)

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a table of two versions."""
    folder = tmp_path_factory.mktemp("served") / "store"
    dm = lnb.DataManager(lnb.Store(folder).create())
    dm.convert(pa.table({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5]}), "points", tags=["demo"])
    dm.upsert("points", [{"id": 4, "x": 3.5}], key="id", message="one more")
    return folder


def test_serves_until_ctrl_c_and_shows_its_token_once(root: Path, started: Any):
    served = started(str(root))
    assert served.said.startswith(f"serving {root} (1 artefact)\n")
    assert served.said.count(served.token) == 1
    (line,) = [each for each in served.said.splitlines() if "lancenb.connect" in each]
    url = served.url("http")
    assert line.strip() == f'dm = lancenb.connect("{url}", token="{served.token}")'
    space: dict[str, Any] = {"lancenb": lnb}
    exec(line.strip(), space)
    assert space["dm"].list().names == ["points"]
    for scheme in ("grpc", "ws"):
        with lnb.connect(served.url(scheme), token=served.token) as far:
            assert far["points"].rows == 4
    with pytest.raises(lnb.errors.Unauthorized):
        lnb.connect(url, token="lnb_" + "x" * 43)
    status, out, err = served.end()
    assert status == 0
    assert out.count(served.token) == 1
    assert served.token not in err
    assert err == "stopping\n"
    with pytest.raises(lnb.errors.ServerUnreachable):
        lnb.connect(url, token=served.token)


def test_sigterm_is_a_good_end_and_a_new_folder_is_made(tmp_path: Path, started: Any):
    served = started("--root", "new", "--http", "off")
    assert f"serving {tmp_path / 'new'} (0 artefacts)" in served.said
    assert "http://" not in served.said
    assert f'lancenb.connect("{served.url("grpc")}", token=' in served.said
    assert len(lnb.connect(served.url("grpc"), token=served.token)) == 0
    assert served.end(signal.SIGTERM)[0] == 0


def test_a_token_of_the_environment_or_a_file_is_never_printed(
    root: Path, tmp_path: Path, started: Any
):
    served = started(str(root), "--log", LANCENB_TOKEN=SECRET)
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    other = started(str(root), "--token-file", str(file))
    for each in (served, other):
        assert "token=...)" in each.said
        assert lnb.connect(each.url("http"), token=SECRET)["points"].version == 2
        status, out, err = each.end()
        assert status == 0
        assert SECRET not in out + err
    file.chmod(0o644)
    careless = started(str(root), "--token-file", str(file)).end()
    assert f"chmod 600 {file}" in careless[2]


@pytest.mark.s3
def test_a_bucket_is_served_and_its_keys_stay_here(s3_server: Any, tmp_path: Path, started: Any):
    place, state = f"s3://{s3_server.bucket()}/lab", tmp_path / "state"
    keys = {"AWS_ACCESS_KEY_ID": s3_server.access_key,
            "AWS_SECRET_ACCESS_KEY": s3_server.secret_key}  # fmt: skip
    served = started(
        place, "--s3-endpoint", s3_server.endpoint, "--log", XDG_STATE_HOME=str(state), **keys
    )
    assert served.said.startswith(f"serving {place} (0 artefacts)\n")
    far = lnb.connect(served.url("http"), token=served.token)
    far.convert(pa.table({"n": [1, 2]}), "numbers")
    assert lnb.connect(served.url("grpc"), token=served.token)["numbers"].rows == 2
    shown = f"{far.about()} {far['numbers']} {far!r}"
    status, out, err = served.end()
    assert status == 0
    assert s3_server.secret_key not in shown + out + err
    assert list((state / "lancenb").iterdir()), "tokens of a bucket are kept on this machine"


def blocked(process: int, thread: int, number: int) -> bool:
    """Whether a thread blocks a signal, or is gone."""
    try:
        status = Path(f"/proc/{process}/task/{thread}/status").read_text()
    except OSError:
        return True
    masked = next(line for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(masked.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="signals to one thread are sent by Linux only")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_whichever_thread_the_system_gives_the_signal_to(
    root: Path, started: Any, number: signal.Signals
):
    served = started(str(root))
    process = served.process.pid
    tgkill = 131 if platform.machine() in ("aarch64", "riscv64") else 234
    send = ctypes.CDLL(None).syscall
    others = sorted(int(thread) for thread in os.listdir(f"/proc/{process}/task"))
    # the oldest thread beside the main one that does not block it, and is still there
    hears = (each for each in others if each != process and not blocked(process, each, number))
    assert any(send(tgkill, process, each, int(number)) == 0 for each in hears)
    out, err = served.process.communicate(timeout=60)
    assert (served.process.returncode, err) == (0, "stopping\n"), out


def test_one_line_of_json_per_request_when_asked_for(root: Path, started: Any):
    served = started(str(root), "--log")
    far = lnb.connect(served.url("http"), token=served.token)
    assert far.search_rows("points", "x > 1").num_rows == 3
    with pytest.raises(lnb.errors.ArtifactNotFound):
        far.versions("nothing")
    lnb.connect(served.url("grpc"), token=served.token).tags("points")
    err = served.end()[2]
    lines = [json.loads(each) for each in err.splitlines() if each.startswith("{")]
    done = {(line.get("engine"), line.get("op"), line.get("code")) for line in lines}
    assert {("http", "read", "ok"), ("grpc", "tags", "ok")} <= done
    assert ("http", "versions", "artifact_not_found") in done
    assert all({"time", "level", "request_id", "ms"} <= set(line) for line in lines)
    assert served.token not in err


def test_a_port_that_is_taken(run: Any, root: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words in (("--http", port, "--grpc", "0"), ("--http", "0", "--grpc", port)):
            status, out, err = run("serve", str(root), *words)
            assert (status, out) == (2, "")
            assert re.match(r"error: .*" + port + r".*\n  hint: .+\n$", err), err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--host", "0.0.0.0"), "it has no token to ask for"),
        (("--host", "0.0.0.0", "--no-token"), "listens on this machine only"),
        (("--cert", "no.pem"), "TLS needs --cert and --key"),
        (("--cert", "no.pem", "--key", "no.pem"), "no.pem"),
        (("--http", "off", "--grpc", "off"), "needs --http or --grpc"),
        (("--token-file", "absent"), "absent cannot be read"),
        (("--token-file", "absent", "--no-token"), "exclude each other"),
        (("--origin", "*"), "origin"),
        (("--http", "eighty"), "no port"),
        (("--root", "http://127.0.0.1:1"), "is a server"),
    ],
)
def test_what_is_refused(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LANCENB_TOKEN", raising=False)
    place = () if "--root" in words else ("store",)
    ports = [each for flag in ("--http", "--grpc") if flag not in words for each in (flag, "0")]
    status, out, err = run("serve", *place, *words, *ports)
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_beyond_this_machine_it_wants_a_token_and_warns_without_tls(root: Path, started: Any):
    served = started(str(root), "--host", "0.0.0.0", LANCENB_TOKEN=SECRET)
    assert "on other machines" in served.said
    assert lnb.connect(served.url("http"), token=SECRET).list().names == ["points"]
    with pytest.raises(lnb.errors.Unauthorized):
        lnb.connect(served.url("http"), token=SECRET + "x")
    status, _, err = served.end()
    assert status == 0
    assert "warning: " in err
    assert "without TLS" in err


def test_a_server_of_this_process_is_reached_whatever_its_tokens(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    where = tmp_path / "store"
    assert run("token", "add", "ada", "--root", str(where))[0] == 0
    with lnb.serve(where, grpc=None) as server:
        assert server.token is None
        assert len(server.connect()) == 0
    monkeypatch.setenv("LANCENB_TOKEN", f"{SECRET},{SECRET}2")
    with lnb.serve(where, grpc=None) as server:
        assert len(server.connect("ws")) == len(lnb.connect(server.url, token=SECRET)) == 0
        with pytest.raises(lnb.errors.Unauthorized):
            server.connect(token=SECRET + "3").list()


def certificate(folder: Path) -> tuple[str, str]:
    """Make a certificate of localhost that nobody else vouches for."""
    from datetime import UTC, datetime, timedelta

    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, plain[1], plain[0]))
    files[1].chmod(0o600)
    return str(files[0]), str(files[1])


def test_tls_on_every_engine(
    run: Any, root: Path, tmp_path: Path, started: Any, monkeypatch: pytest.MonkeyPatch
):
    cert, key = certificate(tmp_path)
    served = started(str(root), "--cert", cert, "--key", key, LANCENB_TOKEN=SECRET)
    monkeypatch.setenv("LANCENB_TOKEN", SECRET)
    for scheme in ("https", "wss", "grpcs"):
        url = served.url(scheme)
        done = run("ls", "--root", url, "--ca", cert)
        assert (done[0], done[2]) == (0, "")
        assert "points" in done[1]
        status, out, err = run("ls", "--root", url)
        assert (status, out) == (1, "")
        assert SECRET not in err
        assert "ca=" not in err
    assert served.end()[0] == 0


def test_no_token_for_everybody_on_this_machine(root: Path, started: Any):
    served = started(str(root), "--no-token")
    url = served.url("http")
    assert f'lancenb.connect("{url}")' in served.said
    assert lnb.connect(url).list().names == ["points"]
    with urllib.request.urlopen(f"{url}/healthz") as answer:
        assert answer.status == 200


# --- lancenb token


def test_tokens_are_made_listed_turned_and_taken_back_while_it_runs(
    run: Any, tmp_path: Path, started: Any
):
    where = ("--root", str(tmp_path / "store"))
    status, made, _ = run("token", "add", "ada", "--scope", "write", *where)
    assert status == 0
    token, ident = re.match(r"(lnb_\S+)\n  id (\w+);", made).groups()  # type: ignore[union-attr]
    listed = run("token", "list", *where)[1]
    assert ident in listed
    assert "ada" in listed
    assert token not in listed

    kept = tmp_path / "store" / ".server" / "tokens.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert token not in kept.read_text()

    served = started(str(tmp_path / "store"))
    assert "token=...)" in served.said
    assert "tokens: ada (write)" in served.said
    url = served.url("http")
    far = lnb.connect(url, token=token)
    far.upsert("t", [{"k": 1}], key="k", create=True)

    added = json.loads(run("token", "add", "reader", "--json", *where)[1])
    reader = lnb.connect(url, token=added["token"])
    assert reader["t"].rows == 1
    with pytest.raises(lnb.errors.Forbidden):
        reader.delete_rows("t", "k = 1")

    turned = run("token", "rotate", ident, *where)[1].split()[0]
    assert turned != token
    assert lnb.connect(url, token=turned)["t"].rows == 1
    with pytest.raises(lnb.errors.Unauthorized):
        far.list()

    status, out, _ = run("token", "revoke", added["id"], *where)
    assert (status, out.split()[:3]) == (0, [added["id"], "is", "revoked;"])
    with pytest.raises(lnb.errors.Unauthorized):
        reader.list()
    out = "".join(served.end()[1:])
    assert not [each for each in (token, turned, added["token"]) if each in out]


def test_tokens_belong_to_a_store_not_to_a_server(run: Any):
    status, _, err = run("token", "list", "--root", "http://127.0.0.1:1")
    assert status == 2
    assert "on the machine that has it" in err


# --- the other commands, over the wire


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lnb.remote._serve.Server]:
    folder = tmp_path_factory.mktemp("far") / "store"
    dm = lnb.DataManager(lnb.Store(folder).create())
    dm.convert(pa.table({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5]}), "points", description="three")
    with lnb.serve(dm, token=SECRET) as running:
        yield running


@pytest.mark.parametrize("engine", ["http", "grpc", "ws"])
def test_commands_do_the_same_over_the_wire(
    run: Any, server: Any, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = {"http": server.url, "grpc": server.grpc_url, "ws": server.ws_url}[engine]
    monkeypatch.setenv("LANCENB_TOKEN", SECRET)
    here = ("--root", server.manager.store.uri)
    far = ("--root", url)
    for words in (
        ("ls",), ("show", "points"), ("versions", "points"), ("search", "three"),
        ("rows", "points", "--where", "x > 1", "--columns", "id", "--order", "id"),
        ("lineage", "points"), ("preview", "points"), ("tag", "points"),
        ("delete", "points", "--dry-run"), ("versions", "nothing"), ("diff", "points", "1", "9"),
    ):  # fmt: skip
        assert run(*words, *far) == run(*words, *here), words

    name = f"people-{engine}"
    source = tmp_path / "people.csv"
    source.write_text("name,age\nAda,36\nGrace,85\n")
    status, out, err = run("convert", str(source), name, *far)
    assert (status, err) == (0, "")
    assert f"{name} v1: 2 rows" in out
    assert run("convert", str(source), name, "--mode", "append", *far)[0] == 0
    assert run("diff", name, "1", "2", *far)[0] == 0
    assert run("tag", name, "first", "--version", "1", *far)[1] == "first  version 1\n"
    assert f"undo: lancenb rollback {name} 2" in run("rollback", name, "first", *far)[1]
    assert server.manager[name].version == 3
    status, _, err = run("delete", name, *far)
    assert status == 2
    assert f"lancenb delete {name} --confirm {name}" in err
    assert run("delete", name, "--confirm", name, "--force", *far)[0] == 0
    assert name not in server.manager
    assert run("fsck", *far)[0] == 0


def test_token_as_an_option_and_what_goes_wrong(
    run: Any, server: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("LANCENB_TOKEN", raising=False)
    assert run("ls", "--root", server.url, "--token", SECRET)[0] == 0
    status, out, err = run("ls", "--root", server.url)
    assert (status, out) == (1, "")
    assert "hint: set LANCENB_TOKEN, or give --token TOKEN;" in err
    wrong = SECRET + "-but-wrong"
    status, out, err = run("ls", "--root", server.url, "--token", wrong)
    assert status == 1
    assert wrong not in out + err
    with socket.socket() as deaf:  # bound and deaf, so that nobody else listens there meanwhile
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        status, _, err = run("ls", "--root", f"http://127.0.0.1:{port}", "--token", SECRET)
    assert status == 1
    assert f"127.0.0.1:{port}" in err
    assert SECRET not in err
    for words, says in (
        (("ls", "--root", server.url, "--bucket", "b"), "leave them out"),
        (("ls", "--root", ".", "--token", SECRET), "are for a server"),
        (("ls", "--root", "http://"), "no address of a server"),
        (("ls", "--root", f"http://me:{SECRET}@127.0.0.1:1"), "holds no credentials"),
    ):
        status, _, err = run(*words)
        assert status == 2, words
        assert says in err
        assert SECRET not in err


def test_the_root_may_be_a_server_by_the_environment(
    run: Any, server: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LANCENB_ROOT", server.url)
    monkeypatch.setenv("LANCENB_TOKEN", SECRET)
    assert "points" in run("ls")[1]
