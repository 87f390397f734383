"""Convolution with kernels as long as the sequence, by the fast Fourier transform."""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor

Signal = Float[Tensor, "*batch channels length"]
"""One signal per channel."""

Kernels = Float[Tensor, "directions channels length"]
"""Weight of an input in a later output, by distance. The second direction, if any, is for earlier outputs."""


def single_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which operations on ``device`` are in the precision of their inputs."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def long_convolution(signal: Signal, kernels: Kernels) -> Signal:
    """Convolve each channel with its kernel, in float32 and in time proportional to length x log(length).

    With one direction, output t is the sum of ``kernels[0, :, t - s] * signal[s]`` over all s up to t. With two, the
    sum also contains ``kernels[1, :, s - t - 1] * signal[s]`` of all s after t.
    """
    length = signal.shape[-1]
    kernel = torch.nn.functional.pad(kernels[0], (0, length))  # twice the length: the transform is periodic
    if len(kernels) > 1:
        kernel = kernel + torch.nn.functional.pad(kernels[1].flip(-1), (length, 0))
    # The transform has no half precision on the CPU, and on CUDA only for powers of two.
    spectrum = torch.fft.rfft(signal.float(), n=2 * length) * torch.fft.rfft(kernel)
    return torch.fft.irfft(spectrum, n=2 * length)[..., :length]
