"""A hash of each stage's code in meaning, so that DVC rebuilds what a change can alter, no more.

DVC has no notion of imports. Here the import closure of a stage module is followed through the
project, each module is brought to a normal form (comments, docstrings and formatting gone), and
the forms are hashed together with the pinned versions of the libraries that they import. Stages
track their own hash as a DVC parameter. A template, style sheet or script belongs to the module
beside it whose name it begins with: section.html.jinja and section.js to section.py.

Only `import` statements are seen, wherever they stand in a module; importing by a computed name
is not, and is therefore not done in this project, but for what is no part of it: a user's own
factory of models (`tickle_core.models.architectures`).
"""

import ast
import hashlib
import re
import sys
from functools import cache
from pathlib import Path

PACKAGES = ("stages", "tickle_core")
LOCK_FILE = "requirements.lock"
TEMPLATES = {".css", ".jinja", ".js"}

# Modules that decide whether a stage may start and what it says, never what it computes. The
# schema belongs here because it has no defaults: every value comes from params.yaml, where DVC
# tracks it. Packages stand for all that is in them.
WITHOUT_EFFECT = tuple(
    f"tickle_core.{name}"
    for name in [
        "errors",
        "fingerprint",
        "intact",
        "lifeline",
        "needs",
        "params",
        "preflight",
        "progress",
    ]
)

# Stages that run before the fingerprints are there, and depend on the files themselves.
BEFORE = frozenset({"check", "fingerprint"})

# Distributions whose name on the index is not the name that is imported.
DISTRIBUTIONS = {
    "noto_cjk_sans_otc": "noto-cjk-sans-otc",
    "PIL": "pillow",
    "google_crc32c": "google-crc32c",
    "jinja2": "Jinja2",
    "open_clip": "open_clip_torch",
    "ruamel": "ruamel.yaml",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
}


def stage_names(root: Path) -> list[str]:
    """The stages that have a module, in alphabetical order."""
    return sorted(path.stem for path in (root / "stages").glob("*.py") if path.stem != "__init__")


def fingerprints(root: Path) -> dict[str, str]:
    """The fingerprint of every stage that tracks it, by name."""
    return {name: fingerprint(name, root) for name in stage_names(root) if name not in BEFORE}


def fingerprint(stage: str, root: Path) -> str:
    """Hash of what `stages/<stage>.py` and everything that it imports mean.

    Returns
    -------
    str
        16 hexadecimal digits (64 bits of SHA-256).
    """
    pins = _pins(root / LOCK_FILE)
    digest = hashlib.sha256()
    libraries: set[str] = set()
    for module in closure(f"stages.{stage}", root):
        source = _file(module, root).read_bytes()
        libraries.update(_libraries(source))
        if not _is_without_effect(module):
            digest.update(f"{module}\n{normal_form(source)}\n".encode())
            for path in _templates(module, root):
                digest.update(path.name.encode() + b"\n" + path.read_bytes())
    for library in sorted(libraries):
        digest.update(f"{library}=={pins.get(library, 'unpinned')}\n".encode())
    return digest.hexdigest()[:16]


def closure(module: str, root: Path) -> list[str]:
    """The project's modules that importing `module` loads, itself included, sorted."""
    seen: set[str] = set()
    waiting = _loaded_by(module, root)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            for target in _imports(_file(name, root).read_bytes()):
                waiting += _loaded_by(target, root)
    return sorted(seen)


def _loaded_by(target: str, root: Path) -> list[str]:
    """The project's modules among a, a.b and a.b.c for the target a.b.c.

    Importing a.b.c runs all three; the last part may also be a name inside the module a.b.
    """
    parts = target.split(".")
    if parts[0] not in PACKAGES:
        return []
    names = [".".join(parts[: length + 1]) for length in range(len(parts))]
    return [name for name in names if _file(name, root).is_file()]


# What is read off a source is kept, by its content: stages share most of their modules, and each
# takes its fingerprint twice.
@cache
def normal_form(source: bytes) -> str:
    """The source without comments, docstrings and formatting.

    Unparsed text is used rather than a dump of the tree, since the dump differs between Python
    versions for the same program.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@cache
def _imports(source: bytes) -> tuple[str, ...]:
    """What a module imports, by full names."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"line {node.lineno}: the project uses absolute imports only")
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(names)


def _libraries(source: bytes) -> set[str]:
    """Third-party distributions that a module imports."""
    tops = {name.split(".")[0] for name in _imports(source)}
    return {DISTRIBUTIONS.get(top, top) for top in tops - set(PACKAGES) - sys.stdlib_module_names}


def _is_without_effect(module: str) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in WITHOUT_EFFECT)


def _templates(module: str, root: Path) -> list[Path]:
    """What belongs to a module besides its source."""
    file = _file(module, root)
    beside = file.parent.glob(f"{file.stem}.*")
    return sorted(path for path in beside if path.suffix in TEMPLATES)


def _file(module: str, root: Path) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _pins(lock: Path) -> dict[str, str]:
    """Pinned versions by distribution name."""
    pattern = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
    return dict(pattern.findall(lock.read_text(encoding="utf-8")))
