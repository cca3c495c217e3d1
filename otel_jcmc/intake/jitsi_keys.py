"""
The keys that Jitsi's tokens are verified by, and the one algorithm of each.

In comes a secret, a public key in PEM or a file of either kind or of JWKS; out go keys. The
algorithm follows from the key and never from a token: a secret is HS256, RSA is RS256, P-256 is
ES256, and there is nothing else. A file is looked at again every few seconds, so that keys are
changed without a restart; one that is broken by then changes nothing, and is logged once.

Source: RFC 7517 (JWKS), RFC 7518 (algorithms), RFC 8725 (what goes wrong with them).
"""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt import PyJWK, get_algorithm_by_name

from otel_jcmc.catalogue.reasons import KeysUnusable

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0
_LEAST_RSA_BITS: Final = 2048
_PEM: Final = "-----BEGIN "
# Of a key of JWKS; whatever else it has, a private part included, is not read.
_PUBLIC_PARTS: Final = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}


class Key(NamedTuple):
    """
    One key.

    Attributes:
        verifier: the secret's bytes, or the public key.
        name: the `kid` that tokens name it by; None for one that is alone.
    """

    algorithm: str
    verifier: Any
    name: str | None = None


class Keys:
    """
    The keys in force.

    Attributes:
        now: all of them; never empty.
    """

    def __init__(
        self, read: Callable[[str], list[Key]], text: str = "", path: Path | None = None
    ) -> None:
        """
        Read keys from *text*, or from the file at *path*.

        Raises:
            KeysUnusable: there is none to be had; one line says why, and nothing of a key.
        """
        self._read = read
        self._path = path
        self._seen = _signature(path)
        self._looked_at = monotonic()
        self.now = self._load(text)

    def reload(self) -> bool:
        """Look at the file again if it is time; say whether the keys are others than before."""
        if self._path is None or monotonic() - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = monotonic()
        seen = _signature(self._path)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.now = self._load()
        except KeysUnusable as error:
            log.error("keys: %s; the old ones stay", error)  # noqa: TRY400  # a line, not a trace
            return False
        log.info("keys: %s was read again, keys in it: %d", self._path, len(self.now))
        return True

    def _load(self, text: str = "") -> list[Key]:
        """Return the keys in *text*, or in the file."""
        where = ""
        if self._path is not None:
            where = f"{self._path}: "
            try:
                text = self._path.read_text("utf-8")
            except OSError as error:
                raise KeysUnusable(f"{where}{error.strerror}") from None
            except UnicodeDecodeError:
                raise KeysUnusable(f"{where}it is not UTF-8 text") from None
        try:
            return self._read(text)
        except KeysUnusable as error:
            raise KeysUnusable(f"{where}{error}") from None


def secret_key(secret: str) -> list[Key]:
    """Return the key of HS256 that *secret* is."""
    verifier = secret.encode()
    try:
        # Refuses what is public: whoever reads it could sign with it.
        get_algorithm_by_name("HS256").prepare_key(verifier)
    except Exception:  # noqa: BLE001  # whatever a stranger's bytes make a library raise
        raise KeysUnusable("a secret is wanted, and this is a key: JCMC_JWT_PUBLIC_KEY") from None
    return [Key("HS256", verifier)]


def pem_key(text: str) -> list[Key]:
    """Return the public key that *text* has in PEM, of itself or of a certificate."""
    # An env file has one line for a value.
    pem = text.replace("\\n", "\n").strip().encode()
    if b"PRIVATE KEY-----" in pem:
        raise KeysUnusable("that is a private key; only the issuer needs it, here the public one")
    try:
        if b"-BEGIN CERTIFICATE-" in pem:
            verifier: Any = load_pem_x509_certificate(pem).public_key()
        else:
            verifier = load_pem_public_key(pem)
    except Exception:  # noqa: BLE001  # whatever a stranger's bytes make a library raise
        raise KeysUnusable("no public key in PEM") from None
    return [_public_key(verifier)]


def jwks_keys(text: str) -> list[Key]:
    """Return the keys for signatures by RS256 and ES256 in a JWKS; others in it are left out."""
    try:
        listed = json.loads(text)["keys"]
        keys = [key for each in listed if (key := _listed_key(each))]
    except KeysUnusable:
        raise
    except Exception:  # noqa: BLE001  # whatever a stranger's bytes make a library raise
        raise KeysUnusable("no JWKS") from None
    if not keys:
        raise KeysUnusable("no key for RS256 or ES256 in the JWKS")
    return keys


def _listed_key(listed: dict[str, Any]) -> Key | None:
    """Return one key of a JWKS, None for one that signs nothing by our algorithms."""
    parts = _PUBLIC_PARTS.get(listed["kty"])
    if parts is None or listed.get("use", "sig") != "sig" or listed.get("crv", "P-256") != "P-256":
        return None
    algorithm = {"RSA": "RS256", "EC": "ES256"}[listed["kty"]]
    if listed.get("alg", algorithm) != algorithm:
        return None
    name = listed.get("kid")
    verifier = PyJWK({part: listed[part] for part in parts}, algorithm).key
    return _public_key(verifier, name if isinstance(name, str) else None)


def _public_key(verifier: Any, name: str | None = None) -> Key:
    """Return a public key with the algorithm that follows from it."""
    if isinstance(verifier, RSAPublicKey):
        if verifier.key_size < _LEAST_RSA_BITS:
            raise KeysUnusable(f"an RSA key of at least {_LEAST_RSA_BITS} bits is wanted")
        return Key("RS256", verifier, name)
    if isinstance(verifier, EllipticCurvePublicKey) and isinstance(verifier.curve, SECP256R1):
        return Key("ES256", verifier, name)
    raise KeysUnusable("a key of RSA or on the curve P-256 is wanted")


def keys_of(secret: str = "", public_key: str = "", jwks_file: Path | None = None) -> Keys:
    """
    Return the keys that the settings name, one of the three: *public_key* is PEM or a path.

    Raises:
        KeysUnusable: there is none to be had.
    """
    if secret:
        return Keys(secret_key, secret)
    if public_key.startswith(_PEM):
        return Keys(pem_key, public_key)
    if public_key:
        return Keys(pem_key, path=Path(public_key))
    return Keys(jwks_keys, path=jwks_file)


def _signature(path: Path | None) -> Any:
    """Return what changes with the file at *path*; None where there is none."""
    try:
        found = os.stat(path) if path else None  # noqa: PTH116  # one call, for both cases
    except OSError:
        return None
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)
