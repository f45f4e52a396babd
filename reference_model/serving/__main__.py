"""`python -m reference_model.serving --folder MODEL_FOLDER`: prints its URL, then serves until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import torch

from reference_model.checkpoint.configs import read_sampling
from reference_model.checkpoint.layout import ModelFolder
from reference_model.checkpoint.load import load_text_encoder, load_vae, weight_dtype
from reference_model.errors import ReferenceModelError
from reference_model.packaged import packaged_folder
from reference_model.serving.access import TOKEN_VARIABLE
from reference_model.serving.limits import Limits
from reference_model.serving.server import ModelServer
from reference_model.serving.service import ModelService

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PARTS = ("text", "vae")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until a signal. Returns 0 after that, 2 if it could not start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        limits = Limits(max_body_bytes=options.max_body_mib * 2**20, max_waiting=options.max_waiting)
        folder = _model_folder(options.folder, options.preset)
        token = os.environ.get(options.token_env) or None
        server = ModelServer(options.host, options.port, token=token, limits=limits)
    except (ReferenceModelError, OSError, OverflowError) as error:
        return _failed(error)
    with server:
        try:
            where = {"device": options.device, "dtype": _dtype(options.dtype, folder)}
            service = ModelService(
                text_encoder=load_text_encoder(folder, **where) if "text" in options.parts else None,
                vae=load_vae(folder, **where) if "vae" in options.parts else None,
                limits=limits,
            )
            server.listen(service)
        except (ReferenceModelError, OSError, RuntimeError) as error:
            return _failed(error)
        _shut_down_on_signal(server)
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.1)
    service.close()
    return 0


def _dtype(asked: str | None, folder: Path) -> torch.dtype | None:
    # A folder that holds only the served parts has no settings of sampling.
    if asked is not None or not ModelFolder(folder).sampling.is_file():
        return None if asked is None else DTYPES[asked]
    return weight_dtype(read_sampling(ModelFolder(folder)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reference_model.serving", description="Serves text encoders and VAE over HTTP."
    )
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--folder", type=Path, help="model folder in the layout of the release")
    model.add_argument("--preset", help="model whose weights come with the package, such as tiny")
    parser.add_argument("--parts", type=_parts, default=PARTS, help="what to serve: text, vae (default: text,vae)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument(
        "--token-env",
        default=TOKEN_VARIABLE,
        help="environment variable with the token of requests; needed beyond loopback (default: %(default)s)",
    )
    parser.add_argument("--device", default=None, help="where models run, such as cuda:1 (default: the CPU)")
    parser.add_argument(
        "--dtype", choices=sorted(DTYPES), help="what weights are cast to (default: as sampling.json says, or on disk)"
    )
    parser.add_argument("--max-body-mib", type=int, default=256, help="largest body (default: %(default)s MiB)")
    parser.add_argument("--max-waiting", type=int, default=16, help="requests that may wait (default: %(default)s)")
    return parser


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if not set(parts) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"parts are {' and '.join(PARTS)}, got {text!r}")
    return parts


def _model_folder(folder: Path | None, preset: str | None) -> Path:
    if folder is not None:
        return folder
    return packaged_folder(str(preset))


def _failed(error: Exception) -> int:
    sys.stderr.write(f"error: {error}\n")
    return 2


def _shut_down_on_signal(server: ModelServer) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        # A second signal ends the process at once. `shutdown` waits for the loop that this very thread runs.
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)
        threading.Thread(target=server.shutdown, name="shutdown").start()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)


if __name__ == "__main__":
    sys.exit(main())
