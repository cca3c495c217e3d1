"""
Reads the keys that verify Jitsi's tokens; each key has exactly one algorithm.

A setting comes in: a secret, a public key in PEM, or the path of a file with PEM or JWKS. Keys go
out. The key decides the algorithm, never the token: a secret means HS256, an RSA key RS256, a P-256
key ES256. No other algorithms are used. While pushes arrive, the service checks the file every 2 s,
so an operator can change keys without a restart. If the changed file is broken, the old keys stay
in use, and the error is logged once.

Source: RFC 7517 (JWKS), RFC 7518 (algorithms), RFC 8725 (known attacks).
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
# The fields of a JWKS key that are read. Other fields, such as a private part, are ignored.
_PUBLIC_PARTS: Final = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}


class Key(NamedTuple):
    """
    One key that verifies tokens, with its algorithm.

    Attributes:
        verifier: the secret's bytes, or the public key.
        name: the `kid` by which tokens name the key; None for a key that has no name.
    """

    algorithm: str
    verifier: Any
    name: str | None = None


class Keys:
    """
    Keeps the keys that are in use, and reads their file again when it changes.

    Attributes:
        now: all keys in use; never empty.
    """

    def __init__(
        self, read: Callable[[str], list[Key]], text: str = "", path: Path | None = None
    ) -> None:
        """
        Read keys from *text*, or from the file at *path*.

        Raises:
            KeysUnusable: the settings give no usable key. The message is one line without any part
                of a key.
        """
        self._read = read
        self._path = path
        self._seen = _signature(path)
        self._looked_at = monotonic()
        self.now = self._load(text)

    def reload(self) -> bool:
        """Check the file if the last check was 2 s ago; return whether the keys were replaced."""
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
        """Return the keys in the file, or in *text* if there is no file; raise KeysUnusable."""
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
    """Return a list with the HS256 key made from *secret*."""
    verifier = secret.encode()
    try:
        # PyJWT refuses a public key as the secret, because anyone can read a public key and could
        # sign tokens with it.
        get_algorithm_by_name("HS256").prepare_key(verifier)
    except Exception:  # noqa: BLE001  # whatever a stranger's bytes make a library raise
        raise KeysUnusable(
            "this must be a secret, but it is a key: set JCMC_JWT_PUBLIC_KEY"
        ) from None
    return [Key("HS256", verifier)]


def pem_key(text: str) -> list[Key]:
    """Return a list with the public key in the PEM *text*, which may be a certificate."""
    # An env file allows only one line per value, so `\n` may stand for a line end.
    pem = text.replace("\\n", "\n").strip().encode()
    if b"PRIVATE KEY-----" in pem:
        raise KeysUnusable(
            "this is a private key, which only the issuer needs: give the public key"
        )
    try:
        if b"-BEGIN CERTIFICATE-" in pem:
            verifier: Any = load_pem_x509_certificate(pem).public_key()
        else:
            verifier = load_pem_public_key(pem)
    except Exception:  # noqa: BLE001  # whatever a stranger's bytes make a library raise
        raise KeysUnusable("no public key in PEM") from None
    return [_public_key(verifier)]


def jwks_keys(text: str) -> list[Key]:
    """Return the keys for RS256 and ES256 in the JWKS *text*; other keys are left out."""
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
    """Return the key *listed* in a JWKS; None if it is not for RS256 or ES256 signatures."""
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
    """Return the public key *verifier* with the algorithm that its type decides."""
    if isinstance(verifier, RSAPublicKey):
        if verifier.key_size < _LEAST_RSA_BITS:
            raise KeysUnusable(f"an RSA key must have at least {_LEAST_RSA_BITS} bits")
        return Key("RS256", verifier, name)
    if isinstance(verifier, EllipticCurvePublicKey) and isinstance(verifier.curve, SECP256R1):
        return Key("ES256", verifier, name)
    raise KeysUnusable("the key must be RSA or on the curve P-256")


def keys_of(secret: str = "", public_key: str = "", jwks_file: Path | None = None) -> Keys:
    """
    Return the keys from the setting that is not empty; *public_key* is PEM text or a file's path.

    Raises:
        KeysUnusable: the settings give no usable key.
    """
    if secret:
        return Keys(secret_key, secret)
    if public_key.startswith(_PEM):
        return Keys(pem_key, public_key)
    if public_key:
        return Keys(pem_key, path=Path(public_key))
    return Keys(jwks_keys, path=jwks_file)


def _signature(path: Path | None) -> Any:
    """Return time, size and inode of the file at *path*: they show a change. None: no such file."""
    try:
        found = os.stat(path) if path else None  # noqa: PTH116  # one call, for both cases
    except OSError:
        return None
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)
