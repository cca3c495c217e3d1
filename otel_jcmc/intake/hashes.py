"""
Keyed hashes of what may not be kept as it is, the same in all replicas.

The key is asked for when something is to be hashed for the first time; until it is known nothing
is told.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_jcmc.store.shared_secret import SharedSecret


class Hashes:
    """
    Hashes of one kind.

    Concurrency: to be used from one event loop.
    """

    def __init__(self, secret: "SharedSecret", kind: str, size_bytes: int) -> None:
        """Hash with *secret*; what is of another *kind* gets another hash."""
        self.secret = secret
        self._kind, self._size_bytes = kind.encode(), size_bytes
        # What a liar makes up is bounded.
        self._hashed = lru_cache(maxsize=4096)(self._hash)

    def name(self, text: str) -> str:
        """Return hex digits that depend on *text* and on the key; empty while it is not known."""
        key = self.secret.value
        if not key:
            self.secret.want()
            return ""
        return self._hashed(key, text)

    def _hash(self, key: bytes, text: str) -> str:
        key = blake2b(key).digest()
        made = blake2b(text.encode(), digest_size=self._size_bytes, key=key, person=self._kind)
        return made.hexdigest()
