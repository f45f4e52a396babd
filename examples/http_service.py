"""A model behind HTTP, as `-M http:http://127.0.0.1:8000/generate` asks for it: put your model into `make_video`.

python examples/http_service.py [PORT]
"""

import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from stepbench.video import write_preview

ONE_AT_A_TIME = threading.Lock()
CARD = {"name": "grey-noise", "revision": "1", "licence": "CC0-1.0"}


def make_video(prompt: str, negative_prompt: str, seed: int, settings: dict) -> bytes:
    """Stands in for your model: grey noise. Frames are uint8 RGB (time, 3, height, width)."""
    size = (settings.get("frames", 16), 1, settings.get("height", 64), settings.get("width", 64))
    frames = np.random.default_rng([seed, *prompt.encode()]).integers(0, 256, size, np.uint8).repeat(3, axis=1)
    with tempfile.TemporaryDirectory() as folder:
        write_preview(Path(folder) / "clip.mp4", frames, settings.get("fps", 8))
        return (Path(folder) / "clip.mp4").read_bytes()


class Service(BaseHTTPRequestHandler):
    """GET says which model this is, POST makes a video or declines."""

    def do_GET(self) -> None:
        """The card."""
        self.answer(200, "application/json", json.dumps(CARD).encode())

    def do_POST(self) -> None:
        """One video."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "secret" in asked["prompt"]:
            self.answer(422, "application/json", json.dumps({"reason": "no secrets"}).encode())
            return
        try:
            with ONE_AT_A_TIME:
                video = make_video(**asked)
        except (TypeError, ValueError) as error:
            self.answer(400, "text/plain", str(error).encode())
        else:
            self.answer(200, "video/mp4", video)

    def answer(self, status: int, kind: str, body: bytes) -> None:
        """Send it, and with it which version made it."""
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "X-Model-Revision": CARD["revision"]}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Service).serve_forever()
