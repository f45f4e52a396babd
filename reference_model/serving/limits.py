"""How much one request, and all requests together, may ask of a server."""

from __future__ import annotations

from dataclasses import dataclass, fields

from reference_model.serving.errors import ServingError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds that hold before a model is asked. The defaults let the released model's largest chunks through.

    Attributes:
        max_body_bytes: Of one request. Requests under way hold at most `1 + max_waiting` bodies.
        max_prompts: Of one request.
        max_prompt_characters: Of one prompt.
        max_pixels: Batch x frames x height x width of one request, on the pixel side of the VAE.
        max_frame_pixels: Height x width; the attention of the VAE is quadratic in it.
        max_waiting: Requests that may wait while one is at work; those beyond it are told to come back.
        max_connections: Open connections; those beyond it are closed.
        timeout_seconds: For the headers of a request, and for starting its body and its answer.
        min_bytes_per_second: Rate below which a body or an answer is given up, once `timeout_seconds` are over.
    """

    max_body_bytes: int = 256 * 2**20
    max_prompts: int = 64
    max_prompt_characters: int = 4096
    max_pixels: int = 2**25
    max_frame_pixels: int = 2**20
    max_waiting: int = 16
    max_connections: int = 64
    timeout_seconds: float = 20.0
    min_bytes_per_second: int = 2**20

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0 or (value == 0 and field.name != "max_waiting"):
                raise ServingError(f"limit {field.name} must be above 0, got {value}")

    @property
    def max_text_bytes(self) -> int:
        """Body that the longest prompts fit in, even with every character escaped in JSON (12 bytes each)."""
        return min(self.max_body_bytes, 1024 + self.max_prompts * (12 * self.max_prompt_characters + 8))

    def seconds_for(self, num_bytes: int) -> float:
        """Time that a transfer may take."""
        return self.timeout_seconds + num_bytes / self.min_bytes_per_second
