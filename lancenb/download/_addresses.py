"""Host names to network addresses: looked up once, checked, and connected to as checked."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from .errors import BlockedURL

LOOKUP_TIMEOUT = 6.0
_SLICE = 0.2
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
# Not for the public although some releases of ipaddress call them global; the last one is a
# cloud's own service behind a public-looking address.
_INTERNAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",
            "192.88.99.0/24",
            "64:ff9b:1::/48",
            "fec0::/10",
            "3fff::/20",
            "5f00::/16",
            "168.63.129.16/32",
        ),
    )
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Found = tuple[int, int, int, str, tuple[Any, ...]]


def is_public(address: Address) -> bool:
    """Whether ``address`` belongs to the open internet, also if it only wraps an IPv4 address.

    >>> import ipaddress
    >>> [is_public(ipaddress.ip_address(a)) for a in ("8.8.8.8", "169.254.169.254", "224.0.0.1")]
    [True, False, False]
    >>> [is_public(ipaddress.ip_address(a)) for a in ("::ffff:10.0.0.1", "64:ff9b::7f00:1")]
    [False, False]
    """
    return all(
        item.is_global
        and not item.is_multicast
        and not item.is_reserved
        and not item.is_unspecified
        and not any(item.version == net.version and item in net for net in _INTERNAL)
        for item in _unwrapped(address)
    )


def _unwrapped(address: Address) -> Iterator[Address]:
    """The address that traffic really goes to: IPv4 inside IPv6 in all its forms (RFC 6052...)."""
    if address.version == 4:
        yield address
        return
    assert isinstance(address, ipaddress.IPv6Address)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    if address in _NAT64 or address in _COMPATIBLE:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _NAT64:
            return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    yield address


def check_public(host: str, found: list[Found]) -> None:
    """Raise :class:`BlockedURL` unless every address of ``host`` is public.

    All of them, because which one a connection uses is not for the caller to say.
    """
    for *_, where in found:
        if not is_public(ipaddress.ip_address(str(where[0]).partition("%")[0])):
            raise BlockedURL(
                f"{host} is an address inside a private network or of this machine",
                hint="servers fetch public addresses only; an operator can allow an origin with "
                "UrlPolicy.for_servers(trusted=('http://host:port',))",
            )


def look_up(host: str, port: int, stopped: Any = None) -> list[Found]:
    """Ask the name service once, for at most six seconds.

    Args:
        host: name or address in any notation that the system understands.
        port: port of the result.
        stopped: callable; ends the wait early by raising.

    Raises:
        OSError: no such name, or no answer in time.
    """
    result: list[Any] = []
    with contextlib.suppress(ValueError):  # an address is not looked up: nothing to wait for
        ipaddress.ip_address(host)
        result += socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return result

    def ask() -> None:
        try:
            result.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            result.append(error)

    # In a thread of its own: the system's resolver can neither be stopped nor given a limit.
    thread = threading.Thread(target=ask, name="lancenb-lookup", daemon=True)
    thread.start()
    deadline = time.monotonic() + LOOKUP_TIMEOUT
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(_SLICE)
        if stopped is not None:
            stopped()
    if not result:
        raise socket.gaierror(socket.EAI_AGAIN, "the name service does not answer")
    if isinstance(result[0], UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no host name")
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def connect(found: list[Found], timeout: float, options: Any = (), stopped: Any = None) -> Any:
    """Connect to the first address that answers and return the socket.

    Raises:
        TimeoutError: none answered in time.
        OSError: the last refusal.
    """
    last: OSError = OSError("the name has no address")
    left, deadline = timeout, time.monotonic() + 2 * timeout
    for family, kind, protocol, _, where in found:
        if left <= 0:
            break
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a machine without IPv6
            last = error
            continue
        try:
            for option in options or ():
                sock.setsockopt(*option)
            _connect(sock, where, left, stopped)
            return sock
        except OSError as error:
            sock.close()
            last = error
            left = min(timeout, deadline - time.monotonic())  # the first is tried in any case
        except BaseException:
            sock.close()
            raise
    raise last


def _connect(sock: socket.socket, where: tuple[Any, ...], timeout: float, stopped: Any) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(where)
    if code in (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN):
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        deadline = time.monotonic() + timeout
        while not poll.poll(1000 * _SLICE):
            if stopped is not None:
                stopped()
            if time.monotonic() > deadline:
                raise TimeoutError("no answer")
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, errno.errorcode.get(code, "unknown"))
    sock.settimeout(timeout)
