"""Classes from prompts: the text tower of a CLIP beside its image tower, by open_clip.

The image tower is timm's; the text tower comes from the files that the same repository of the hub
has in open_clip's format. That the two belong together is measured: open_clip's own image tower
must give what timm's gives.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tickle_core.errors import TickleError
from tickle_core.models.zoo import weight_files

FILES = ("open_clip_config.json", "open_clip_model.safetensors")
LEAST_COSINE = 0.99  # between what the two libraries give for an image; rounding leaves 0.9999


def read_prompts(file: str) -> dict[str, list[str]]:
    """Prompts by class: a YAML file in data/checkpoints, `cat: [a photo of a cat, a cat]`.

    Raises
    ------
    TickleError
        If it is missing or says something else, or if open_clip is not installed.
    """
    if find_spec("open_clip") is None:
        raise TickleError(
            "model.head is zero_shot, which needs open_clip: "
            "pip install -c requirements.lock -e '.[clip]'"
        )
    path = weight_files.GIVEN / file
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise TickleError(f"model.prompts: {path} cannot be read ({reason})") from None
    prompts = {}
    for name, each in values.items() if isinstance(values, dict) else ():
        prompts[str(name)] = [each] if isinstance(each, str) else each
    if len(prompts) < 2 or not all(_are_texts(each) for each in prompts.values()):
        raise TickleError(
            f"{path} should name at least two classes, each with a prompt or a list of them: "
            "`cat: a photo of a cat`"
        )
    return prompts


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(x, str) for x in values)


def class_vectors(
    hub_id: str, prompts: Mapping[str, Sequence[str]]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """How to make the weights of a zero-shot classifier (Radford et al. 2021, arXiv:2103.00020).

    Parameters
    ----------
    hub_id
        Repository with the files in open_clip's format, which are looked for in
        data/checkpoints/<its last part> before they are downloaded.
    prompts
        By class, of each one or more.

    Returns
    -------
    callable
        From preprocessed images (N, C, H, W) and the unit vectors (N, d) that timm's image tower
        gives for them to (classes, d): for each class the mean of its prompts' unit vectors,
        scaled to unit norm, times the model's own scale. It raises TickleError if files are
        missing, or are not those of this image tower.
    """

    def make(images: torch.Tensor, ours: torch.Tensor) -> torch.Tensor:
        import open_clip

        folder = _folder(hub_id)
        try:
            model = open_clip.create_model(f"local-dir:{folder}").eval()
            tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
            with torch.inference_mode():
                theirs = F.normalize(model.encode_image(images))
                vectors = torch.stack(
                    [
                        F.normalize(model.encode_text(tokenize(list(each)))).mean(0)
                        for each in prompts.values()
                    ]
                )
                scale = model.logit_scale.exp()
        except Exception as error:  # each tower and tokenizer has complaints of its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise TickleError(f"{folder} cannot be used by open_clip ({reason})") from None
        alike = float((ours * theirs).sum(1).min())
        if alike < LEAST_COSINE:
            raise TickleError(
                f"{folder} is not of the model's image tower: open_clip gives embeddings whose "
                f"cosine with the model's is {alike:.2f}; choose the model's variant as it was "
                "trained (QuickGELU)"
            )
        return F.normalize(vectors) * scale

    return make


def _folder(hub_id: str) -> Path:
    from huggingface_hub import hf_hub_url

    name = hub_id.split("/")[-1]
    places = {
        weight_files.obtain(f"{name}/{file}", hf_hub_url(hub_id, file)).parent for file in FILES
    }
    if len(places) > 1:
        raise TickleError(f"{weight_files.GIVEN / name} should hold both {' and '.join(FILES)}")
    return places.pop()
