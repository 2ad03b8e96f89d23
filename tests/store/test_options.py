"""Options of an S3 store: names, precedence, what Lance, boto3 and fsspec get, and secrets."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import traceback
from typing import Any

import pytest

from lancenb.errors import AccessDenied, InvalidArgument, LancenbError, UnknownOption
from lancenb.store import Store, lance_module, s3_options
from tests.store import _servers

KEYS: dict[str, Any] = {"access_key": "AKEXPLICIT", "secret_key": "s3cr3t-explicit"}
MINIO: dict[str, Any] = {"endpoint": "http://localhost:9000", **KEYS}


def lance_options(store: Store) -> dict[str, str]:
    options = store.storage_options
    assert options is not None
    return options


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_w51_options_are_lances_own_and_text_only():
    options = s3_options(**MINIO, session_token="tok", retries=7, timeout=12.5, connect_timeout=2)
    assert options == {
        "aws_access_key_id": "AKEXPLICIT",
        "aws_secret_access_key": "s3cr3t-explicit",
        "aws_session_token": "tok",
        "aws_region": "us-east-1",
        "aws_endpoint": "http://localhost:9000",
        "aws_endpoint_url_s3": "http://localhost:9000",
        "aws_virtual_hosted_style_request": "false",
        "aws_conditional_put": "etag",
        "aws_skip_signature": "false",
        "allow_http": "true",
        "connect_timeout": "2s",
        "timeout": "12.5s",
        "client_max_retries": "7",
        "client_retry_timeout": "60",
    }
    assert all(isinstance(v, str) for v in options.values())


def test_sse_anonymous_read_only_and_tls():
    options = s3_options(**MINIO, sse="aws:kms", kms_key="key-1", read_only=True)
    assert options["aws_server_side_encryption"] == "aws:kms"
    assert options["aws_sse_kms_key_id"] == "key-1"
    assert options["aws_conditional_put"] == "disabled"
    options = s3_options(endpoint="https://s3.example.test", anonymous=True, verify=False)
    assert options["aws_skip_signature"] == "true"
    assert options["allow_http"] == "false"
    assert options["allow_invalid_certificates"] == "true"
    assert not [name for name in options if "key" in name or "token" in name]


def test_addressing_style():
    assert s3_options(**KEYS)["aws_virtual_hosted_style_request"] == "true"
    assert s3_options(bucket="a.b", **KEYS)["aws_virtual_hosted_style_request"] == "false"
    options = s3_options(
        bucket="buck", endpoint="https://s3.example.test/", path_style=False, **KEYS
    )
    assert options["aws_endpoint"] == "https://buck.s3.example.test"
    assert options["aws_virtual_hosted_style_request"] == "true"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("acces_key", "access_key"),
        ("endpoint_override", "endpoint"),
        ("aws_access_key_id", "access_key"),
        ("key", "access_key"),
        ("secret", "secret_key"),
        ("token", "session_token"),
        ("region_name", "region"),
        ("request_timeout", "timeout"),
        ("client_max_retries", "retries"),
        ("anon", "anonymous"),
        ("addressing_style", "path_style"),
        ("use_ssl", "allow_http"),
        ("nonsense", "options: access_key"),
    ],
)
def test_w51_unknown_options_are_errors_with_a_suggestion(name, meant):
    for make in (s3_options, lambda **o: Store("s3://bucket", **o)):
        with pytest.raises(UnknownOption, match=name) as caught:
            make(**{name: "hidden-value"})
        assert meant in caught.value.hint
        assert "hidden-value" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"endpoint": "localhost:9000"}, "write http://localhost:9000"),
        ({"endpoint": "minio.example.org"}, "write https://minio.example.org"),
        ({"endpoint": "ftp://host"}, "http:// or https://"),
        ({"endpoint": "http://"}, "no usable host"),
        ({"endpoint": "http://host:99999"}, "no usable host"),
        ({"endpoint": "http://u:hush-hush@host"}, "access_key="),
        ({"endpoint": "http://host:9000", "allow_http": False}, "allow_http=False"),
        ({"endpoint": "http://10.0.0.1:9000", "path_style": False}, "sub-domains"),
        ({"endpoint": "http://localhost:9000", "path_style": False}, "sub-domains"),
        ({"access_key": "a"}, "without secret_key="),
        ({"secret_key": "a"}, "without access_key="),
        ({"session_token": "a"}, "without keys"),
        ({"access_key": "a", "secret_key": "hush-hush\n"}, "copy-and-paste"),
        ({"access_key": "", "secret_key": "b"}, "empty"),
        ({**KEYS, "anonymous": True}, "anonymous=True"),
        ({"timeout": 0}, "timeout="),
        ({"timeout": "30"}, "timeout="),
        ({"connect_timeout": True}, "connect_timeout="),
        ({"retries": -1}, "retries="),
        ({"allow_http": "true"}, "True or False"),
        ({"sse": "AES-256"}, "did you mean 'AES256'"),
        ({"kms_key": "k"}, "sse='aws:kms'"),
        ({"region": "us east"}, "region"),
        ({"ca_bundle": "/no/such/file.pem"}, "no file"),
        ({"profile": "nobody"}, "no AWS profile 'nobody'"),
    ],
)
def test_values_that_cannot_work(options, says):
    with pytest.raises(InvalidArgument) as caught:
        Store("s3://bucket/x", **options)
    assert says in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def write_files(folder):
    (folder / "config").write_text(
        textwrap.dedent(
            """
            [default]
            region = eu-default-1
            [profile lab]
            region = eu-lab-1
            endpoint_url = http://lab.example.test:1
            [profile svc]
            services = mine
            [services mine]
            s3 =
              endpoint_url = http://svc.example.test:1
            """
        )
    )
    (folder / "credentials").write_text(
        textwrap.dedent(
            """
            [default]
            aws_access_key_id = AKDEFAULT
            aws_secret_access_key = default-secret
            [lab]
            aws_access_key_id = AKLAB
            aws_secret_access_key = lab-secret
            aws_session_token = lab-token
            """
        )
    )


def test_precedence_of_keys(clean_environment, monkeypatch):
    with pytest.raises(AccessDenied, match="no credentials for s3://bucket") as caught:
        _ = Store("s3://bucket").storage_options
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    write_files(clean_environment)

    def key(**options):
        return lance_options(Store("s3://bucket", **options))["aws_access_key_id"]

    assert key() == "AKDEFAULT"
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert key() == "AKLAB"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    assert key() == "AKENV"
    assert key(profile="lab") == "AKLAB"
    assert key(profile="lab", **KEYS) == "AKEXPLICIT"
    assert lance_options(Store("s3://bucket", profile="lab"))["aws_session_token"] == "lab-token"
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(InvalidArgument, match="no AWS profile 'gone'"):
        key()


def test_precedence_of_endpoint_and_region(clean_environment, monkeypatch):
    write_files(clean_environment)

    def place(**options):
        store = Store("s3://bucket", **options, **KEYS)
        return store.endpoint, store.region

    assert place() == (None, "eu-default-1")
    assert place(profile="lab") == ("http://lab.example.test:1", "eu-lab-1")
    assert place(profile="svc")[0] == "http://svc.example.test:1"
    monkeypatch.setenv("AWS_ENDPOINT", "http://lance-only.example.test")
    assert place()[0] == "http://lance-only.example.test"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://any.example.test")
    assert place()[0] == "http://any.example.test"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.test")
    assert place()[0] == "http://s3.example.test"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-env-2")
    assert place()[1] == "eu-env-2"
    monkeypatch.setenv("AWS_REGION", "eu-env-1")
    assert place()[1] == "eu-env-1"
    assert place(endpoint="http://me.example.test", region="eu-me-1") == (
        "http://me.example.test",
        "eu-me-1",
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "no-scheme.example.test")
    with pytest.raises(InvalidArgument, match="no http"):
        place()


def test_what_the_environment_decided_travels_in_pickles(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://one.example.test")
    store = Store("s3://bucket", **KEYS)
    data = pickle.dumps(store)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://two.example.test")
    assert pickle.loads(data).endpoint == "http://one.example.test"


class Recorder:
    """Answers every request with 403 and keeps its path and headers."""

    def __init__(self):
        self.endpoint = ""
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()

    def __call__(self, handler):
        with self.lock:
            self.seen.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        handler.body()
        handler.answer(403, b"<Error><Code>AccessDenied</Code></Error>")

    def ask_lance(self, store):
        """Open a table with the options of ``store`` and return the headers that were sent."""
        self.seen.clear()
        with pytest.raises((OSError, ValueError)):
            lance_module().dataset(store.join("x.lance"), storage_options=store.storage_options)
        return self.seen[0][1]


@pytest.fixture
def recorder():
    recorder = Recorder()
    with _servers.serving(recorder) as endpoint:
        recorder.endpoint = endpoint
        yield recorder


def test_explicit_endpoint_beats_every_variable_lance_reads(recorder, monkeypatch):
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")
    headers = recorder.ask_lance(Store("s3://bucket/p", endpoint=recorder.endpoint, **KEYS))
    assert recorder.seen[0][0].startswith("/bucket?")
    assert "Credential=AKEXPLICIT/" in headers["authorization"]
    assert "/us-east-1/" in headers["authorization"]


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "TOKEN", "SESSION_TOKEN", "AWS_TOKEN"])
def test_tokens_of_the_environment_are_not_sent_with_explicit_keys(recorder, monkeypatch, name):
    """Lance reads four variables for a session token, one of them plain TOKEN."""
    monkeypatch.setenv(name, "somebody-elses-token")
    store = Store("s3://bucket/p", endpoint=recorder.endpoint, **KEYS)
    if name in ("AWS_SESSION_TOKEN", "TOKEN"):
        assert "somebody-elses-token" not in str(recorder.ask_lance(store))
    assert lance_options(store)["aws_session_token"] == ""
    with pytest.raises(AccessDenied):
        store.check()
    assert all("somebody-elses-token" not in str(seen) for seen in recorder.seen)
    with pytest.raises(InvalidArgument, match=f"environment variable {name}") as caught:
        _ = Store("s3://bucket/p", **KEYS).storage_options  # AWS refuses an empty token
    assert "somebody-elses-token" not in str(caught.value)
    token = Store("s3://bucket/p", endpoint=recorder.endpoint, session_token="mine", **KEYS)
    assert lance_options(token)["aws_session_token"] == "mine"


def test_virtual_hosted_style_says_the_same_to_lance_and_boto3(recorder):
    """Behind a proxy, so that no name has to be resolved; in a process of its own."""
    code = """
        from lancenb.store import Store, lance_module
        store = Store("s3://bucket/p", endpoint="http://s3.example.test", access_key="a",
                      secret_key="b", path_style=False)
        for call in (store.check, lambda: lance_module().dataset(
                store.join("x.lance"), storage_options=store.storage_options)):
            try:
                call()
            except Exception:
                print("refused")
    """
    env = {"HTTP_PROXY": recorder.endpoint, "http_proxy": recorder.endpoint, "NO_PROXY": ""}
    assert run(code, env).split() == ["refused", "refused"]
    paths = {path.split("?")[0] for path, _ in recorder.seen}
    assert paths == {"http://bucket.s3.example.test/"}


def run(code: str, env: dict[str, str]) -> str:
    """Run code in a new process without the guards of this test run."""
    base = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LANCE_"))}
    base |= {"HOME": "/nonexistent", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=base | env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def metadata_service():
    """A fake EC2 metadata service that hands out keys and counts its visitors."""
    visits = []
    role = {
        "Code": "Success",
        "AccessKeyId": "AKMETADATA",
        "SecretAccessKey": "metadata-secret",
        "Token": "metadata-token",
        "Expiration": "2099-01-01T00:00:00Z",
        "LastUpdated": "2026-01-01T00:00:00Z",
        "Type": "AWS-HMAC",
    }

    def handle(handler):
        visits.append(handler.path)
        handler.body()
        if handler.path.endswith("/api/token"):
            handler.answer(200, b"t", {"x-aws-ec2-metadata-token-ttl-seconds": "21600"})
        elif handler.path.rstrip("/").endswith("security-credentials"):
            handler.answer(200, b"lab-role")
        elif "security-credentials" in handler.path:
            handler.answer(200, json.dumps(role).encode())
        else:
            handler.answer(404, b"")

    with _servers.serving(handle) as address:
        yield address, visits


ASK = """
    from lancenb.errors import AccessDenied
    from lancenb.store import Store, lance_module
    store = Store("s3://bucket/p", endpoint="http://127.0.0.1:9", region="us-east-1", {options})
    try:
        print(store.storage_options["aws_access_key_id"], store.boto3() is not None)
        lance_module().dataset(store.join("x.lance"),
            storage_options=store.storage_options | {{"client_max_retries": "0"}})
    except AccessDenied as error:
        print("AccessDenied", error.hint)
    except (OSError, ValueError):
        print("asked")
"""


def test_no_metadata_service_is_asked_unless_chosen(metadata_service):
    address, visits = metadata_service
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": address, "AWS_DEFAULTS_MODE": "auto"}
    assert "metadata_service=True" in run(ASK.format(options=""), env)
    assert run(ASK.format(options="access_key='a', secret_key='b'"), env).split()[0] == "a"
    assert visits == []
    assert run(ASK.format(options="metadata_service=True"), env).split()[0] == "AKMETADATA"
    assert visits
    off = env | {"AWS_EC2_METADATA_DISABLED": "true"}
    assert "remove that variable" in run(ASK.format(options="metadata_service=True"), off)


def test_the_guard_is_needed(metadata_service):
    """Lance alone asks the metadata service: the test above can fail."""
    address, visits = metadata_service
    code = """
        import lance
        try:
            lance.dataset("s3://bucket/x.lance", storage_options={"aws_region": "us-east-1",
                "aws_endpoint": "http://127.0.0.1:9", "allow_http": "true",
                "client_max_retries": "0"})
        except Exception:
            pass
    """
    run(code, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": address})
    assert visits


def test_w52_nothing_is_written_to_the_environment():
    code = """
        import os
        before = dict(os.environ)
        from lancenb.store import Store, lance_module, s3_options
        options = s3_options(endpoint="http://127.0.0.1:9", access_key="AK", secret_key="SK")
        store = Store("s3://bucket", endpoint="http://127.0.0.1:9", access_key="AK",
                      secret_key="SK")
        store.boto3(), store.fsspec(), store.storage_options
        print(dict(os.environ) == before)
        lance_module()
        print({k: v for k, v in os.environ.items() if before.get(k) != v})
    """
    assert run(code, {}).splitlines() == ["True", "{'LANCE_LOG': 'error'}"]
    assert run(code, {"LANCE_LOG": "debug"}).splitlines()[1] == "{}"


def test_w52_two_stores_in_two_threads_keep_their_own_keys():
    seen, start = {}, threading.Barrier(8)

    def work(number):
        store = Store(
            "s3://bucket",
            endpoint=f"http://host-{number}:1",
            access_key=f"AK{number}",
            secret_key=f"SK{number}",
        )
        start.wait(120)
        for _ in range(20):
            options = lance_options(store)
            credentials = store.boto3()._request_signer._credentials
            seen.setdefault(number, set()).add(
                (options["aws_endpoint"], options["aws_access_key_id"], credentials.access_key)
            )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {n: {(f"http://host-{n}:1", f"AK{n}", f"AK{n}")} for n in range(8)}


def test_w52_no_secret_is_ever_shown():
    store = Store("s3://bucket/p", session_token="hush-token", **MINIO)
    hidden = ["AKEXPLICIT", "s3cr3t-explicit", "hush-token"]
    shown = [repr(store), str(store), f"{store}", repr(store._options), repr(store._place)]
    shown += [repr(store._options.secret_key), repr(vars(store._options)), repr([store])]
    shown += [repr(store.__reduce__()), repr(copy.deepcopy(store)), repr(store._place.keys(""))]
    for call in (
        lambda: Store("s3://bucket/p", session_token="hush-token", **MINIO, colour=1),
        lambda: Store("s3://bucket/p", **{**MINIO, "secret_key": "s3cr3t-explicit\t"}),
        lambda: store.join(".."),
        lambda: Store.of(store, access_key="AKEXPLICIT"),
    ):
        with pytest.raises(LancenbError) as caught:
            call()
        shown.append(json.dumps(caught.value.to_dict()))
        shown.append("".join(traceback.format_exception_only(caught.value)))
    for text in shown:
        assert not [secret for secret in hidden if secret in text], text


def test_fsspec_arguments():
    arguments = Store("s3://bucket/p", session_token="tok", sse="AES256", **MINIO).fsspec()
    assert arguments["protocol"] == "s3"
    assert (arguments["key"], arguments["secret"]) == ("AKEXPLICIT", "s3cr3t-explicit")
    assert arguments["token"] == "tok"
    assert arguments["client_kwargs"]["endpoint_url"] == "http://localhost:9000"
    assert arguments["s3_additional_kwargs"] == {"ServerSideEncryption": "AES256"}
    assert Store("/tmp").fsspec() == {"protocol": "file"}
    with pytest.raises(InvalidArgument):
        Store("memory://x").fsspec()


def test_ca_bundle_has_to_reach_lance_too(tmp_path, monkeypatch):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    store = Store("s3://bucket", endpoint="https://localhost:1", ca_bundle=bundle, **KEYS)
    with pytest.raises(InvalidArgument, match=f"SSL_CERT_FILE={bundle}"):
        _ = store.storage_options
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert store.storage_options


def test_import_is_light():
    code = """
        import sys
        import lancenb.store
        from lancenb import Store
        Store("/tmp/x").join("a")
        print([m for m in ("lance", "boto3", "botocore", "torch", "pyarrow") if m in sys.modules])
    """
    assert run(code, {}).strip() == "[]"
