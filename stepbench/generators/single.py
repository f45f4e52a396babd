"""One clip from one text, outside any run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from stepbench.errors import IncompleteError, Refused, StepbenchError, UsageError
from stepbench.generators.protocol import Generator
from stepbench.records import Prompt, Request, Settings
from stepbench.runs.clip_origin import origin_text
from stepbench.runs.journal import saving
from stepbench.runs.store_clip import open_clip, write_frames
from stepbench.video import VideoError, master_writer, preview_writer

WRITERS = {".mkv": master_writer, ".mp4": preview_writer}


def generate_clip(
    generator: Generator, text: str, *, seed: int, settings: Settings, path: Path, timeout: float | None = None
) -> dict[str, Any]:
    """Generate one clip into `path` (`.mkv` lossless, `.mp4` H.264) and return what it is.

    Raises:
        UsageError: Empty text, negative seed, a setting the generator does not know, or another suffix.
        IncompleteError: The generator refused or failed, or the file cannot be written.
    """
    if not text.strip() or seed < 0:
        raise UsageError(f"need a text and a seed from 0 up, got {text!r} and {seed}", hint="put the prompt in quotes")
    if path.suffix not in WRITERS:
        raise UsageError(f"cannot write {path.name}", hint=f"end the name in {' or '.join(WRITERS)}")
    prompt = Prompt(id="prompt", text=text, language="und", category="")
    resolved = generator.resolve(prompt, seed, {**generator.card.defaults, **settings})
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=".tmp-")).absolute()
    try:
        request = Request(
            prompt_id=prompt.id, text=text, seed=seed, settings=resolved, output_dir=scratch, timeout=timeout
        )
        chunks, fps = open_clip(generator.generate(request))
        origin = origin_text(generator.card, text, resolved, seed=seed)
        size = write_frames(chunks, [WRITERS[path.suffix](path, fps, comment=origin)], path)
    except Refused as refusal:
        raise IncompleteError(f"{generator.card.name} refused: {refusal}", hint="change the prompt") from refusal
    except VideoError as error:
        raise IncompleteError(f"{generator.card.name} made no usable clip: {error.message}") from error
    except StepbenchError:
        raise
    except Exception as error:
        raise IncompleteError(f"{generator.card.name} failed: {type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {
        "path": str(path),
        "frames": size.frames,
        "height": size.height,
        "width": size.width,
        "fps": fps,
        "seed": seed,
        "settings": resolved,
        "generator": generator.card.name,
    }
