"""Opens the runs and serves the studio until it is stopped."""

from __future__ import annotations

import argparse
import contextlib
import socket
from types import FrameType

import uvicorn

from agent.command import CommandError
from agent.studio.app import Studio, create_app
from agent.studio.entrance import SHORTEST_TOKEN
from agent.studio.guard import LOOPBACK, Access
from agent.studio.pages import Pages
from agent.studio.runs import open_runs
from agent.studio.scratch import scratch_folder


class StudioServer(uvicorn.Server):
    """A server that ends at once when it is asked to, whatever a browser is still watching."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ctrl-C or SIGTERM. They are the way to end it, so neither is raised again afterwards."""
        self.should_exit = self.force_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Break off what is being sent, then end as always."""
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


def serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the command's exit code.

    Raises:
        CommandError: a folder is no run, the port is taken, the address is not this machine's, a token is needed.
        LedgerError: a ledger is damaged.
    """
    check_token(options.host, options.token)
    runs = open_runs([options.run, *options.others], options.read_only)
    with contextlib.ExitStack() as stack:
        for run in runs.values():
            stack.callback(run.ledger.close)
        listening = stack.enter_context(listen(options.host, options.port))
        scratch = stack.enter_context(scratch_folder())
        port = int(listening.getsockname()[1])
        access = Access(any_host=options.host not in LOOPBACK, token=options.token, port=port)
        studio = Studio(
            runs=runs,
            pages=Pages(runs, options.read_only),
            scratch=scratch,
            read_only=options.read_only,
            access=access,
        )
        config = uvicorn.Config(
            create_app(studio),
            log_level="warning",
            access_log=False,
            ws="none",
            lifespan="off",
            server_header=False,
            proxy_headers=False,
        )
        print(_where(options, port), flush=True)
        StudioServer(config).run(sockets=[listening])
    return 0


def check_token(host: str, token: str) -> None:
    """Refuse to let others in without a token that they cannot guess.

    Raises:
        CommandError: it is missing or short.
    """
    if host not in LOOPBACK and not token:
        raise CommandError(
            f"--host {host!r} lets other machines in, so a token is needed: give --token or $DITTO_STUDIO_TOKEN, "
            f"{SHORTEST_TOKEN} characters or more, for example from `openssl rand -hex 16`"
        )
    if token and len(token) < SHORTEST_TOKEN:
        raise CommandError(
            f"the token has {len(token)} characters, which can be guessed; "
            f"expected {SHORTEST_TOKEN} or more, for example from `openssl rand -hex 16`"
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        CommandError: the port is taken or not allowed, or the address is not this machine's.
    """
    if not 0 <= port <= 65535:
        raise CommandError(f"--port {port} is no port; expected 0 (any free one) to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CommandError(f"--host {host!r} is no address of this machine ({error.strerror})") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128)
    except OSError as error:
        made.close()
        raise CommandError(
            f"cannot listen on {host}:{port} ({error.strerror}); give another --port (0 takes a free one)"
        ) from error
    return made


def _where(options: argparse.Namespace, port: int) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    getting_in = "; its first page asks for the token" if options.token else ""
    return f"studio of {options.run} on http://{host}:{port} (Ctrl-C ends it{getting_in})"
