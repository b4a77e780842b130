"""What transformers' SAM 3 takes from a hub's compiled kernels, in plain code: no code is fetched.

Without them it neither drops detections that repeat another, nor closes pinholes; with the package `kernels` installed
it would download and run them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ditto_models.torchvision_cpu import declare_operators

if TYPE_CHECKING:
    import torch


def put_in_place() -> None:
    """Let transformers' SAM 3 call these, and look for no others."""
    declare_operators()
    import transformers.models.sam3_video.modeling_sam3_video as modeling

    modeling.cv_utils_kernel = PlainKernels


class PlainKernels:
    """By the names that transformers calls."""

    @staticmethod
    def generic_nms(
        overlaps_NN: torch.Tensor, scores_N: torch.Tensor, limit: float, use_iou_matrix: bool = True
    ) -> torch.Tensor:
        """Places of the detections to keep, best first: none overlaps a better one by more than the limit."""
        import torch

        overlaps = overlaps_NN.float().cpu().numpy()
        kept: list[int] = []
        for place in torch.argsort(scores_N, descending=True, stable=True).tolist():
            if all(overlaps[place, better] <= limit for better in kept):
                kept.append(place)
        return torch.tensor(kept, dtype=torch.long, device=scores_N.device)

    @staticmethod
    def cc_2d(masks_N1HW: torch.Tensor, get_counts: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Each pixel's connected region and the size of that region in pixels; both 0 outside the mask."""
        import torch

        labels, counts = [], []
        for mask in masks_N1HW[:, 0].cpu().numpy().astype(np.uint8):
            _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
            sizes = statistics[:, cv2.CC_STAT_AREA].astype(np.int32)
            sizes[0] = 0
            labels.append(parts)
            counts.append(sizes[parts])
        device = masks_N1HW.device
        stacked = (torch.from_numpy(np.stack(found))[:, None].to(device) for found in (labels, counts))
        labels_N1HW, counts_N1HW = stacked
        return labels_N1HW, counts_N1HW
