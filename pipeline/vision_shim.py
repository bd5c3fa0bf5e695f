"""Makes ``import torchvision`` work beside a torch without its operators (pytorch/vision issues 9077, 9085)."""

import torch

_libraries: list[torch.library.Library] = []  # a library's declarations vanish with it
_MISSING = "operator torchvision::nms does not exist"
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def ensure_torchvision() -> None:
    """Import torchvision; where its operators are missing, declare the two that it registers without a guard.

    Does nothing on a good install. Transforms then work; operators that need the kernels still raise their own error.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(name + _SIGNATURE)
        _libraries.append(library)
        import torchvision  # noqa: F401
