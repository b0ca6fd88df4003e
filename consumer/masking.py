"""Secrets are never printed."""

from __future__ import annotations

import re

MASK = "********"
_IN_URL = re.compile(r"(://[^:/@]*:)[^@/]*(@)|([?&][^=&]*(?:password|secret)=)[^&]*", re.IGNORECASE)
_IN_PAIRS = re.compile(
    r"((?:password|secret)\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|(?:[^\s\\]|\\.)+)", re.IGNORECASE | re.DOTALL
)
_SECRET_WORDS = ("password", "secret", "token", "sasl.jaas", "key.pem", "private", "user.info")


def is_secret(key: str) -> bool:
    """Whether the value of a client's property is one."""
    # A token's endpoint is no token.
    return any(word in key for word in _SECRET_WORDS) and not key.endswith("endpoint.url")


def masked_dsn(dsn: str) -> str:
    """A connection string without its passwords, whichever of libpq's two forms it is written in."""
    if "://" in dsn.partition("=")[0]:
        return _IN_URL.sub(lambda found: f"{found[1] or found[3]}{MASK}{found[2] or ''}", dsn)
    return _IN_PAIRS.sub(rf"\g<1>{MASK}", dsn)
