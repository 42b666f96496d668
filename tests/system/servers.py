# SPDX-License-Identifier: MPL-2.0
"""What servers do, as rows: the requests of one client, one after the other, and what its user sees.

Where Loads differs from curl on purpose, `curl` says what that sees instead, and `why`. (What curl
makes of answers that are wrong differs between its versions: this is 7.88, Debian 12's.)
"""

from dataclasses import dataclass, field
from urllib.parse import quote

HOST = "127.0.0.1"
PATTERN = b"abcdefghijklmnopqrstuvwxyz"
LIMIT_BYTES = 64 << 20  # of a body


def pattern(size):
    return (PATTERN * (size // 26 + 1))[:size]


@dataclass(frozen=True)
class Step:
    """A request to the target by one of its names; or only time that passes."""

    path: str
    method: str = "GET"
    body_size: int = 0
    timeout: float = 20
    host: str = HOST
    sleep: float = 0

    def url(self, port):
        return f"http://{self.host}:{port}{self.path}".replace("{port}", str(port))


@dataclass(frozen=True)
class Seen:
    """What a user sees of an answer; what is None isn't looked at."""

    status: int = 0
    body: bytes | None = None
    redirects: int | None = 0
    cookies: tuple | None = None  # instead of the body: those that the request sent, in any order
    error: str | None = None  # class; then there is no answer


@dataclass(frozen=True)
class Row:
    name: str
    steps: list
    seen: list
    curl: list = field(default_factory=list)
    why: str = ""


ROWS = []


def sleep(seconds):
    return Step("", sleep=seconds)


def post(path, body_size=5, **options):
    return Step(path, "POST", body_size, **options)


def head(path, **options):
    return Step(path, "HEAD", **options)


# On a connection of its own; when it is answered, what the others wait for has come.
HURRY = Step("/hurry/size/0", host="hurry.test")


def as_step(step):
    return step if isinstance(step, Step) else Step(step)


def as_seen(seen):
    if isinstance(seen, Seen):
        return seen
    if isinstance(seen, str):
        return Seen(error=seen)
    return Seen(seen) if isinstance(seen, int) else Seen(200, seen)


def as_list(value):
    return value if isinstance(value, list) else [value]


def row(name, steps, seen, curl=None, why=""):
    """A step may be a path; what is seen a status, a body (status 200), or a class of error."""
    assert (curl is None) == (why == ""), name
    ROWS.append(
        Row(
            name,
            [as_step(step) for step in as_list(steps)],
            [as_seen(one) for one in as_list(seen)],
            [] if curl is None else [as_seen(one) for one in as_list(curl)],
            why,
        )
    )


def raw(name, seen, after=b"abc", **options):
    """A raw answer, and one more request, which must not notice."""
    row("raw " + name, ["/raw/" + name, "/size/3"], [seen, after], **options)


# ---- plain answers ----

for status in (200, 201, 203, 226, 299, 300, 305, 306, 400, 401, 403, 404, 410, 418, 429, 500, 503, 599):
    row(f"status {status}", f"/status/{status}/body/text", Seen(status, b"text"))
row("no content", ["/status/204", "/size/3"], [Seen(204, b""), b"abc"])
row("not modified", ["/status/304", "/size/3"], [Seen(304, b""), b"abc"])
row("empty body", ["/size/0", "/size/3"], [b"", b"abc"])
row("large body", ["/size/1000000", "/size/3"], [pattern(1000000), b"abc"])
row("chunks", ["/chunked/50/size/1000", "/size/3"], [pattern(1000), b"abc"])
row("empty chunks", ["/chunked/5/size/0", "/size/3"], [b"", b"abc"])
row("head", [head("/size/1000"), "/size/3"], [Seen(200, b""), b"abc"])
row("head of chunks", [head("/size/1000/chunked/5"), "/size/3"], [Seen(200, b""), b"abc"])
row("head of gzip", [head("/size/1000/gzip"), "/size/3"], [Seen(200, b""), b"abc"])
row("head with a body", [head("/raw/two-answers"), "/size/3"], [Seen(200, b""), b"abc"])
row("gzip", ["/gzip/size/100000", "/size/3"], [pattern(100000), b"abc"])
row("deflate", ["/deflate/size/100000/chunked/7", "/size/3"], [pattern(100000), b"abc"])
row("echo", [post("/echo", 100000), "/size/3"], [b"x" * 100000, b"abc"])
row("delay", "/delay/300/size/3", b"abc")
row("delay that is too long", [Step("/delay/60000", timeout=0.5), "/size/3"], ["timeout", b"abc"])
row("slow", ["/slow/1/size/20", "/size/3"], [pattern(20), b"abc"])
row("slow chunks", "/slow/1/size/20/chunked/20", pattern(20))
row("too slow", [Step("/slow/5/size/10000", timeout=0.5), "/size/3"], ["timeout", b"abc"])
row("no answer", [Step("/hang", timeout=0.5), "/size/3"], ["timeout", b"abc"])

# ---- answers that end too soon ----

for name, path in (
    ("reset", "/reset"),
    ("reset in the head", "/reset-in-headers/size/100"),
    ("reset behind the head", "/reset-before-body/size/100"),
    ("reset in the body", "/reset-in-body/size/1000"),
    ("reset in chunks", "/reset-in-body/size/1000/chunked/10"),
    ("reset in a gzip body", "/reset-in-body/size/100000/gzip"),
    ("reset of chunks", "/reset-before-body/size/1000/chunked/10"),
    ("half", "/half/size/1000"),
    ("half of chunks", "/half/size/1000/chunked/10"),
    ("half, slowly", "/half/size/40/slow/1"),
):
    row(name, [path, "/size/3"], ["reset", b"abc"])
row("reset behind the body", ["/reset-after-body/size/1000", "/size/3"], [pattern(1000), b"abc"])
row("reset behind chunks", ["/reset-after-body/size/9/chunked/3", "/size/3"], [pattern(9), b"abc"])
row("reset behind the first byte", "/reset-in-headers/slow/1", "reset")
row("garbage", ["/garbage", "/size/3"], ["protocol", b"abc"])

# ---- connections ----

row("closed and said so", ["/close/size/5", "/size/3"], [b"abcde", b"abc"])
row("closed without a word", ["/close-unsaid/size/5", "/size/3"], [b"abcde", b"abc"])
row(
    "closed without a word, again and again",
    ["/close-unsaid/size/5"] * 5 + [post("/echo/close-unsaid")] * 2,
    [b"abcde"] * 5 + [b"xxxxx"] * 2,
)
row("closed when idle", ["/close-idle/20/size/5", sleep(0.3), "/size/3"], [b"abcde", b"abc"])
row("not yet closed", ["/close-idle/5000/size/5", sleep(0.1), "/size/3"], [b"abcde", b"abc"])
row("reset behind the answer", ["/reset-after-body", sleep(0.1), "/size/3"], [200, b"abc"])
row("closed at the next request", ["/close-next/size/5", "/size/3"], [b"abcde", b"abc"])
row("reset at the next request", ["/reset-next/size/5", "/size/3"], [b"abcde", b"abc"])
row("closed at the next upload", ["/close-next", post("/echo", 50000)], [200, b"x" * 50000])
row("reset at the next upload", ["/reset-next", post("/echo", 50000)], [200, b"x" * 50000])
row("reset at each request", ["/reset-next/size/5"] * 4, [b"abcde"] * 4)
row("half an answer on a kept connection", ["/size/3", "/half/size/100"], [b"abc", "reset"])
row("an answer before the request is read", [post("/early", 1000000), "/size/3"], [200, b"abc"])
row(
    "a refusal before the request is read",
    [post("/early/status/413/body/text", 1000000), "/size/3"],
    [Seen(413, b"text"), b"abc"],
)

# ---- other answers before the final one ----

for status in (100, 102, 103, 199):
    path = f"/interim/{status}/size/5"
    row(f"interim {status}", [path, "/size/3"], [b"abcde", b"abc"])
row("many interim answers", ["/any" + "?interim=103" + "&interim=100" * 20 + "&size=5"], [b"abcde"])
row("interim answer to an upload", [post("/interim/100/echo"), "/size/3"], [b"xxxxx", b"abc"])
row("interim answers, slowly", ["/interim/103/size/5/slow/1"], [b"abcde"])

# ---- bytes that are wrong ----

raw("nothing", "reset")
raw("half-status-line", "reset")
CUT_HEAD = "an answer whose head doesn't end isn't complete"
raw("status-line-only", "reset", curl=[Seen(200, b""), b"abc"], why=CUT_HEAD)
raw("half-head", "reset", curl=[Seen(200, b""), b"abc"], why=CUT_HEAD)
raw("status-99", "protocol")
raw("status-1000", "protocol")
raw("status-text", "protocol")
raw("status-no-reason", b"hello")
raw("version-1.2", "protocol")
raw("version-2", b"hello")
raw("version-icy", "protocol")
raw("version-0.9", "protocol")
raw("version-1.0", b"hello")
raw("version-1.0-kept", b"hello")
raw("version-1.0-chunked", b"hello")
raw("status-line-long", b"hello")
raw("status-line-endless", "protocol")
raw("length-too-long", "reset")
raw("length-too-short", b"hello")
raw("length-negative", "protocol")
raw("length-garbage", "protocol")
raw("length-trailing", b"hello")
raw("length-plus", b"hello")
raw("length-empty", "protocol")
raw("length-huge", b"hello")
raw("length-twice-same", b"hello")
raw("length-twice", b"hello")
raw("length-list", b"hello")
raw("length-and-chunks", b"hello")
raw("length-none", b"hello")
raw("204-length", Seen(204, b""))
raw("204-body", Seen(204, b""))
raw("304-length", Seen(304, b""))
raw("304-body", Seen(304, b""))
raw("304-chunked", Seen(304, b""))
raw("headers-many", b"hello")
raw("headers-endless", "protocol")
raw("header-long", b"hello")
raw("header-endless", "protocol")
raw("header-folded", b"hello")
raw("header-folded-length", "protocol")
raw("header-folded-first", "protocol")
row("folded behind an answer", ["/size/3", "/raw/header-folded-first"], [b"abc", "protocol"])
raw("header-no-colon", "protocol")
raw("header-no-name", b"hello")
raw("header-space", b"hello")
raw("header-twice", b"hello")
raw("header-latin-1", b"hello")
raw("header-nul", "protocol")
raw("header-nul-in-name", "protocol")
raw("header-control", b"hello")
raw("status-line-nul", "protocol")
raw("lines-lf", b"hello")
raw("lines-cr", "reset")
raw("chunks-capitals", b"hellohello")
raw("chunks-extension", b"hello")
raw("chunks-long-extension", b"hello")
raw("chunks-trailer", b"hello")
raw(
    "chunks-endless-trailer",
    "protocol",
    curl=["reset", b"abc"],
    why="curl keeps all trailers, until the server gives up",
)
raw("chunks-zeros", b"hello")
raw("chunks-lf", b"hello")
raw("chunks-size-text", "protocol")
raw("chunks-size-empty", "protocol")
raw("chunks-size-negative", "protocol")
raw("chunks-size-prefix", "protocol")
raw("chunks-size-huge", "protocol")
raw("chunks-size-too-small", "protocol")
raw("chunks-cut", "reset")
raw("chunks-cut-inside", "reset")
raw("chunks-cut-at-end", "reset")
raw("coding-unknown", "protocol")
raw("coding-identity", b"hello")
raw("gzip-plain", "decoding")
raw("gzip-empty", b"")
raw(
    "gzip-cut",
    "decoding",
    curl=[b"hel", b"abc"],
    why="a body that ends in the middle isn't valid gzip",
)
raw(
    "content-coding-unknown",
    b"hello",
    curl=["decoding", b"abc"],
    why="a test can look at what it was sent, whatever that is",
)
raw("two-answers", b"hello")
raw("interim-only", "reset")
raw("interim-endless", "protocol")
raw("switching", Seen(101, b"odd"))
# What lies in a connection before its next request makes it unusable. (The pause gives curl another
# process: 7.88 takes it for the answer.)
for name, path in (
    ("second answer to the first request, while idle", "/raw/two-answers-later"),
    ("garbage while idle", "/raw/garbage-behind"),
):
    row(name, [path, HURRY, sleep(0.01), "/size/3"], [b"hello", b"", b"abc"])
row("lengths of an answer to HEAD", [head("/raw/length-twice-same"), "/size/3"], [Seen(200, b""), b"abc"])

# ---- bodies that explode ----

row("small bomb", ["/bomb/10", "/size/3"], [bytes(10 << 20), b"abc"])
row(
    "bomb",
    ["/bomb/100", "/size/3"],
    [bytes(LIMIT_BYTES), b"abc"],
    curl=[bytes(100 << 20), b"abc"],
    why="a body has a limit, which keeps a server from taking all memory",
)
row("reset in a bomb", ["/bomb/10/reset-in-body", "/size/3"], ["reset", b"abc"])

# ---- redirects ----


def redirect_to(url, status=302):
    return f"/redirect-to?status={status}&url=" + quote(url, safe="{}")


def end(status=200, body=None, redirects=1):
    return Seen(status, body, redirects)


row("redirects", "/redirect/5/size/3", end(body=b"abc", redirects=5))
row("30 redirects", "/redirect/30/size/3", end(body=b"abc", redirects=30))
row("31 redirects", ["/redirect/31/size/3", "/size/3"], ["redirect", b"abc"])
row("loop", ["/loop", "/size/3"], ["redirect", b"abc"])
row("loop of two", ["/redirect-to?url=/redirect-to%3furl=%252floop", "/size/3"], ["redirect", b"abc"])
for status in (301, 302, 303, 307, 308):
    row(f"redirect {status}", redirect_to("/size/3", status), end(body=b"abc"))
    body = b"xxxxx" if status in (307, 308) else b""
    row(f"redirect {status} of POST", post(redirect_to("/echo", status)), end(body=body))
    row(f"redirect {status} of HEAD", head(redirect_to("/size/3", status)), end(body=b""))
NO_REDIRECT = "redirects are 301, 302, 303, 307 and 308, as for browsers; for curl all 3xx with a location"
for status in (300, 304, 305, 399):
    row(
        f"redirect {status}",
        redirect_to("/size/3", status),
        Seen(status),
        curl=end(body=b"abc"),
        why=NO_REDIRECT,
    )
row("location of 200", redirect_to("/size/3", 200), Seen(200))
row("location of 201", redirect_to("/size/3", 201), Seen(201))
row("redirect without location", "/status/302/body/text", Seen(302, b"text"))
row("redirect to nobody", [redirect_to("http://127.0.0.1:1/"), "/size/3"], ["connect", b"abc"])
row("redirect to nowhere", [redirect_to("http://nowhere.invalid/"), "/size/3"], ["resolve", b"abc"])
for scheme in ("ftp", "gopher", "nonsense"):
    url = f"{scheme}://127.0.0.1:{{port}}/"
    row(f"redirect to {scheme}", [redirect_to(url), "/size/3"], ["redirect", b"abc"])
row("redirect to ws", [redirect_to("ws://127.0.0.1:{port}/"), "/size/3"], ["url", b"abc"])
row("redirect to a file", [redirect_to("file:///etc/hostname"), "/size/3"], ["redirect", b"abc"])
row("redirect to javascript", [redirect_to("javascript:alert(1)"), "/size/3"], ["redirect", b"abc"])
row("redirect to TLS", [redirect_to("https://127.0.0.1:{port}/"), "/size/3"], ["tls", b"abc"])
row(
    "redirect to no host",
    [redirect_to("http:///127.0.0.1:{port}/size/3"), "/size/3"],
    ["redirect", b"abc"],
    curl=[end(body=b"abc"), b"abc"],
    why="a URL without a host leads nowhere; curl takes the path for it",
)
row("redirect to a wrong port", [redirect_to("http://127.0.0.1:99999/"), "/size/3"], ["redirect", b"abc"])
row("redirect to another host", redirect_to("http://www.example.com:{port}/size/3"), end(body=b"abc"))
row("redirect without scheme", redirect_to("//localhost:{port}/size/3"), end(body=b"abc"))
row("redirect in capitals", redirect_to("HTTP://LOCALHOST:{port}/size/3"), end(body=b"abc"))
row("redirect to a query", "/any?url=%3Fsize%3D3&status=302", end(body=b"abc"))
row("redirect to a relative path", "/any/a/b?url=..%2F..%2Fsize%2F3&status=302", end(body=b"abc"))
row("redirect above the root", redirect_to("/../../size/3"), end(body=b"abc"))
row("redirect to a fragment", redirect_to("/size/3#there"), end(body=b"abc"))
row("redirect that is slow", "/redirect/2/size/3/slow/1", end(body=b"abc", redirects=2))
row("redirect with a long body", "/redirect/2/size/100000", end(body=pattern(100000), redirects=2))
row("redirect that closes", "/redirect/3/size/3/close-unsaid", end(body=b"abc", redirects=3))
row("redirect to a reset", ["/redirect-to?url=/reset", "/size/3"], ["reset", b"abc"])
row("redirect that is cut", ["/redirect/2/size/1000/half", "/size/3"], ["reset", b"abc"])
row(
    "redirects share the time",
    [Step("/redirect/20/delay/100", timeout=0.7), "/size/3"],
    ["timeout", b"abc"],
)
raw("location-empty", end(302, b"hello", 0))
raw("location-twice", end(body=b"abc"))
raw("location-blanks", end(body=b"a b"))
raw("location-utf-8", end(body="é".encode()))

# ---- credentials ----

ME = "user:password@127.0.0.1"
row("basic auth, nothing given", ["/auth/basic", "/size/3"], [401, b"abc"])
row("basic auth, right", [Step("/auth/basic/size/3", host=ME)], [b"abc"])
row("basic auth, wrong", [Step("/auth/basic", host="user:wrong@127.0.0.1"), "/size/3"], [401, b"abc"])
row("basic auth, no password", [Step("/auth/basic", host="user@127.0.0.1")], [401])
row("basic auth, escaped", [Step("/auth/basic/size/3", host="us%65r:password@127.0.0.1")], [b"abc"])
row("basic auth, only once", [Step("/auth/basic", host=ME), "/auth/basic"], [200, 401])
row("basic auth behind a redirect", [Step(redirect_to("/auth/basic"), host=ME)], [end()])
row(
    "basic auth stays with its host",
    [Step(redirect_to("http://localhost:{port}/auth/basic"), host=ME)],
    [end(401)],
)
row("basic auth in a redirect", redirect_to("http://user:password@127.0.0.1:{port}/auth/basic"), end())
row("endless 401", [Step("/auth/endless/body/no", host=ME), "/size/3"], [Seen(401, b"no"), b"abc"])
row("401 that closes", [Step("/auth/endless/close-unsaid", host=ME), "/size/3"], [401, b"abc"])
row("401 without a challenge", [Step("/status/401", host=ME), "/size/3"], [401, b"abc"])
row("upload to 401", [post("/auth/basic", 100000), "/size/3"], [401, b"abc"])

# ---- cookies ----

PAST = "Thu, 01 Jan 2015 00:00:00 GMT"
FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT"


def sent(*cookies):
    return Seen(200, cookies=tuple(sorted(cookies)))


def setting(*lines, path="/any", host=HOST):
    """A request whose answer sets cookies."""
    return Step(path + "?" + "&".join("header=" + quote("Set-Cookie: " + line) for line in lines), host=host)


def asking(path="/any", host=HOST):
    """A request whose answer tells the cookies that it sent."""
    return Step(path + "?cookies", host=host)


def cookie(name, line, *cookies, to="/any", to_host=None, path="/any", host=HOST, **options):
    """One Set-Cookie, or a list, and then a request that sends these."""
    steps = [setting(*as_list(line), path=path, host=host), asking(to, to_host or host)]
    row("cookie: " + name, steps, [200, sent(*cookies)], **options)


cookie("plain", "a=b", "a=b")
cookie("two", ["a=b", "c=d"], "a=b", "c=d")
cookie("replaced", ["a=b", "a=c"], "a=c")
cookie(
    "names have cases",
    ["a=b", "A=c"],
    "a=b",
    "A=c",
    curl=[200, sent("A=c")],
    why="RFC 6265 and browsers tell a and A apart",
)
cookie("Max-Age", "a=b; Max-Age=1000", "a=b")
cookie("Max-Age=0", "a=b; Max-Age=0")
cookie("negative Max-Age", "a=b; Max-Age=-1")
cookie(
    "Max-Age that is none",
    "a=b; Max-Age=soon",
    "a=b",
    curl=[200, sent()],
    why="RFC 6265 ignores an attribute that isn't valid",
)
cookie("huge Max-Age", "a=b; Max-Age=99999999999999999999", "a=b")
cookie("expired", f"a=b; Expires={PAST}")
cookie("not yet expired", f"a=b; Expires={FUTURE}", "a=b")
cookie("date that is none", "a=b; Expires=tomorrow", "a=b")
cookie("Max-Age before Expires", f"a=b; Expires={PAST}; Max-Age=1000", "a=b")
cookie("Max-Age=0 before Expires", f"a=b; Max-Age=0; Expires={FUTURE}")
cookie("deleted", ["a=b", "c=d", f"a=; Expires={PAST}"], "c=d")
cookie("deleted by Max-Age", ["a=b", "a=; Max-Age=0"])
cookie("HttpOnly", "a=b; HttpOnly", "a=b")
cookie("SameSite", "a=b; SameSite=Strict", "a=b")
cookie("attributes in other cases", "a=b; PATH=/; mAx-AgE=1000; httponly", "a=b")
cookie("unknown attributes", "a=b; Priority=High; Nonsense; =; x=y", "a=b")
cookie("empty attributes", "a=b;;; ; Path=/;", "a=b")
cookie("empty value", "a=", "a=")
cookie("no name", "=b")
cookie("value with =", "a=b=c==", "a=b=c==")
cookie("quoted", 'a="b c"', 'a="b c"')
cookie("blanks", "  a  =  b c  ; Path=/", "a=b c")
cookie("comma", "a=b,c=d", "a=b,c=d")
cookie("UTF-8", "a=é", "a=é")
cookie("nothing", "")
cookie("too large", "a=" + "x" * 5000)
cookie("large", "a=" + "x" * 4000, "a=" + "x" * 4000)
cookie("large attribute", "a=b; Nonsense=" + "x" * 2000, "a=b")
cookie("path", "a=b; Path=/any/shop", "a=b", to="/any/shop/cart")
cookie("path itself", "a=b; Path=/any/shop", "a=b", to="/any/shop")
cookie("path that is longer", "a=b; Path=/any/shop", to="/any/shopping")
cookie("path of its own", "a=b", "a=b", path="/any/shop/cart", to="/any/shop/other")
cookie("path of others", "a=b", path="/any/shop/cart", to="/any")
cookie("path elsewhere", "a=b; Path=/elsewhere")
cookie("path that is none", "a=b; Path=any", "a=b", path="/any/shop/cart", to="/any/shop/x")
cookie("paths side by side", ["a=b; Path=/", "a=c; Path=/any"], "a=b", "a=c", to="/any/shop")

WWW, PARENT, OTHER = "www.example.com", "example.com", "other.example.com"
cookie("host only", "a=b", to_host=OTHER, host=WWW)
cookie("host only, subdomain", "a=b", to_host=WWW, host=PARENT)
cookie("domain", "a=b; Domain=example.com", "a=b", to_host=OTHER, host=WWW)
cookie("domain with a dot", "a=b; Domain=.example.com", "a=b", to_host=OTHER, host=WWW)
cookie("domain in capitals", "a=b; Domain=EXAMPLE.com", "a=b", to_host=OTHER, host=WWW)
cookie("own domain", "a=b; Domain=www.example.com", "a=b", host=WWW)
cookie("own domain, subdomain", "a=b; Domain=example.com", "a=b", to_host="a.b.example.com", host=PARENT)
cookie("wrong domain", "a=b; Domain=example.org", host=WWW)
cookie("wrong domain, there", "a=b; Domain=example.org", to_host="example.org", host=WWW)
cookie("domain below", "a=b; Domain=www.example.com", to_host=WWW, host=PARENT)
cookie("domain that ends alike", "a=b; Domain=ample.com", host=WWW)
cookie("empty domain", "a=b; Domain=", "a=b", host=WWW)
cookie("public suffix", "a=b; Domain=com", to_host="example2.com", host=WWW)
cookie("public suffix of two", "a=b; Domain=co.uk", to_host="b.co.uk", host="a.co.uk")
cookie("private suffix", "a=b; Domain=github.io", to_host="b.github.io", host="a.github.io")
cookie("own public suffix", "a=b; Domain=github.io", "a=b", host="github.io")
cookie("address", "a=b; Domain=127.0.0.1", "a=b")
cookie("part of an address", "a=b; Domain=0.0.1")
cookie("localhost", "a=b; Domain=localhost", "a=b", host="localhost")
cookie("host in capitals", "a=b", "a=b", host="WWW.EXAMPLE.com", to_host=WWW)

cookie("Secure by http", "a=b; Secure", host=WWW)
cookie("Secure by http to this machine", "a=b; Secure", "a=b")
cookie("Secure by http to localhost", "a=b; Secure", "a=b", host="localhost")
cookie(
    "Secure by http below localhost",
    "a=b; Secure",
    "a=b",
    host="shop.localhost",
    curl=[200, sent()],
    why="*.localhost is this machine, too, where http is as secure as https",
)
cookie("not replaced by an insecure one", ["a=b; Secure", "a=c"], "a=c")
cookie("__Secure-", "__Secure-a=b; Secure", "__Secure-a=b")
cookie("__Secure- without Secure", "__Secure-a=b")
cookie("__Host-", "__Host-a=b; Secure; Path=/", "__Host-a=b")
cookie("__Host- with another path", "__Host-a=b; Secure; Path=/any")
cookie(
    "__Host- with a domain",
    "__Host-a=b; Secure; Path=/; Domain=127.0.0.1",
    curl=[200, sent("__Host-a=b")],
    why="such a cookie may not name a domain, not even an address",
)
row("cookies: 40", ["/cookie/many/40", "/cookies"], [200, sent(*(f"many{i}={i}" for i in range(40)))])
row(
    "cookies: 60",
    ["/cookie/many/60", "/cookies"],
    [200, sent(*(f"many{i}={i}" for i in range(10, 60)))],
    curl=[200, sent(*(f"many{i}={i}" for i in range(50)))],
    why="both keep 50 here, Loads those that came last (of a domain), curl the first (of an answer)",
)
row("cookie of a redirect", setting("a=b", path="/any").path + "&status=302&url=/cookies", end(body=b"a=b"))
row("cookie of a refusal", ["/cookie/set/a/b/auth/endless", "/cookies"], [401, sent("a=b")])
row("cookie of a cut answer", ["/cookie/set/a/b/half/size/100", "/cookies"], ["reset", sent("a=b")])
row("cookie of HEAD", [head("/cookie/set/a/b"), "/cookies"], [200, sent("a=b")])
row(
    "cookie of an interim answer",
    ["/interim/103", "/cookies"],
    [200, sent()],
    curl=[200, sent("hint=1")],
    why="a hint isn't the answer",
)
row("cookie of a trailer", ["/raw/chunks-trailer", "/cookies"], [200, sent()])
row("cookie with a NUL", ["/raw/cookie-nul", "/cookies"], ["protocol", sent()])
row("cookie with control characters", ["/raw/cookie-control", "/cookies"], [200, sent("good=1")])
row("cookie that isn't UTF-8", ["/raw/cookie-latin-1", "/cookies"], [200, Seen(200, b"caf\xe9=\xe9t\xe9")])
