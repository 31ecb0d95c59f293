"""Local checkpoints: every format, and what is refused."""

import math
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.models import networks as networks_of_tests
from tests.models.networks import Plain
from tickle_core.errors import TickleError
from tickle_core.models import classifier
from tickle_core.models.accuracy import accuracies
from tickle_core.models.architectures import code_of
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo import registry
from tickle_core.params.model import Checkpoint

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("networks")


@pytest.fixture
def trained():
    torch.manual_seed(3)
    return Plain(num_classes=3).eval()


def section(file="mine.pt", architecture="networks:Plain", **values):
    others = {
        "arguments": {},
        "state": None,
        "head": "own",
        "class_names": None,
        "threshold": None,
        "prefix": None,
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    }
    return Checkpoint(source="checkpoint", file=file, architecture=architecture, **others | values)


def opened(images, file="mine.pt", architecture="networks:Plain", **values):
    return assemble(
        registry.describe(section(file, architecture, **values), images), images, 0, CPU
    )


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
        ("networks:nothing", "cannot be imported.*nothing"),
        ("nothing:Plain", "cannot be imported.*nothing"),
        ("networks:no_module", "returned a str, not a torch module"),
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
        opened(photographs, "mine.pt", "networks:tied")


def test_of_several_state_dicts_the_one_that_was_read_is_said(folder, trained, photographs):
    averaged = {name: tensor + 1 for name, tensor in trained.state_dict().items()}
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    content = {"net": trained.state_dict(), "state_dict_ema": averaged, "optimizer": optimizer}
    torch.save(content, folder / "mine.pt")
    model = opened(photographs)
    (note,) = model.card["notes"]
    assert "net was read, not state_dict_ema (model.state names another)" in note
    assert torch.equal(model.network.fc.bias, trained.fc.bias)
    other = opened(photographs, state="state_dict_ema")
    assert torch.equal(other.network.fc.bias, trained.fc.bias + 1)
    assert other.card["notes"] == []
    with pytest.raises(TickleError, match="model.state is 'ema'.*it has net, state_dict_ema"):
        opened(photographs, state="ema")


def test_several_state_dicts_of_which_none_is_usual(folder, trained, photographs):
    state = trained.state_dict()
    torch.save({"teacher": {"backbone": state}, "student": {"backbone": state}}, folder / "mine.pt")
    with pytest.raises(TickleError, match="under teacher/backbone, student/backbone: name one in"):
        opened(photographs)
    assert opened(photographs, state="student/backbone").card["notes"] == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value, folder, trained, photographs):
    state = trained.state_dict()
    state["fc.bias"][1] = value
    torch.save(state, folder / "mine.pt")
    with pytest.raises(TickleError, match=r"1 of \d+ tensors hold NaN or infinity \(fc.bias\)"):
        opened(photographs)


def test_names_of_hugging_face_get_a_hint(folder, photographs):
    torch.save({"vit.encoder.layer.0.output.dense.bias": torch.zeros(3)}, folder / "mine.pt")
    with pytest.raises(TickleError, match="names of Hugging Face's transformers: set model.arch"):
        opened(photographs, architecture="timm/vit_tiny_patch16_224", arguments={"img_size": 32})


@pytest.mark.slow
@pytest.mark.parametrize("given", [None, False])
def test_googlenet_with_its_heads_for_training(given, folder, photographs):
    """They are left out, and images are transformed unless params say otherwise."""
    from torchvision.models import googlenet

    transforms = given is not False
    trained = googlenet(num_classes=3, init_weights=False, transform_input=transforms).eval()
    torch.save(trained.state_dict(), folder / "mine.pt")
    arguments = {} if given is None else {"transform_input": given}
    model = opened(photographs, architecture="torchvision/googlenet", arguments=arguments)
    x = model.preprocess(photographs.read([0, 1]))
    torch.testing.assert_close(model.network(x), trained(x))
    assert any("transform_input" in note for note in model.card["notes"]) == (given is None)


def test_an_argument_that_the_constructor_does_not_know(folder, photographs):
    with pytest.raises(TickleError, match="shufflenet_v2_x0_5 failed .*'depht'"):
        opened(photographs, architecture="torchvision/shufflenet_v2_x0_5", arguments={"depht": 3})


def two_classes(make_set):
    pixels = np.random.default_rng(2).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    return make_set(pixels, [i % 2 for i in range(12)], ["no", "yes"])


@pytest.mark.parametrize("factory", ["one_logit", "squeezed"])
@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_one_logit_is_two_classes(factory, threshold, folder, make_set):
    images = two_classes(make_set)
    trained = getattr(networks_of_tests, factory)().eval()
    torch.save(trained.state_dict(), folder / "mine.pt")
    model = opened(images, architecture=f"networks:{factory}", threshold=threshold)
    x = model.preprocess(images.read(np.arange(12)))
    with torch.inference_mode():
        logits, alone = model.network(x), trained(x).reshape(-1)
    assert logits.shape == (12, 2)
    torch.testing.assert_close(logits.argmax(1) == 1, alone.sigmoid() > threshold)
    odds = math.log(threshold / (1 - threshold))
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], alone - odds)
    torch.testing.assert_close(logits.sum(1), torch.zeros(12))  # neither stands still
    assert list(model.card["layers"])[0] == "conv"
    assert model.card["class_names"] == ["no", "yes"]
    classifier.save(model, folder)
    with torch.inference_mode():
        torch.testing.assert_close(classifier.load(folder, CPU).network(x), logits)


def test_one_logit_of_a_library(folder, make_set):
    import torchvision

    images = two_classes(make_set)
    trained = torchvision.models.shufflenet_v2_x0_5(num_classes=1)
    torch.save(trained.state_dict(), folder / "mine.pt")
    architecture = "torchvision/shufflenet_v2_x0_5"
    assert len(opened(images, architecture=architecture, threshold=0.5).card["class_names"]) == 2


def test_one_number_without_a_threshold_is_refused(folder, make_set, photographs):
    torch.save(networks_of_tests.one_logit().state_dict(), folder / "mine.pt")
    told = "one number per image, for 2 classes: .*set model.threshold .*regression"
    with pytest.raises(TickleError, match=told):
        opened(two_classes(make_set), architecture="networks:one_logit")
    with pytest.raises(TickleError, match="tells two classes apart, but there are 3"):
        opened(photographs, architecture="networks:one_logit", threshold=0.5)


def test_probabilities_are_refused(folder, photographs):
    torch.save(networks_of_tests.probabilities().state_dict(), folder / "mine.pt")
    with pytest.raises(TickleError, match="outputs are probabilities.*softmax"):
        opened(photographs, architecture="networks:probabilities")


def test_outputs_with_logits(folder, photographs):
    """As Hugging Face's models have them: the network's modules keep their paths."""
    trained = networks_of_tests.Answering().eval()
    torch.save(trained.state_dict(), folder / "mine.pt")
    model = opened(photographs, architecture="networks:Answering")
    x = model.preprocess(photographs.read([0, 1]))
    torch.testing.assert_close(model.network(x), trained(x).logits)
    assert "body.conv" in model.card["layers"]


@pytest.mark.parametrize(
    "architecture", ["networks:features", "networks:projected", "torchvision/shufflenet_v2_x0_5"]
)
def test_a_head_is_fitted_to_any_backbone(architecture, folder, halves_of_colour):
    if architecture.startswith("networks"):
        trained = getattr(networks_of_tests, architecture.partition(":")[2])()
    else:
        import torchvision

        trained = torchvision.models.shufflenet_v2_x0_5(num_classes=1000)
    torch.save(trained.state_dict(), folder / "mine.pt")
    model = opened(halves_of_colour, architecture=architecture, head="probe")
    head = model.card["head"]
    assert head["images"] == 300
    assert head["module"] == ("tickle_head" if architecture.startswith("networks") else "fc")
    assert head["control"]["n"] == 100
    low, high = head["control"]["interval"]
    assert low < 0.5 < high
    found = accuracies(model, halves_of_colour)
    assert found["accuracy"]["value"] > 0.9
    assert model.card["class_names"] == ["left", "top"]


def test_what_does_not_end_in_a_linear_layer_can_have_no_probe(folder, photographs):
    torch.save(networks_of_tests.Answering().state_dict(), folder / "mine.pt")
    with pytest.raises(TickleError, match="head is probe, but the model does not end in a linear"):
        opened(photographs, architecture="networks:maps", head="probe")


def test_code_is_part_of_what_a_model_is(networks, folder, trained, photographs):
    """A comment is not; code beside the module is."""
    (folder / "helper.py").write_text("SCALE = 2\n")
    networks.write_text("import helper\n" + networks.read_text())
    torch.save(trained.state_dict(), folder / "mine.pt")
    model = opened(photographs)
    code = model.card["architecture"]["code"]
    classifier.save(model, folder)
    networks.write_text(networks.read_text() + "\n# Nothing.\n")
    assert code_of("networks:Plain") == code
    classifier.load(folder, CPU)
    (folder / "helper.py").write_text("SCALE = 3\n")
    assert code_of("networks:Plain") != code
    with pytest.raises(TickleError, match="the code of networks:Plain is not what it was"):
        classifier.load(folder, CPU)
    (folder / "helper.py").write_text("SCALE = 2\n")
    networks.write_text(networks.read_text().replace("stride=2", "stride=3"))
    assert code_of("networks:Plain") != code
    assert not list(folder.rglob("__pycache__"))


def test_code_that_dvc_would_not_see_is_refused(folder, photographs):
    with pytest.raises(TickleError, match="a change of its code would go unnoticed: put the mod"):
        opened(photographs, architecture="tests.models.networks:Plain")


def test_installed_code_is_its_version():
    assert code_of("torchvision.models:resnet18") == code_of("torchvision.models:resnet50")
