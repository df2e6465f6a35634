"""A frame with what is known about it: outline and motion of the face, the last seconds, the last events."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from realtime.geometry import REGIONS
from realtime.types import F32, F64, U8, FrameRow, HeadPose
from realtime.view.colours import ORANGE, SKY, YELLOW, bgr
from realtime.view.contours import MESH_LINES
from realtime.view.names import CAUSES, words
from realtime.view.sidebar import draw_sidebar
from realtime.view.story import Scene
from realtime.view.strip import draw_strip
from realtime.view.text import put, width_of

SIDEBAR_PX = 270
STRIP_PX = 132
_LEAST_PX, _MOST_PX = (480, 400), (1280, 720)
"""Limits of the picture's width and height."""
FULL_PERCENT = 1.0
"""Motion that a patch is coloured fully for, percent of the eye distance."""
_ARROWS = 15.0
"""How many times longer than the motion its arrow is."""
_WHITE, _BLACK = (255, 255, 255), (20, 17, 16)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are on the canvas, pixels."""

    picture: tuple[int, int]
    """Width and height; it lies at the upper left."""

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height, both even, as films need it."""
        return self.picture[0] + SIDEBAR_PX, self.picture[1] + STRIP_PX


def layout_of(width: int, height: int) -> Layout:
    """The layout for frames of a size: enlarged or reduced to what a screen can show."""
    scale = min(_MOST_PX[0] / width, _MOST_PX[1] / height, max(1.0, _LEAST_PX[1] / height))
    even = [2 * max(round(side * scale / 2), 8) for side in (width, height)]
    return Layout((even[0], even[1]))


def draw(scene: Scene, layout: Layout) -> U8:
    """The canvas of a scene, BGR uint8 (height, width, 3), always of the layout's size."""
    width, height = layout.picture
    canvas = np.zeros((layout.canvas[1], layout.canvas[0], 3), np.uint8)
    _draw_picture(canvas[:height, :width], scene)
    _remark(canvas[:height, :width], scene.rows)
    draw_sidebar(canvas[:height, width:], scene)
    draw_strip(canvas[height:], scene)
    return canvas


def draw_picture(scene: Scene, size: tuple[int, int]) -> U8:
    """The frame alone with the outline and the motion of its faces, BGR uint8. `size`: width and height."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    _draw_picture(picture, scene)
    return picture


def _draw_picture(picture: U8, scene: Scene) -> None:
    height, width = picture.shape[:2]
    scale = min(width / scene.size[0], height / scene.size[1])
    shown = fitted(scene.image, (round(scene.size[0] * scale), round(scene.size[1] * scale)))
    picture[: shown.shape[0], : shown.shape[1]] = shown
    poses = {row.face_id: row for row in scene.rows if row.pose is not None}
    for outline in scene.outlines:
        _outline(picture, outline * scale, bool(scene.rows and scene.rows[0].unobservable))
    for row in poses.values():
        _patches(picture, row, scale)


def fitted(image: U8, size: tuple[int, int]) -> U8:
    """The image at a size (width, height)."""
    if size == (image.shape[1], image.shape[0]):
        return image
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)


def reduced(scene: Scene, size: tuple[int, int]) -> Scene:
    """A scene whose frame, where it is larger than it will be shown, has that size (width, height)."""
    return scene if size[0] >= scene.size[0] else replace(scene, image=fitted(scene.image, size))


def _outline(picture: U8, points: F32, hidden: bool) -> None:
    """The lines of the mesh; dotted where a micro-expression cannot be seen."""
    colour = bgr(YELLOW if hidden else SKY)
    lines = [np.round(points[list(line)] * 16).astype(np.int32) for line in MESH_LINES]
    if hidden:
        dots: list[list[int]] = np.concatenate(lines).tolist()
        for x, y in dots:
            cv2.circle(picture, (x // 16, y // 16), 1, colour, -1, cv2.LINE_AA)
        return
    cv2.polylines(picture, lines, True, colour, 1, cv2.LINE_AA, shift=4)


def _patches(picture: U8, row: FrameRow, scale: float) -> None:
    """Motion per region: a patch by its length, a line by its direction."""
    if row.motion is None or row.pose is None or row.skipped is not None:
        return
    unit = row.pose.eye_distance_px * scale
    spots: list[tuple[float, float]] = (_places(row.pose) * scale).tolist()
    regions = row.motion.regions.astype(np.float64)
    strengths = np.clip(np.hypot(regions[:, 0], regions[:, 1]) / FULL_PERCENT, 0.0, 1.0)
    cover = np.zeros(picture.shape[:2], np.uint8)
    for (x, y), region, strength in zip(spots, REGIONS, strengths, strict=True):
        if strength > 0.12:
            radius = round(region.sigma * unit)
            cv2.circle(cover, (round(x), round(y)), radius, (40.0 + 150.0 * strength,), -1, cv2.LINE_AA)
    _blend(picture, cover, bgr(ORANGE))
    along = _turned(regions, row.pose) * (_ARROWS * unit / 100.0)
    for (x, y), (dx, dy), strength in zip(spots, along, strengths, strict=True):
        if strength > 0.2:
            ends = [(round(px), round(py)) for px, py in ((x, y), (x + dx, y + dy))]
            cv2.arrowedLine(picture, ends[0], ends[1], _WHITE, 1, cv2.LINE_AA, tipLength=0.35)


def _blend(picture: U8, cover: U8, colour: tuple[int, int, int]) -> None:
    x, y, width, height = cv2.boundingRect(cover)
    if not width:
        return
    spot = picture[y : y + height, x : x + width]
    alpha = cover[y : y + height, x : x + width, None].astype(np.float32) / np.float32(255.0)
    spot[:] = (spot + alpha * (np.array(colour, np.float32) - spot)).astype(np.uint8)


def _places(pose: HeadPose) -> F64:
    """Centres of the regions in pixels of the frame, (17, 2)."""
    centres = np.array([(region.x, region.y) for region in REGIONS])
    placed: F64 = _turned(centres, pose) * pose.eye_distance_px + np.array([pose.x_px, pose.y_px])
    return placed


def _turned(vectors: F64, pose: HeadPose) -> F64:
    """Vectors in face units, turned as the head is."""
    angle = np.radians(pose.roll_deg)
    c, s = np.cos(angle), np.sin(angle)
    turned: F64 = vectors @ np.array([[c, s], [-s, c]])
    return turned


def _remark(picture: U8, rows: tuple[FrameRow, ...]) -> None:
    """Why nothing can be seen, on the picture itself."""
    causes = {row.unobservable for row in rows}
    if not rows or None in causes:
        return
    first = rows[0].unobservable or ""
    text = f"not observable: {CAUSES.get(first, words(first))}"
    cv2.rectangle(picture, (8, 8), (22 + width_of(text), 32), _BLACK, -1)
    put(picture, text, (15, 20), bgr(YELLOW))
