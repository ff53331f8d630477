"""One bounded HTTP exchange. Everything that speaks HTTP here goes through `fetch`.

The client and what it is made to do:
- It ignores the environment (`trust_env=False`). A proxy or a `.netrc` of the machine would answer in the target's
  place, or send credentials that nobody asked for; on loopback that is simply wrong. Certificates are trusted as the
  system trusts them (OpenSSL's own store, which `SSL_CERT_FILE` moves), with httpx's where the system has none.
- It keeps no connection and no cookie. A kept connection that the server has just closed looks like an outage, and an
  abort condition must not trip on that; a new connection is also what a new user gets.
- It follows no redirect: a redirect is the answer.

It reads at most `LARGEST_BODY` bytes, compressed or not, hands the loop back while it does, and has one deadline for
all of it: no number of small signs of life buys a server more time.
"""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gameday import __version__
from gameday.frozen import frozen, slotted
from gameday.patterns import pattern
from gameday.probes.answers import NoAnswer, excerpt, system_reason
from gameday.probes.lookup import addresses

if TYPE_CHECKING:
    import ssl

    import httpx

LARGEST_BODY = 1024 * 1024
"""Bytes of a body that are read, before and after decompression."""
_AT_FIRST_REQUEST = ("httpx", "httpcore", "httpcore._backends.anyio", "anyio._backends._asyncio", "h11")
"""What httpx would import in the middle of its first request, and so on the loop: a tenth of a second."""
_CHUNKS_A_TURN = 64
_TEXT_CODECS = pattern(
    r"utf-?8|utf-?16(-?[bl]e)?|utf-?32(-?[bl]e)?|(us-)?ascii|latin-?1|iso-?8859-?\d{1,2}|(windows-|cp)125\d"
    r"|shift_?jis|euc-(jp|kr)|gb2312|gbk|gb18030|big5|koi8-[ru]"
)


@frozen
class Reply:
    """What came back. `whole` is false where the body went on after `LARGEST_BODY`."""

    status: int
    body: bytes
    whole: bool
    content_type: str
    took: float
    """Seconds from sending to the last byte read."""

    @property
    def text(self) -> str:
        """The body as text: in its own charset where that is a known one, else UTF-8; what is neither is marked."""
        found = re.search(r"charset=[\"']?([\w.-]{1,40})", self.content_type, re.IGNORECASE)
        charset = found[1].lower() if found else "utf-8"
        # Python's registry also holds codecs that are no charsets, and some that take quadratic time.
        return self.body.decode(charset if _TEXT_CODECS.fullmatch(charset) else "utf-8", "replace")

    @property
    def excerpt(self) -> str:
        return excerpt(self.text[:1000]) if self.body else "an empty body"


def make_client() -> httpx.AsyncClient:
    """A client as said above. Takes 20 ms and, the first time, the import of httpx: call it in a thread."""
    from http.cookiejar import DefaultCookiePolicy

    import httpx

    prepare()
    client = httpx.AsyncClient(
        verify=_trust(),
        trust_env=False,
        follow_redirects=False,
        timeout=None,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        headers={"user-agent": f"gameday/{__version__}", "accept-encoding": "identity"},
    )
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def prepare() -> None:
    """Load what the first request would. Only to be early: what a version has elsewhere comes when it is needed."""
    for module in _AT_FIRST_REQUEST:
        with suppress(ImportError):
            import_module(module)
    _trust()


@cache
def _trust() -> ssl.SSLContext:
    import ssl

    trust = ssl.create_default_context()
    if not trust.get_ca_certs():
        import certifi

        trust.load_verify_locations(certifi.where())
    return trust


async def fetch(
    client: httpx.AsyncClient,
    url: str,
    *,
    within: float,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    content: bytes | None = None,
    with_body: bool = True,
) -> Reply:
    """Ask once, `within` seconds. Without `with_body` the reply counts as soon as status line and headers are there.

    Raises:
        NoAnswer: `unreachable` where nothing came back, `error` where it is no HTTP or the question is no question.
    """
    import httpx

    sent = _Sent(time.monotonic())
    try:
        async with asyncio.timeout(within):
            # Merged here: with `params`, httpx drops the query that stands in the address itself.
            address = httpx.URL(url)
            address = address.copy_merge_params(dict(params)) if params else address
            return await _exchange(client, method, address, dict(headers or {}), content, form, within, with_body, sent)
    except TimeoutError:
        came = "no reply" if sent.status is None else f"status {sent.status} came, but not the whole reply"
        raise NoAnswer("unreachable", f"{came} within {within:.3g} s", sent.status) from None
    except httpx.RemoteProtocolError as error:
        silent = sent.status is None and "without sending a response" in str(error)
        what = "the connection was closed without a reply" if silent else f"not legal HTTP: {excerpt(str(error))}"
        raise NoAnswer("unreachable" if silent else "error", what, sent.status) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise NoAnswer("error", f"the address can't be used: {excerpt(str(error))}") from None
    except (httpx.LocalProtocolError, UnicodeError, TypeError, ValueError):
        # The library's own message would quote the header, and a header may hold a secret.
        raise NoAnswer("error", "the request can't be sent: its address, a header or its body is not legal") from None
    except (httpx.TransportError, OSError) as error:
        raise NoAnswer("unreachable", _reason(error), sent.status) from None


@slotted
class _Sent:
    """A question under way: what is known of it when it breaks off."""

    at: float
    status: int | None = None


async def _exchange(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    headers: dict[str, str],
    content: bytes | None,
    form: Mapping[str, str] | None,
    within: float,
    with_body: bool,
    sent: _Sent,
) -> Reply:
    """Ask at each of the host's addresses until one takes the connection."""
    import httpx

    name = url.raw_host.decode("ascii")
    found = await addresses(name) if name else [name]
    for number, address in enumerate(found, 1):
        last = number == len(found)
        request = client.build_request(method, url, headers=headers, content=content, data=form)
        if address != name:
            # `build_request` has set the Host header from the name; the certificate is held against it, too.
            request.url = url.copy_with(host=address)
            request.extensions["sni_hostname"] = name
        request.extensions["timeout"] = {"connect": None if last else within / len(found)}
        try:
            response = await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if last:
                raise
            continue
        sent.status = response.status_code
        try:
            body, whole = await _read(response) if with_body else (b"", True)
        finally:
            await response.aclose()
        kind = response.headers.get("content-type", "")
        return Reply(sent.status, body, whole, kind, time.monotonic() - sent.at)
    raise NoAnswer("unreachable", f"the name {name} has no address")


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise NoAnswer("error", f"the reply is packed as {excerpt(coding)!r}, unasked", response.status_code)
    unpack: Any = zlib.decompressobj(wbits=47) if coding not in ("identity", "") else None
    body, received, chunks = bytearray(), 0, 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        if unpack is not None:
            try:
                chunk = unpack.decompress(chunk, LARGEST_BODY + 1 - len(body))
            except zlib.error as error:
                raise NoAnswer("error", f"the reply can't be unpacked: {error}", response.status_code) from None
        body += chunk
        if len(body) > LARGEST_BODY or received > LARGEST_BODY:
            return bytes(body[:LARGEST_BODY]), False
        chunks += 1
        if chunks % _CHUNKS_A_TURN == 0:
            # Tiny chunks come out of one buffer without a pause; the abort conditions want their turn too.
            await asyncio.sleep(0)
    return bytes(body), True


def _reason(error: BaseException) -> str:
    """What the operating system said, which httpx wraps two or three deep."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None:
            return system_reason(seen)
        seen = seen.__cause__ or seen.__context__
    return excerpt(str(error)) or type(error).__name__
