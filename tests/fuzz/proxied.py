"""
Streams of requests through real proxies: the application only gets requests that one forwarded.

nginx, HAProxy and Caddy each add a header that no stream can have. Behind them is the service's own
connection, with an application that notes its requests. A request without the header is a part of
another request, which two parsers understood differently.
"""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import uvicorn
from e2e.nginx import running_nginx
from e2e.parts import ROOT, is_open, running
from fuzz import framing
from fuzz.engine import Tally
from harness import eventually
from ports import free_port
from uvicorn.server import ServerState

from otel_jcmc.server.ending import EndingProtocol

PROOF: Final = secrets.token_hex(8)
# At a time: one after the other would wait for silence most of the time.
_AT_A_TIME: Final = 60
_SILENCE_SECONDS: Final = 0.15
_PAUSE_SECONDS: Final = 0.02
_UNPACKED: Final = ROOT / ".cache" / "proxies"
# The lines for an upgrade are those of docker-jitsi-meet's nginx.
_NGINX: Final = """
    upstream ours {{ server 127.0.0.1:{behind}; keepalive 16; }}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://ours;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Authorization {proof};
        }}
    }}
"""
_HAPROXY: Final = """
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend front
    bind 127.0.0.1:{port}
    http-request set-header Authorization {proof}
    default_backend ours
backend ours
    http-reuse always
    server ours 127.0.0.1:{behind}
"""
_CADDY: Final = """
{{
    admin off
    auto_https off
    storage file_system {folder}/caddy
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{behind} {{
        header_up Authorization {proof}
    }}
}}
"""


class _App(framing.App):
    """Notes each request's proof."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.hidden: list[Any] = []
        self.proven = 0

    def _note(self, headers: Any, what: Any) -> None:
        if [value for name, value in headers if name == b"authorization"] == [PROOF.encode()]:
            self.proven += 1
        else:
            self.hidden.append(what)

    def take(self, headers: Any, body: bytes, reply: Any, peer: str) -> None:
        """Take a push."""
        self._note(headers, ("push", headers, body))
        super().take(headers, body, reply, peer)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take any other request."""
        self._note(scope["headers"], (scope["method"], scope["path"], scope["headers"]))
        await super().__call__(scope, receive, send)


@asynccontextmanager
async def _listening(app: Any) -> AsyncIterator[int]:
    """Serve *app* by the service's own protocol; give the port."""
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    config.load()
    config.loaded_app = app
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: EndingProtocol(config, state, {}), "127.0.0.1", 0, backlog=1000
    )
    yield server.sockets[0].getsockname()[1]
    server.close()


@contextmanager
def _nginx(folder: Path, port: int, behind: int) -> Iterator[None]:
    with running_nginx(folder, _NGINX.format(port=port, behind=behind, proof=PROOF), port):
        yield


def _other(name: str, text: str, *words: str) -> Callable[[Path, int, int], Any]:
    """Return what runs the proxy *name*, configured by *text*."""

    @contextmanager
    def running_it(folder: Path, port: int, behind: int) -> Iterator[None]:
        config = folder / name
        config.write_text(text.format(port=port, behind=behind, proof=PROOF, folder=folder))
        found = shutil.which(name) or next(_UNPACKED.glob(f"usr/*bin/{name}"), None)
        assert found, f"{name} is missing: run tests/real-parts.sh proxies"
        libraries = f"LD_LIBRARY_PATH={_UNPACKED}/usr/lib/x86_64-linux-gnu"
        command = ["env", libraries, f"HOME={folder}", str(found), *words, str(config)]
        with running(command, folder / "log"):
            eventually(lambda: is_open(port))
            yield

    return running_it


PROXIES: Final = {
    "nginx": _nginx,
    "haproxy": _other("haproxy", _HAPROXY, "-db", "-f"),
    "caddy": _other("caddy", _CADDY, "run", "--adapter", "caddyfile", "--config"),
}


async def _send(port: int, stream: bytes) -> bytes:
    """
    Send *stream* to a proxy and return what is answered until it is silent.

    Behind the first head it waits, so that the body is another read for who is behind the proxy.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    with suppress(ConnectionError, TimeoutError):
        cut = stream.find(b"\r\n\r\n") + 4
        writer.write(stream[:cut])
        await asyncio.sleep(_PAUSE_SECONDS)
        writer.write(stream[cut:])
        while True:
            async with asyncio.timeout(_SILENCE_SECONDS):
                more = await reader.read(65536)
            if not more:
                break
            said += more
    writer.close()
    return said


async def _through(name: str, inputs: int, seed: int, tally: Tally) -> None:
    """Send *inputs* streams through the proxy *name*."""
    chance, seeds = Random(seed), framing.seeds()
    app = _App()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with _listening(app) as behind:
            port = free_port()
            proxy = PROXIES[name](folder, port, behind)
            await asyncio.to_thread(proxy.__enter__)
            stack.push(proxy.__exit__)
            done = 0
            while done < inputs:
                batch = [
                    framing.mutate(chance.choice(seeds), chance, seeds)
                    for _ in range(min(_AT_A_TIME, inputs - done))
                ]
                await asyncio.gather(*(_send(port, each) for each in batch))
                done += len(batch)
                tally.done += len(batch)
                assert not app.hidden, (
                    f"{name} did not forward {app.hidden[0]}; again:"
                    f" python -m fuzz --only proxied --seed {seed} -n {len(PROXIES) * inputs}"
                )
            tally.say(f"  through {name}, {app.proven:,} requests forwarded")
            assert app.proven > inputs / 10, f"{name} forwards nothing"


def try_proxies(inputs: int, seed: int, *, is_silent: bool = False) -> Tally:
    """Send *inputs* streams in all through the proxies."""
    tally = Tally("proxied", inputs, is_silent=is_silent)
    for name in PROXIES:
        asyncio.run(_through(name, max(1, inputs // len(PROXIES)), seed, tally))
    return tally
