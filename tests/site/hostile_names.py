"""Names that must come out on every page exactly as they went in."""

EVIL = "<img src=x onerror=alert(1)>\"' {{ 7 * 7 }}"
