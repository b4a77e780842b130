"""Edits of what lies behind the subject that set in softly some way off it.

The subject's mask may lack an ear or a paw. An edit that begins at its outline would show the gap; one that grows with
the distance from it reads as light or air, and leaves what was missed alone.
"""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.grades import GRADES, grade
from ditto_models.embedded.looks.picture import Look, Picture, Plane, blend, from_lab, mix, ramp

CLEAR_SHARE, FULL_SHARE = 0.035, 0.17
"""Distances from the subject, as shares of the width, at which an edit begins and is whole."""


def around(look: Look) -> Look:
    """A look for the whole picture, done to what lies some way off the subject."""

    def look_around(picture: Picture) -> Frame:
        return blend(picture.frame, look(picture), far_from(picture))

    return look_around


def grade_around(picture: Picture) -> Frame:
    """What is behind in one of the GRADES: parameters["grade"] is its name.

    Raises:
        ValueError: there is no such grade.
    """
    name = str(picture.parameters.get("grade", ""))
    if name not in GRADES:
        raise ValueError(f"grade {name!r}: expected one of {', '.join(GRADES)}")
    return around(grade(name))(picture)


def dim_around(picture: Picture) -> Frame:
    """A pool of light about the subject. parameters["depth"], 0..1: how dark the rest becomes."""
    far = far_from(picture) * picture.strength * picture.number("depth")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    return from_lab(
        np.asarray(lightness * (1 - 0.92 * far), np.float32), redness * (1 - 0.5 * far), warmth * (1 - 0.5 * far)
    )


def wash_around(picture: Picture) -> Frame:
    """Coloured light on what is behind: parameters["colour"]."""
    target, red, yellow = picture.colour("colour")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    amount = far_from(picture) * min(1.0, 1.15 * picture.strength)
    depth = ramp(lightness, -5, 45) * (1 - 0.5 * ramp(lightness, 80, 104))
    shifted = lightness + 0.25 * (target - 55) * amount * ramp(lightness, 0, 40)
    return from_lab(shifted, mix(redness, red * depth, 0.8 * amount), mix(warmth, yellow * depth, 0.8 * amount))


def bright_around(picture: Picture) -> Frame:
    """What is behind overexposed, as by strong light from there."""
    amount = far_from(picture) * picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    part = np.clip(lightness / 100, 0, 1)
    opened = 100 * part ** (1 - 0.62 * amount) + 10 * amount * (1 - part)
    return from_lab(np.asarray(opened, np.float32), redness * (1 - 0.35 * amount), warmth * (1 - 0.35 * amount))


def haze_around(picture: Picture) -> Frame:
    """A veil of parameters["colour"] behind the subject."""
    pale, red, yellow = picture.colour("colour")
    veil = far_from(picture) * 0.78 * picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    return from_lab(mix(lightness, pale, veil), mix(redness, red, veil), mix(warmth, yellow, veil))


def blur_around(picture: Picture) -> Frame:
    """What is behind out of focus. parameters["sigma"]: pixels of a picture 640 across."""
    sigma = picture.number("sigma") * picture.mask.shape[1] / 640
    behind = np.asarray(1 - ramp(picture.mask, 0.0, 0.5), np.float32)
    # The subject's own colours must not bleed into what is blurred beside it.
    weight = np.asarray(cv2.GaussianBlur(behind, (0, 0), sigma) + 1e-3, np.float32)
    linear = picture.rgb**2.2
    blurred = cv2.GaussianBlur(linear * behind[..., None], (0, 0), sigma) / weight[..., None]
    soft = (np.clip(blurred, 0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8)
    return blend(picture.frame, soft, np.asarray(far_from(picture) * min(1.0, 1.25 * picture.strength), np.float32))


def far_from(picture: Picture) -> Plane:
    """0 on the subject and close to it, 1 well away, HW."""
    width = picture.mask.shape[1]
    outside = (picture.mask < 0.5).astype(np.uint8)
    if outside.all():
        return np.ones(picture.mask.shape, np.float32)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 5)
    smooth = cv2.GaussianBlur(distance, (0, 0), width * 0.012)
    far = ramp(np.asarray(smooth, np.float32), CLEAR_SHARE * width, FULL_SHARE * width)
    return np.asarray(far * (1 - picture.mask), np.float32)
