"""Who we are to a source, and how we know it: tokens, passwords and certificates in files that others rotate.

The files are looked at before each collection and read again when they changed; a projected volume swaps them all at once by a
symbolic link, which shows as another inode. What is in them appears in no message and no repr.
"""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapter.errors import Fault, SourceError

#: Far above any token; a path to a huge file by mistake must not fill memory at every collection.
_SECRET_MAX_BYTES = 64 * 1024
#: What tells one content of a file from the next: device, inode, size and time of change.
_Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """What we show to a source: a bearer token, or a user name with a password, or neither."""

    # The token that is sent as `Authorization: Bearer …`; a trailing line feed is not part of it.
    bearer_token_file: Path | None = None
    # Basic authentication; the two come together.
    username: str | None = None
    password_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file come together: give both or neither")
        if self.username is not None and (":" in self.username or not self.username.isprintable()):
            raise ValueError("a username for basic authentication holds neither a colon nor control characters")
        if self.bearer_token_file is not None and self.username is not None:
            raise ValueError("bearer_token_file and username exclude each other: keep one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a source's certificate is verified, and which one we show. There is no switch that turns verification off."""

    # The authorities to trust (PEM); None trusts the system's.
    ca_file: Path | None = None
    # Our certificate with its chain, and its unencrypted key (PEM); the two come together.
    cert_file: Path | None = None
    key_file: Path | None = None
    # The name that the source's certificate must carry, when it is not the host of its URL.
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file come together: give both or neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the files said just now."""

    headers: Mapping[str, str] = field(repr=False)
    context: ssl.SSLContext | None  # None: the source does not speak TLS
    server_name: str | None


class Credentials:
    """Keeps what the files of one source say, and reads again those that changed."""

    def __init__(
        self,
        source: str,
        auth: Auth,
        tls: Tls,
        *,
        headers: Mapping[str, str] | None = None,
        header_files: Mapping[str, Path] | None = None,
    ) -> None:
        self._source = source
        self._auth = auth
        self._tls = tls
        self._headers = dict(headers or {})
        self._header_files = dict(header_files or {})
        self._secrets: dict[Path, tuple[_Signature, str]] = {}
        self._context: tuple[tuple[_Signature, ...], ssl.SSLContext] | None = None

    def read(self, *, https: bool) -> Access:
        """Return the headers, and for *https* the TLS context, as the files are now. Blocks on files: call it in a thread.

        Raises:
            SourceError: a file is missing, empty or not what it should be; UNAUTHORIZED for secrets, TLS for certificates.

        """
        headers = dict(self._headers)
        headers |= {name: self._secret(path) for name, path in self._header_files.items()}
        if self._auth.bearer_token_file is not None:
            headers["Authorization"] = f"Bearer {self._secret(self._auth.bearer_token_file)}"
        elif self._auth.username is not None and self._auth.password_file is not None:
            pair = f"{self._auth.username}:{self._secret(self._auth.password_file)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        context = self._tls_context() if https else None
        return Access(headers=headers, context=context, server_name=self._tls.server_name)

    def _secret(self, path: Path) -> str:
        signature = self._signature(path, Fault.UNAUTHORIZED)
        known = self._secrets.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        try:
            with path.open("rb") as file:
                content = file.read(_SECRET_MAX_BYTES + 1)
        except OSError as error:
            raise self._unreadable(path, Fault.UNAUTHORIZED, error) from error
        # No strict decoding: its error would carry the content along.
        text = content.decode(errors="replace").rstrip("\r\n")
        if "\ufffd" in text:
            raise SourceError(self._source, Fault.UNAUTHORIZED, f"{path} is not UTF-8 text")
        if not text:
            raise SourceError(self._source, Fault.UNAUTHORIZED, f"{path} is empty")
        if len(text) > _SECRET_MAX_BYTES or not text.isprintable():
            raise SourceError(self._source, Fault.UNAUTHORIZED, f"{path} holds more than one line of text")
        self._secrets[path] = (signature, text)
        return text

    def _tls_context(self) -> ssl.SSLContext:
        files = [path for path in (self._tls.ca_file, self._tls.cert_file, self._tls.key_file) if path is not None]
        signatures = self._signatures(files)
        if self._context is not None and self._context[0] == signatures:
            return self._context[1]
        try:
            context = self._load()
        except SourceError:
            before, signatures = signatures, self._signatures(files)
            if before == signatures:
                raise
            # They were swapped between certificate and key: what stands there now is a pair again.
            context = self._load()
        self._context = (signatures, context)
        return context

    def _load(self) -> ssl.SSLContext:
        tls = self._tls
        try:
            context = ssl.create_default_context(cafile=tls.ca_file)
        except ssl.SSLError as error:
            raise SourceError(self._source, Fault.TLS, f"{tls.ca_file} holds no PEM certificate") from error
        except OSError as error:
            raise self._unreadable(tls.ca_file, Fault.TLS, error) from error
        if tls.cert_file is not None and tls.key_file is not None:
            try:
                # A password that is wrong for any key: OpenSSL would otherwise ask for one on the terminal.
                context.load_cert_chain(tls.cert_file, tls.key_file, password=b"")
            except (ssl.SSLError, ValueError) as error:
                reason = getattr(error, "reason", None) or "not PEM, or the key is encrypted"
                detail = f"{tls.cert_file} and {tls.key_file} are no pair of certificate and key: {reason}"
                raise SourceError(self._source, Fault.TLS, detail) from error
            except OSError as error:
                raise self._unreadable(tls.key_file, Fault.TLS, error) from error
        return context

    def _signatures(self, paths: list[Path]) -> tuple[_Signature, ...]:
        return tuple(self._signature(path, Fault.TLS) for path in paths)

    def _signature(self, path: Path, fault: Fault) -> _Signature:
        try:
            stat = path.stat()
        except OSError as error:
            raise self._unreadable(path, fault, error) from error
        return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def _unreadable(self, path: Path | None, fault: Fault, error: OSError) -> SourceError:
        return SourceError(self._source, fault, f"{path} cannot be read: {error.strerror or type(error).__name__}")
