# SPDX-License-Identifier: MPL-2.0
"""What may be shown of a text that may have a secret in it, or of one that comes from a server; as lib/base/shown.c
has it."""

import re
import unicodedata

SECRET = "(secret)"
# Exceptions of urllib3 say its path and query behind "url: ".
URL_IN_WORDS = re.compile(r"(?:\b[A-Za-z][A-Za-z0-9+.-]*://|(?<=\burl: ))[^\s'\"]+?(?=[).,;:>]*(?:[\s'\"]|$))")


def plain(text, lines=False):
    """A terminal obeys control characters."""
    return "".join("?" if unicodedata.category(c) == "Cc" and not (lines and c in "\n\t") else c for c in text)


def shown_url(url):
    """Without user and password, query and fragment."""
    start = re.match(r"[A-Za-z0-9+.-]+:/+|//+|", url).end()
    rest = url[start:]
    authority = re.match(r"[^/?#]*", rest)[0]
    odd_port = re.match(r"(?!\[)[^:]*:\d*\D", authority)
    at = (rest if odd_port and "@" not in authority else authority).rfind("@")
    host, query = re.fullmatch(r"(?s)([^?#]*)(.*)", rest[max(at, 0):]).groups()
    return url[:start] + ("***" if at > 0 else "") + host + ("?***" if re.match(r"(?s)\?.", query) else "")


def shown_words(text):
    """An exception's text."""
    return URL_IN_WORDS.sub(lambda found: shown_url(found[0]), text)
