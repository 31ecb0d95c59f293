"""torch-lucent: its `render_vis` with its own defaults, one channel after the other.

Everything as lucent has it: Fourier picture with decorrelated colours, Adam at 0.05, its standard
transforms, a hook on every module, the whole network, weights not frozen. Only the normalisation,
which lucent knows for torchvision's models alone, is the model's.
"""

import json
import sys
import time

import numpy as np
import timm
import torch
from lucent.optvis import objectives, param, render, transform
from safetensors.torch import load_file
from torchvision.transforms import Normalize


def main() -> None:
    """Make the pictures of a task, then report the seconds of each and lucent's colours."""
    task = json.loads(sys.argv[1])
    torch.set_num_threads(task["threads"])
    render_channel(task, network(task), task["channels"][0], steps=1)  # warm-up
    model = network(task)
    pictures, seconds = [], []
    for channel in task["channels"]:
        started = time.perf_counter()
        pictures.append(render_channel(task, model, channel, task["steps"]))
        seconds.append(time.perf_counter() - started)
    np.save(task["pictures"], np.concatenate(pictures))
    print(json.dumps({"seconds": seconds, "colors": param.color_correlation_normalized.tolist()}))


def network(task: dict) -> torch.nn.Module:
    """The network in evaluation mode, in the memory format that is the faster one on a CPU."""
    model = timm.create_model(task["network"])
    model.load_state_dict(load_file(task["weights"]))
    return model.eval().to(memory_format=torch.channels_last)


def render_channel(task: dict, model: torch.nn.Module, channel: int, steps: int) -> np.ndarray:
    """One picture (1, h, w, 3) in [0, 1]."""
    np.random.seed(channel)
    torch.manual_seed(channel)
    (picture,) = render.render_vis(
        model,
        objectives.channel(task["layer"].replace(".", "_"), channel),
        lambda: param.image(task["side"]),
        transforms=[*transform.standard_transforms, Normalize(task["mean"], task["std"])],
        preprocess=False,
        thresholds=(steps,),
        progress=False,
        show_image=False,
    )
    return picture


if __name__ == "__main__":
    main()
