"""Loads the certificate of this service for TLS, and replaces it without closing connections."""

import logging
import ssl
from pathlib import Path

from otel_jcmc.catalogue.reasons import CannotServe

log = logging.getLogger(__name__)


def load_certificate(certificate: Path | None, key: Path | None) -> "Certificate | None":
    """
    Return the certificate of this service for TLS; None if no file is set.

    Raises:
        CannotServe: the certificate can't be read or used.
    """
    if certificate is not None:
        return Certificate(certificate, key)
    if key is not None:
        raise CannotServe("JCMC_TLS_KEY_FILE needs JCMC_TLS_CERTIFICATE_FILE")
    return None


class Certificate:
    """
    The certificate of this service for TLS, which can be replaced while connections are open.

    Attributes:
        context: the TLS context of all listening sockets; a new connection uses the certificate
            that was loaded last.
    """

    def __init__(self, certificate: Path, key: Path | None) -> None:
        """
        Load the PEM files; without a *key* file, the certificate's file holds the key.

        Raises:
            CannotServe: the files can't be read, or do not belong together.
        """
        self._files = (certificate, key)
        self.context = self._load()

    def _load(self) -> ssl.SSLContext:
        """Return a TLS context with the certificate and key from the files; raise CannotServe."""
        for setting, path in zip(
            ("JCMC_TLS_CERTIFICATE_FILE", "JCMC_TLS_KEY_FILE"), self._files, strict=True
        ):
            try:
                if path is not None:
                    path.read_bytes()
            except OSError as error:
                raise CannotServe(f"{setting}: {path}: {error.strerror}") from None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        try:
            # With an empty password, OpenSSL does not ask the terminal for the key's password.
            context.load_cert_chain(*self._files, password="")
        except ssl.SSLError as error:
            what = (
                "the key is not the certificate's"
                if error.reason == "KEY_VALUES_MISMATCH"
                else "no certificate with its key, without a password, in PEM"
            )
            raise CannotServe(f"JCMC_TLS_CERTIFICATE_FILE and JCMC_TLS_KEY_FILE: {what}") from None
        return context

    def reload(self) -> None:
        """Load the files again; if that fails, keep the old certificate and log why."""
        try:
            # Try the files in a new context first. A failed load into the context in use would
            # leave that context without its key.
            self._load()
            self.context.load_cert_chain(*self._files, password="")
        except (CannotServe, OSError) as error:
            log.error("tls: the old certificate stays in use: %s", error)  # noqa: TRY400
        else:
            log.info("tls: certificate loaded again")
