"""Local checkpoints: every format, and what is refused."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from tests.models.networks import Plain
from tickle_core.errors import TickleError
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo import registry
from tickle_core.params.model import Checkpoint

CPU = torch.device("cpu")


@pytest.fixture
def trained():
    torch.manual_seed(3)
    return Plain(num_classes=3).eval()


def opened(images, file, architecture="tests.models.networks:Plain", class_names=None):
    section = Checkpoint(
        source="checkpoint",
        file=file,
        architecture=architecture,
        class_names=class_names,
        mean=[0.5] * 3,
        std=[0.25] * 3,
    )
    return assemble(registry.describe(section, images), images, 0, CPU)


def prefixed(prefix):
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        dict,
        lambda state: {"state_dict": state, "epoch": 3, "best": 0.5},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": {"state_dict": state}},
        prefixed("module."),
        prefixed("_orig_mod."),
        prefixed("_orig_mod.module."),
        prefixed("module._orig_mod."),
        lambda state: {"state_dict": prefixed("model.")(state)},
    ],
)
def test_torch_files_however_nested(wrap, folder, trained, photographs):
    torch.save(wrap(trained.state_dict()), folder / "mine.pt")
    model = opened(photographs, "mine.pt")
    x = model.preprocess(photographs.read([0, 1]))
    torch.testing.assert_close(model.network(x), trained(x))
    assert model.card["architecture"]["arguments"] == {"num_classes": 3}
    assert model.card["classes_of_dataset"] == {"tench": 0, "Crane": 1, "a cat": 2}


@pytest.mark.parametrize("name", ["mine.safetensors", "sub folder/mine.safetensors"])
def test_safetensors(name, folder, trained, photographs):
    (folder / name).parent.mkdir(exist_ok=True)
    save_file(trained.state_dict(), folder / name)
    model = opened(photographs, name, class_names=["a_cat", "crane", "dog"])
    x = model.preprocess(photographs.read([0, 1]))
    torch.testing.assert_close(model.network(x), trained(x))
    assert model.card["classes_of_dataset"] == {"tench": None, "Crane": 1, "a cat": 0}


@pytest.mark.parametrize(
    "architecture", ["torchvision/shufflenet_v2_x0_5", "timm/test_efficientnet"]
)
def test_architectures_of_the_libraries(architecture, folder, photographs):
    import timm
    import torchvision

    library, name = architecture.split("/")
    create = timm.create_model if library == "timm" else torchvision.models.get_model
    trained = create(name, num_classes=3).eval()
    torch.save(trained.state_dict(), folder / "mine.pt")
    model = opened(photographs, "mine.pt", architecture)
    x = model.preprocess(photographs.read([0, 1]))
    torch.testing.assert_close(model.network(x), trained(x))


class Malicious:
    def __reduce__(self):
        return open, ("executed", "w")


@pytest.mark.parametrize(
    "save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))]
)
def test_a_pickle_that_would_run_code_is_refused_and_not_run(save, folder, trained, photographs):
    save({"state_dict": trained.state_dict(), "x": Malicious()}, folder / "mine.pt")
    with pytest.raises(TickleError) as refusal:
        opened(photographs, "mine.pt")
    assert "\n" not in str(refusal.value)
    assert "data/checkpoints/mine.pt" in str(refusal.value)
    assert not (folder.parent.parent / "executed").exists()


def test_a_whole_pickled_model_is_refused(folder, trained, photographs):
    torch.save(trained, folder / "mine.pt")
    with pytest.raises(TickleError, match=r"torch.save\(model.state_dict\(\)"):
        opened(photographs, "mine.pt")


@pytest.mark.parametrize("name", ["mine.pt", "mine.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x80", b"<html>not found</html>", b"PK\x03\x04" * 9])
def test_damaged_files_are_named(name, content, folder, photographs):
    (folder / name).write_bytes(content)
    with pytest.raises(TickleError, match=f"data/checkpoints/{name} cannot be read as weights"):
        opened(photographs, name)


def test_a_missing_file_is_named(folder, photographs):
    with pytest.raises(TickleError, match="data/checkpoints/mine.pt is missing"):
        opened(photographs, "mine.pt")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(1)], torch.zeros(3)])
def test_files_without_a_state_dict_are_refused(content, folder, photographs):
    torch.save(content, folder / "mine.pt")
    with pytest.raises(TickleError, match="holds no state dict"):
        opened(photographs, "mine.pt")


def test_tensors_that_do_not_fit_are_counted_with_examples(folder, trained, photographs):
    state = trained.state_dict()
    state["head.weight"] = state.pop("conv.weight")
    torch.save(state, folder / "mine.pt")
    with pytest.raises(TickleError) as refusal:
        opened(photographs, "mine.pt", class_names=["a", "b", "c", "d"])
    line = str(refusal.value)
    assert "1 missing (conv.weight)" in line
    assert "1 unexpected (head.weight)" in line
    assert "2 of another shape (fc.weight [3, 8] instead of [4, 8], fc.bias [3] instead of" in line


@pytest.mark.parametrize(
    "architecture, expected",
    [
        ("tests.models.networks:nothing", "cannot be imported.*nothing"),
        ("nothing:Plain", "cannot be imported.*nothing"),
        ("tests.models.networks:no_module", "returned a str, not a torch module"),
        ("torchvision/resnet19", "no classification model 'resnet19'.*resnet18"),
        ("timm/resnet19", "no model 'resnet19'.*resnet18"),
    ],
)
def test_architectures_that_do_not_exist(architecture, expected, folder, photographs):
    with pytest.raises(TickleError, match=expected):
        opened(photographs, "mine.pt", architecture)


def test_a_network_with_another_number_of_logits(folder, photographs):
    from tests.models.networks import tied

    torch.save(tied().state_dict(), folder / "mine.pt")
    with pytest.raises(TickleError, match=r"should give \[1, 3\].*but gives \[1, 4\]"):
        opened(photographs, "mine.pt", "tests.models.networks:tied")
