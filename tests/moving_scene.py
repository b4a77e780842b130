"""A small scene that moves: a textured disc crosses a textured background that pans, with its masks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ditto_models.base import Frame, Frames, Masks


@dataclass(frozen=True, kw_only=True)
class Scene:
    frames: Frames
    masks: Masks


def moving_scene(num_frames: int = 13, height: int = 96, width: int = 160) -> Scene:
    background = _texture(height, width * 2, (110, 140, 90), seed=1)
    disc = _texture(height, width, (200, 90, 60), seed=2)
    frames, masks = [], []
    for index in range(num_frames):
        mask = np.zeros((height, width), np.uint8)
        cv2.circle(mask, (45 + 3 * index, height // 2 + index), 22, 255, -1, cv2.LINE_AA)
        soft = cv2.GaussianBlur(mask, (0, 0), 1.0).astype(np.float32)[..., None] / 255
        moved = np.roll(disc, (index, 3 * index), axis=(0, 1))
        frames.append(np.rint(background[:, index : index + width] * (1 - soft) + moved * soft).astype(np.uint8))
        masks.append(soft[..., 0])
    return Scene(frames=np.stack(frames), masks=np.stack(masks))


def darker_and_bluer(frame: Frame) -> Frame:
    return np.asarray(np.clip(frame * np.array([0.5, 0.6, 0.95]), 0, 255), dtype=np.uint8)


def _texture(height: int, width: int, colour: tuple[int, int, int], seed: int) -> Frame:
    noise = np.random.default_rng(seed).normal(0, 1, (height, width)).astype(np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), 2.0)
    levels = np.array(colour, dtype=np.float32) + 35 * (grain / grain.std())[..., None]
    return np.asarray(np.clip(levels, 8, 247), dtype=np.uint8)
