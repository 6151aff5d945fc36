"""The one loopback port behind which all of the simulated Azure lives.

It is an HTTPS proxy that never connects anywhere: a client that CONNECTs to a host that a service serves is talking
to that service, under a certificate for that name; every other host is refused. So unmodified clients keep their
production URLs, TLS verification and all, and nothing can reach the Internet. Plain HTTP answers for the port itself,
which is where the managed identity endpoint is.
"""

import io
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import trustme
from werkzeug.wrappers import Request, Response

from simulator.clock import OwnClock
from simulator.wire.exchanges import Exchange, visible_answer, visible_headers, visible_query
from simulator.wire.faults import Fault, FaultKind, Faults
from simulator.wire.requests import as_request

type Service = Callable[[Request], Response]


class Server(ThreadingHTTPServer):
    """The port, the hosts behind it, and everything that was said."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, clock: OwnClock) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.clock = clock
        self.lock = threading.RLock()
        """Held while a service is called, so a request's effect is atomic."""
        self.hosts: dict[str, Service] = {}
        """Services by host name, in lower case. The loopback address stands for plain HTTP to the port itself."""
        self.faults = Faults()
        self.exchanges: list[Exchange] = []
        self.refused: list[str] = []
        """Hosts that a client asked for and nobody serves."""
        self.before_effect: list[Callable[[Exchange], None]] = []
        self.after_effect: list[Callable[[Exchange], None]] = []
        """Called when a request has taken effect and nothing has been answered yet."""
        self.after_response: list[Callable[[Exchange], None]] = []
        self.authority = trustme.CA(organization_name="Simulated Azure")
        self.closing = threading.Event()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._connections: dict[int, socket.socket] = {}
        self._quiet = threading.Condition()
        self._errors: list[BaseException] = []
        self._numbers = 0

    @property
    def port(self) -> int:
        """Where the server listens on 127.0.0.1."""
        return self.server_port

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True, name="simulated-azure").start()

    def stop(self) -> None:
        """Cut all connections and stop. Raises what went wrong inside the simulator, so no test can miss it."""
        self.closing.set()
        self.shutdown()
        with self._quiet:
            for connection in self._connections.values():
                try:
                    # Not SSLSocket's own method, which would pull the TLS state from under the thread that reads.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
                except OSError:
                    continue  # The client was faster.
            self._quiet.wait_for(lambda: not self._connections, timeout=5.0)
        self.server_close()
        if self._errors:
            raise BaseExceptionGroup("the simulator failed", self._errors)

    def tls_context(self, host: str) -> ssl.SSLContext:
        """A server context whose certificate names the host."""
        with self.lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def next_number(self) -> int:
        """A new exchange's number, from 1."""
        with self.lock:
            self._numbers += 1
            return self._numbers

    def hold(self, simulated_seconds: float, connection: socket.socket) -> None:
        """Let a request wait for simulated time, or less when the server is closing."""
        self.clock.hold(simulated_seconds, lambda: not self.closing.is_set() and _is_there(connection))

    def keep(self, connection: socket.socket) -> None:
        """Remember this thread's open connection, for `stop` to cut."""
        with self._quiet:
            self._connections[threading.get_ident()] = connection

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's signature
        """Keep errors of the simulator's own; a client that hangs up is not one."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self._errors.append(error)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Forget a connection that has been served to its end, or to an error that is on record by now."""
        super().shutdown_request(request)
        with self._quiet:
            self._connections.pop(threading.get_ident(), None)
            self._quiet.notify_all()


class _Handler(BaseHTTPRequestHandler):
    """One client connection: plain at first, and TLS for one host after a CONNECT."""

    protocol_version = "HTTP/1.1"
    server: Server
    _host: str | None = None

    def setup(self) -> None:
        super().setup()
        # Small answers must not wait for the client's delayed acknowledgement.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.keep(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            # The TLS socket took over the plain one's descriptor, so socketserver cannot close it.
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent: `Server.exchanges` is the log."""

    def do_CONNECT(self) -> None:
        """Become the host that the client wants to talk to."""
        host = self.path.rpartition(":")[0].lower()
        if self._host is not None or not self.path.endswith(":443") or host not in self.server.hosts:
            self._refuse(host)
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self.wfile.flush()
        self.connection = self.server.tls_context(host).wrap_socket(self.connection, server_side=True)
        self.server.keep(self.connection)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self._host = host
        self.close_connection = False

    def _serve(self) -> None:
        with self.server.clock.work(f"{self.command} {self._host or ''}{self.path.partition('?')[0]}"):
            self._serve_one()

    def _serve_one(self) -> None:
        host = self._host or "127.0.0.1"
        service = self.server.hosts.get(host)
        named = self.headers.get("Host", "").lower().removesuffix(":443")
        expected = host if self._host else f"127.0.0.1:{self.server.port}"
        if self._host and service is None:
            self._cut()  # The host went away since the CONNECT: a deleted vault's name resolves no more.
            return
        if named != expected or not self.path.startswith("/") or service is None:
            self._refuse(named)
            return
        if "Transfer-Encoding" in self.headers:
            self._send(Response("Length Required", 411))
            return
        request, exchange = self._read(host)
        if latency := self.server.faults.latency_of(host):
            self.server.hold(latency, self.connection)
        fault = self.server.faults.take(exchange.method, host, exchange.path, exchange.at.timestamp())
        exchange = replace(exchange, fault=fault.kind if fault else None)
        if fault and fault.kind is FaultKind.DELAY:
            self.server.hold(fault.seconds, self.connection)
        if fault and fault.kind in {FaultKind.ANSWER, FaultKind.HANG, FaultKind.RESET}:
            self._fail_before(fault, exchange)
            return
        _call(self.server.before_effect, exchange)
        with self.server.lock:
            response = service(request)
            exchange = self._record(exchange, response)
        _call(self.server.after_effect, exchange)
        self._answer(response, fault)
        _call(self.server.after_response, exchange)

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_MERGE = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _read(self, host: str) -> tuple[Request, Exchange]:
        if hasattr(socket, "TCP_QUICKACK"):
            # A client behind a proxy sends its body only when its headers are acknowledged, which may take 40 ms.
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit("//" + host + self.path)
        exchange = Exchange(
            self.server.next_number(),
            self.server.clock.now(),
            self.command,
            host,
            unquote(url.path),
            visible_query(url.query),
            visible_headers(self.headers.items()),
            body,
        )
        return as_request(self, host, None if self._host else self.server.port, body), exchange

    def _record(self, exchange: Exchange, response: Response | None) -> Exchange:
        if response is not None:
            # Plain HTTP is the identity endpoint, whose answers are tokens.
            body = response.get_data() if self._host else b""
            headers, body = visible_answer(exchange.path, response.headers.items(), body)
            exchange = replace(exchange, status=response.status_code, response_headers=headers, response_body=body)
        with self.server.lock:
            self.server.exchanges.append(exchange)
        return exchange

    def _fail_before(self, fault: Fault, exchange: Exchange) -> None:
        if fault.kind is FaultKind.ANSWER:
            headers = {name: value for name, value in fault.headers.items() if value is not None}
            response = Response(fault.body, fault.status, headers, content_type="application/json")
            self._record(exchange, response)
            self._send(response)
            return
        self._record(exchange, None)
        if fault.kind is FaultKind.HANG:
            self.server.hold(fault.seconds, self.connection)
        self._cut()

    def _answer(self, response: Response, fault: Fault | None) -> None:
        match fault.kind if fault else None:
            case FaultKind.RESET_AFTER:
                self._cut()
                return
            case FaultKind.HANG_AFTER if fault:
                self.server.hold(fault.seconds, self.connection)
                self._cut()
                return
            case FaultKind.TRUNCATED_BODY:
                self._send(response, sent_share=0.5)
                self._cut()
                return
            case FaultKind.DRIP if fault:
                self._drip(response, fault.seconds)
                return
            case FaultKind.EMPTY_BODY:
                response.set_data(b"")
            case FaultKind.REPLACED_BODY if fault:
                response.set_data(fault.body)
            case FaultKind.REPLACED_HEADERS if fault:
                for name, value in fault.headers.items():
                    response.headers.pop(name, None)
                    if value is not None:
                        response.headers[name] = value
            case _:
                pass
        self._send(response)

    def _send(self, response: Response, sent_share: float = 1.0) -> None:
        body = response.get_data()
        self.send_response_only(response.status_code)
        for name, value in response.headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        if response.status_code not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: int(len(body) * sent_share)])
        self.wfile.flush()

    def _drip(self, response: Response, seconds: float) -> None:
        """Send an answer so that the client receives one byte at a time, and for so long, if at all, that it gives up."""
        answer = io.BytesIO()
        connection, self.wfile = self.wfile, answer
        self._send(response)
        self.wfile = connection
        whole = answer.getvalue()
        for byte in whole[: len(whole) // 2] if seconds else whole:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
        if seconds:
            self.server.hold(seconds, self.connection)
            self._cut()

    def _refuse(self, host: str) -> None:
        with self.server.lock:
            self.server.refused.append(host)
        self.close_connection = True
        self._send(Response("nothing here serves that host", 403))

    def _cut(self) -> None:
        """Reset the connection, as a crashed server or a dropped NAT entry does."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _call(hooks: list[Callable[[Exchange], None]], exchange: Exchange) -> None:
    for hook in list(hooks):
        hook(exchange)


def _is_there(client: socket.socket) -> bool:
    """Whether a client that waits for an answer has not hung up."""
    try:
        # Not SSLSocket's own method: what is still encrypted is enough.
        return socket.socket.recv(client, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
