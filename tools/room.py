"""Serve the built book to the devices in a room: an address and a QR code on the screen, read-only, until Ctrl-C.

Everybody in the same network can read the book while this runs, and nothing else: only files of the built book are
given out, none is taken in, and no folder is listed.
"""

from __future__ import annotations

import io
import ipaddress
import socket
from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import segno

SIGN = "/room"  # the page with the address, for the projector
PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>The book in this room</title>
<style>
body {{ font: 32px/1.4 system-ui, sans-serif; text-align: center; margin: 4vh 4vw; color: #000; background: #fff; }}
svg {{ width: min(60vh, 80vw); height: auto; }}
.address {{ font: 700 44px ui-monospace, monospace; overflow-wrap: anywhere; }}
</style></head>
<body><h1>The book, on your own device</h1>{code}<p class="address">{address}</p>
<p>In the same network as this computer, until the end of the lesson.</p></body></html>
"""


class ReadOnly(SimpleHTTPRequestHandler):
    """Gives out the files of one folder, and the sign; follows no link out of it, and lists nothing."""

    def do_GET(self):
        """Answer with a file, or with the sign."""
        if self.path == SIGN:
            self._say(sign(f"http://{self.headers.get('Host', '')}/"))
        elif self._is_inside():
            super().do_GET()
        else:
            self.send_error(404)

    def do_HEAD(self):
        """Answer as for a file, without it."""
        super().do_HEAD() if self._is_inside() else self.send_error(404)

    def _is_inside(self) -> bool:
        folder = Path(self.directory).resolve()
        return Path(self.translate_path(unquote(self.path))).resolve().is_relative_to(folder)

    def _say(self, text: str) -> None:
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def list_directory(self, path):
        """List nothing."""
        self.send_error(404)

    def log_message(self, *args):
        """Say nothing of who reads what."""


def own_address() -> str:
    """Return the address under which others in the network reach this computer, or that of this computer alone.

    No packet is sent: connecting a datagram socket only asks the system which way it would take.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is nobody's, RFC 5737
            return probe.getsockname()[0]
        except OSError:  # no network at all
            return "127.0.0.1"


def is_reachable(address: str) -> bool:
    """Return whether others can reach an address, as far as it can be told from here."""
    return not ipaddress.ip_address(address).is_loopback


def sign(address: str) -> str:
    """Return the page for the projector."""
    drawn = io.BytesIO()
    segno.make(address, error="m").save(drawn, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True)
    return PAGE.format(code=drawn.getvalue().decode(), address=escape(address))


def server(folder: Path, host: str = "", port: int = 0) -> ThreadingHTTPServer:
    """Return a server of a folder on all addresses of this computer."""
    return ThreadingHTTPServer((host, port), partial(ReadOnly, directory=str(folder)))


def in_terminal(address: str) -> str:
    """Return the QR code of an address in characters, for a terminal."""
    drawn = io.StringIO()
    segno.make(address, error="m").terminal(drawn, compact=True)
    return drawn.getvalue()
