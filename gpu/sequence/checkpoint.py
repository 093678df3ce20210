"""Files with weights and training checkpoints, as safetensors and JSON.

Each file is written completely or not at all, and reading one never executes code.

A folder holds `model.json` (the arguments to build the model) and `weights.safetensors` (everything needed to use it).
During training it also holds `checkpoint.safetensors` (everything needed to continue: weights, optimiser, step, losses)
and `history.json` (the losses, for people to read).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from v2xsim.atomic import write_atomically
from v2xsim.errors import UserError
from v2xsim.gpu.sequence.models import build
from v2xsim.gpu.sequence.tokens import TokenSequence

MODEL, WEIGHTS, CHECKPOINT, HISTORY = "model.json", "weights.safetensors", "checkpoint.safetensors", "history.json"
_CHECKSUM = "sha256"


@dataclass
class History:
    """The losses of a training run.

    Attributes:
        losses: Cross-entropy of the batch of each step, in nats per token.
        evaluations: For each evaluation, the number of steps done before it, and the validation cross-entropy in nats
            per token.
    """

    losses: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)


def save_model(model: TokenSequence, folder: Path, **notes: Any) -> None:
    """Write the arguments to build a model and its weights to a folder; `notes` are added to the JSON file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / MODEL, {"recipe": model.recipe, **notes})
    write_tensors(folder / WEIGHTS, tensors_of(model))


def load_model(folder: Path, device: torch.device | str | None = None) -> TokenSequence:
    """Return the model in a folder with its weights, ready for use.

    Raises:
        UserError: If the folder does not contain a complete model.
    """
    recipe = read_json(folder / MODEL).get("recipe")
    if not isinstance(recipe, Mapping):
        raise UserError(
            f"{folder / MODEL}: has no description of the model; build the same model in Python and call load_weights(model, folder)"
        )
    options = recipe.get("options", {})
    try:
        vocabulary, dim, layers, heads = (recipe[key] for key in ("vocabulary", "dim", "layers", "heads"))
        model = build(recipe["name"], vocabulary, dim, layers, heads, 0, **options)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{folder / MODEL}: is no recipe of a model ({error}); train it again") from error
    load_weights(model, folder)
    return model.to(device).eval()


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load the weights in a folder into a model, which takes over the floating-point type of the stored weights."""
    stored = read_tensors(folder / WEIGHTS)
    precise = [tensor.dtype for tensor in stored.values() if tensor.is_floating_point()]
    if precise:
        model.to(precise[0])
    take_tensors(model, stored, folder / WEIGHTS)


def save_checkpoint(folder: Path, model: TokenSequence, optimiser: torch.optim.Optimizer, history: History) -> None:
    """Write everything that is needed to continue a training, then the model and its history."""
    by_name = {f"weights.{name}": tensor for name, tensor in tensors_of(model).items()}
    for name, parameter in model.named_parameters():
        for key, tensor in optimiser.state.get(parameter, {}).items():
            by_name[f"optimiser.{key}.{name}"] = tensor
    by_name["losses"] = torch.tensor(history.losses, dtype=torch.float64)
    by_name["evaluations"] = torch.tensor(history.evaluations, dtype=torch.float64).reshape(-1, 2)
    by_name = {name: tensor.detach().cpu().contiguous() for name, tensor in by_name.items()}
    write_tensors(folder / CHECKPOINT, {**by_name, _CHECKSUM: _checksum(by_name)})
    write_tensors(folder / WEIGHTS, tensors_of(model))
    write_json(folder / HISTORY, {"losses": history.losses, "evaluations": history.evaluations})


def load_checkpoint(folder: Path, model: TokenSequence, optimiser: torch.optim.Optimizer) -> History:
    """Load a checkpoint into a model and its optimiser, and return the history up to it."""
    path = folder / CHECKPOINT
    stored = read_tensors(path)
    kept_sum = stored.pop(_CHECKSUM, None)
    if kept_sum is None or not torch.equal(kept_sum, _checksum(stored)):
        raise UserError(f"{path}: is damaged (its checksum does not fit); train again in another folder")
    begin = "weights."
    take_tensors(model, {name[len(begin) :]: t for name, t in stored.items() if name.startswith(begin)}, path)
    for name, parameter in model.named_parameters():
        kept = {key.split(".")[1]: t for key, t in stored.items() if key.split(".", 2)[2:] == [name] and key[0] == "o"}
        if kept:
            # The optimiser keeps its step count on the CPU, so it must not move to the model's device.
            optimiser.state[parameter] = {key: t if t.ndim == 0 else t.to(parameter.device) for key, t in kept.items()}
    try:
        evaluations = [(int(step), float(nats)) for step, nats in stored["evaluations"].tolist()]
        return History(stored["losses"].tolist(), evaluations)
    except KeyError as error:
        raise UserError(f"{path}: holds no {error}; train again in another folder") from error


def _checksum(tensors: Mapping[str, Tensor]) -> Tensor:
    """Return a SHA-256 checksum of the names, types, shapes and bytes of tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights and other stored tensors of a model by name; a tensor with two names occurs once."""
    by_name: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            by_name[name] = tensor.detach()
    return by_name


def take_tensors(model: nn.Module, given: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into a model with the same names and shapes."""
    wanted = tensors_of(model)
    for name in [*wanted, *given]:
        has = tuple(given[name].shape) if name in given else "none"
        wants = tuple(wanted[name].shape) if name in wanted else "none"
        if has != wants:
            raise UserError(
                f"{path}: {name} is {has} there and {wants} in the model; build the model as it was trained"
            )
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(given[name])


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as a safetensors file."""
    from safetensors.torch import save

    write_atomically(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises:
        UserError: If the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except SafetensorError as error:
        raise UserError(
            f"{path}: is not a complete safetensors file ({error}); train again in another folder"
        ) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a dictionary to a JSON file."""
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Return the dictionary in a JSON file.

    Raises:
        UserError: If the file is missing or does not contain an object.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror}; v2xsim train sequence writes such a folder"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error}); train again in another folder") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold an object, got {type(content).__name__}; train again in another folder")
    return content
