"""
Keyed hashes of values that must not be kept in clear, the same in all replicas.

The key is fetched at the first hash. Until it is known, results are empty.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_jcmc.store.shared_secret import SharedSecret


class Hashes:
    """
    Hashes of one kind.

    Concurrency: use it from one event loop.
    """

    def __init__(self, secret: "SharedSecret", kind: str, size_bytes: int) -> None:
        """Hash with *secret*; the same text has another hash for another *kind*."""
        self.secret = secret
        self._kind, self._size_bytes = kind.encode(), size_bytes
        # A limit, because forged pushes may hold any number of texts.
        self._hashed = lru_cache(maxsize=4096)(self._hash)

    def name(self, text: str) -> str:
        """Return hex digits from *text* and the key; empty while the key is not known."""
        key = self.secret.value
        if not key:
            self.secret.want()
            return ""
        return self._hashed(key, text)

    def _hash(self, key: bytes, text: str) -> str:
        key = blake2b(key).digest()
        made = blake2b(text.encode(), digest_size=self._size_bytes, key=key, person=self._kind)
        return made.hexdigest()
