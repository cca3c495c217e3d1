"""
Makes keyed hashes of texts that must not be stored as they are; all replicas use the same key.

The first call of `name` starts to fetch the key. Until the key is known, `name` returns an empty
text.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_jcmc.store.shared_secret import SharedSecret


class Hashes:
    """
    Makes the hashes of one kind of text, such as bridges.

    Concurrency: use it from one event loop.
    """

    def __init__(self, secret: "SharedSecret", kind: str, size_bytes: int) -> None:
        """Hash with the key *secret*; the same text has a different hash for each *kind*."""
        self.secret = secret
        self._kind, self._size_bytes = kind.encode(), size_bytes
        # The cache has a limit, because forged pushes may contain any number of different texts.
        self._hashed = lru_cache(maxsize=4096)(self._hash)

    def name(self, text: str) -> str:
        """Return the keyed hash of *text* in hex digits; empty while the key is not known."""
        key = self.secret.value
        if not key:
            self.secret.want()
            return ""
        return self._hashed(key, text)

    def _hash(self, key: bytes, text: str) -> str:
        key = blake2b(key).digest()
        made = blake2b(text.encode(), digest_size=self._size_bytes, key=key, person=self._kind)
        return made.hexdigest()
