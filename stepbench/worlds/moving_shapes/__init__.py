"""Procedural clips of coloured shapes, with captions in English and Chinese, ground truth, and a checker.

scene = sample_scene(1, np.random.default_rng(0), split="train")
frames = render(scene, seed=0)                  # uint8 (17, 3, 64, 64)
text = caption(scene, "zh", template=1)         # parse_caption(text) == scene
check_clip(frames, scene.to_json())             # {"colour": True, "shape": True, ...}
"""

from stepbench.worlds.moving_shapes.captions import CaptionError, caption, parse_caption
from stepbench.worlds.moving_shapes.checker import attributes_of, check_clip
from stepbench.worlds.moving_shapes.measure import measure_clip
from stepbench.worlds.moving_shapes.render import render, scene_rng
from stepbench.worlds.moving_shapes.sampling import sample_scene, split_of
from stepbench.worlds.moving_shapes.scene import WORLD_VERSION, Scene, SceneError, ShapeGroup

__all__ = [
    "WORLD_VERSION",
    "CaptionError",
    "Scene",
    "SceneError",
    "ShapeGroup",
    "attributes_of",
    "caption",
    "check_clip",
    "measure_clip",
    "parse_caption",
    "render",
    "sample_scene",
    "scene_rng",
    "split_of",
]
