"""TLS: the server's certificate, looked at before it is used, and what clients trust."""

from __future__ import annotations

import os
import ssl
import time
from pathlib import Path
from typing import Any

from lancenb.errors import InvalidArgument, MissingDependency, ServerUnreachable

_SOON = 14 * 86_400
_EXPIRED, _EARLY = 10, 9  # OpenSSL's numbers for why a certificate is not accepted


class TLS:
    """A certificate with its key, and whom clients have to be certified by.

    Args:
        certificate: PEM file, the server's own first, then those between it and the authority.
        key: PEM file of its private key.
        client_ca: PEM file of the authority that must have signed the clients' certificates.
        password: of the key; gRPC takes only keys without one.

    Attributes:
        warning: what the operator should know; empty when all is well.

    Raises:
        InvalidArgument: a file is missing, unreadable or no PEM, key and certificate do not
            match, or the certificate is not valid now.
    """

    def __init__(
        self,
        certificate: str | os.PathLike[str],
        key: str | os.PathLike[str],
        *,
        client_ca: str | os.PathLike[str] | None = None,
        password: str | None = None,
    ):
        self.certificate = _file(certificate, "the certificate", "CERTIFICATE")
        self.key = _file(key, "the key of the certificate", "PRIVATE")
        self.client_ca = (
            None if client_ca is None else _file(client_ca, "the clients' authority", "CERTIFICATE")
        )
        self._password = password
        self.warning = ""
        plain = self._chain()
        self.context()
        ends = _valid_until(self.certificate, plain)
        if ends is not None and ends - time.time() < _SOON:
            days = int((ends - time.time()) / 86_400)
            self.warning = f"the certificate {self.certificate} expires in {days} days"

    def __repr__(self) -> str:
        return f"TLS({str(self.certificate)!r})"

    def context(self) -> ssl.SSLContext:
        """Return what Python's own servers take."""
        made = self._chain()
        if self.client_ca is not None:
            _trust(made, self.client_ca)
            made.verify_mode = ssl.CERT_REQUIRED
        return made

    def uvicorn(self) -> dict[str, Any]:
        """Return the arguments of ``uvicorn.Config``, which sets the same up."""
        given: dict[str, Any] = {"ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        if self._password is not None:
            given["ssl_keyfile_password"] = self._password
        if self.client_ca is not None:
            given |= {"ssl_ca_certs": str(self.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return given

    def grpc(self) -> Any:
        """Return the credentials of a gRPC server.

        Raises:
            InvalidArgument: the key has a password.
        """
        key = self.key.read_bytes()
        if b"ENCRYPTED" in key:
            raise InvalidArgument(
                f"the key {self.key} has a password, and gRPC takes none",
                hint=f"openssl pkey -in {self.key} -out PLAIN writes one without; chmod 600 PLAIN",
            )
        ca = None if self.client_ca is None else self.client_ca.read_bytes()
        pair = (key, self.certificate.read_bytes())
        return _grpc().ssl_server_credentials([pair], ca, ca is not None)

    def _chain(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        _load(made, self.certificate, self.key, self._password)
        return made


def client_context(
    ca: str | os.PathLike[str] | None = None,
    *,
    certificate: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> ssl.SSLContext:
    """Return what a client verifies a server with; there is no way not to.

    Args:
        ca: PEM file of the authority to trust; those of the system when ``None``.
        certificate: of this client, for servers that ask for one.
        key: of that certificate.

    Raises:
        InvalidArgument: a file is missing or unusable.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        made.load_default_certs()
    else:
        _trust(made, _file(ca, "ca", "CERTIFICATE"))
    if certificate is not None:
        mine = _file(certificate, "the client's certificate", "CERTIFICATE")
        _load(made, mine, _file(key or mine, "the client's key", "PRIVATE"), None)
    return made


def client_grpc(
    ca: str | os.PathLike[str] | None = None,
    *,
    certificate: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> Any:
    """Return the same for gRPC.

    Raises:
        InvalidArgument: a file is missing or unusable.
    """
    client_context(ca, certificate=certificate, key=key)  # gRPC itself would only fail to connect
    roots = Path(ca) if ca is not None else Path(ssl.get_default_verify_paths().cafile or "")
    trusted = roots.read_bytes() if roots.is_file() else None
    mine = None if certificate is None else Path(certificate).read_bytes()
    own = None if certificate is None else Path(key or certificate).read_bytes()
    return _grpc().ssl_channel_credentials(trusted, own, mine)


def _grpc() -> Any:
    try:
        import grpc
    except ImportError:
        raise MissingDependency(
            "gRPC needs the package grpcio", hint="pip install 'lancenb[server]'"
        ) from None
    return grpc


def _file(path: str | os.PathLike[str], what: str, holds: str) -> Path:
    """Return a path whose file can be read and looks like PEM."""
    place = Path(path).expanduser()
    try:
        text = place.read_bytes()
    except OSError as error:
        raise InvalidArgument(
            f"{what} {place} cannot be read: {error.strerror}", hint="give the path of a PEM file"
        ) from None
    if f"-----BEGIN {holds}".encode() not in text and (
        holds != "PRIVATE" or b"PRIVATE KEY-----" not in text
    ):
        raise InvalidArgument(
            f"{what} {place} is no PEM file with a {'certificate' if holds[0] == 'C' else 'key'}",
            hint="it begins with -----BEGIN; openssl converts other forms",
        )
    return place


def _load(made: ssl.SSLContext, certificate: Path, key: Path, password: str | None) -> None:
    try:
        # Without the function OpenSSL would ask for a password on the terminal, and wait.
        made.load_cert_chain(certificate, key, lambda: password or "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidArgument(
                f"the key {key} is not the one of the certificate {certificate}",
                hint="give the pair that was made together",
            ) from None
        sealed = b"ENCRYPTED" in key.read_bytes()
        raise InvalidArgument(
            f"the certificate {certificate} and its key {key} cannot be used: "
            f"{'the password is missing or wrong' if sealed else error.reason or 'damaged'}",
            hint="give the password of the key" if sealed else "give the files as they were made",
        ) from None


def _trust(made: ssl.SSLContext, ca: Path) -> None:
    try:
        made.load_verify_locations(cafile=ca)
    except ssl.SSLError as error:
        raise InvalidArgument(
            f"the authority {ca} cannot be used: {error.reason or 'damaged'}",
            hint="give its certificate as a PEM file",
        ) from None


def _valid_until(certificate: Path, server: ssl.SSLContext) -> float | None:
    """Return when a certificate ends, by letting it be used once, in memory.

    Raises:
        InvalidArgument: it has ended, or has not begun.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cafile=certificate)  # only this one, and only for this look
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    mine = client.wrap_bio(back, there)
    theirs = server.wrap_bio(there, back, server_side=True)
    for _ in range(10):
        try:
            for side in (mine, theirs):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        except ssl.SSLCertVerificationError as error:
            if error.verify_code in (_EXPIRED, _EARLY):
                when = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
                raise InvalidArgument(
                    f"the certificate {certificate} {when}", hint="renew it, or set the clock"
                ) from None
            return None
        except ssl.SSLError:
            return None
        facts = mine.getpeercert() if mine.version() else None
        if facts:
            return ssl.cert_time_to_seconds(str(facts["notAfter"]))
    return None


def untrusted(text: str, where: str) -> ServerUnreachable:
    """Return the error for a server's certificate that a client does not accept.

    Args:
        text: what OpenSSL says.
        where: the server, as the user knows it.
    """
    if "certificate is not valid for" in text:
        return ServerUnreachable(
            f"the certificate of {where} is for another name",
            hint="use a name it was made for, or make it for this one too (subjectAltName)",
            details={"sent": False},
        )
    return ServerUnreachable(
        f"the certificate of {where} is not one that is trusted here",
        hint="give the file with the certificates to trust as ca=",
        details={"sent": False},
    )
