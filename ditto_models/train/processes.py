"""The processes of a training, from one to many machines: who they are, what they agree on, how the network is spread.

accelerate starts and joins them. `none` gives every process the whole network (DDP); fsdp2 gives each its share, by
torch's own fully_shard, since accelerate's plugin for it takes no CPU, where it is tested.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from ditto_models.command import CommandError, CommandFailed

if TYPE_CHECKING:
    import torch

    from ditto_models.train.recipe import Recipe

Thing = TypeVar("Thing")
_PATIENCE = timedelta(hours=6)
"""With the others: one may fetch weights, or have larger videos to encode. That one has died its launcher sees."""


class MainProcessFailed(CommandFailed):
    """What the main process did for all failed; it says why itself."""


class Processes:
    """This process among those of a training."""

    def __init__(
        self,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        sharding: Literal["none", "fsdp2"] = "none",
    ) -> None:
        import torch
        from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs

        has_gpu = torch.cuda.is_available()
        if device == "cuda" and not has_gpu:
            raise CommandError("device=cuda, but torch sees no GPU; expected one, or device=auto or device=cpu")
        for other in ("FSDP", "DEEPSPEED"):
            if os.environ.get(f"ACCELERATE_USE_{other}", "false").lower() == "true":
                raise CommandError(
                    f"accelerate is configured for {other}; launch with --multi_gpu alone: how the network is "
                    "spread is said by `sharding` in the recipe"
                )
        self._accelerator = Accelerator(
            cpu=device == "cpu" or not has_gpu,
            mixed_precision="no",  # the network computes as it is loaded: precision.py
            kwargs_handlers=[
                # Training changes no buffers; gradients lie where they are summed, not there as well.
                DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True),
                InitProcessGroupKwargs(timeout=_PATIENCE),
            ],
        )
        self.device: torch.device = self._accelerator.device
        self.number: int = self._accelerator.process_index
        self.count: int = self._accelerator.num_processes
        self.is_main: bool = self._accelerator.is_main_process
        self.one_by_one = sharding == "fsdp2" and self.count > 1
        """Whether samples must pass through the network singly: sharded weights are gathered at every pass, by all
        processes together, and samples with and without a key frame take a pass each."""

    @property
    def num_gpus(self) -> int:
        """How many all processes hold together."""
        return 0 if self.device.type == "cpu" else self.count

    @staticmethod
    def of(recipe: Recipe) -> Processes:
        """As a recipe wants them."""
        return Processes(recipe.device, recipe.sharding)

    def spread(self, network: Any) -> Any:
        """The network on this process's device, ready to be trained together with the others'.

        Under fsdp2 the main process's weights are spread, and those that others have are not looked at.
        """
        if self.one_by_one:
            return self._in_shares(network)
        with warnings.catch_warnings():
            # torch has a new name for what accelerate calls broadcast_buffers.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            return self._accelerator.prepare_model(network)

    def _in_shares(self, network: Any) -> Any:
        whole = dict(_tensors_of(network)) if self.is_main else {}
        # With nothing in it, so that no other process reads what it would give away, and no device holds all of it.
        network.to("meta")
        self._shard(network)
        network.to_empty(device=self.device)
        for name, tensor in _tensors_of(network):
            self.fill({name: tensor}, {name: whole.pop(name)} if self.is_main else {})
        return network

    def _shard(self, network: Any) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self.device.type, (self.count,))
        for block in [*network.vace_blocks, *network.blocks]:
            fully_shard(block, mesh=mesh)
        # What no block has is given back after a pass, too: it would else stay as it was while weights are changed
        # from outside, by the average that is validated.
        fully_shard(network, mesh=mesh, reshard_after_forward=True)

    def backward(self, network: Any, loss: torch.Tensor, last: bool) -> None:
        """Add the gradients of one pass of several to a step; FSDP2 shares them in the last."""
        if self.one_by_one:
            network.set_requires_gradient_sync(last)
        loss.backward()  # type: ignore[no-untyped-call]

    def passing(self, network: Any, last: bool) -> AbstractContextManager[None]:
        """In which one pass of several to a step is made, forwards and backwards: DDP shares gradients in the last."""
        if last or self.one_by_one:
            return nullcontext()
        context: AbstractContextManager[None] = self._accelerator.no_sync(network)
        return context

    def clipped(self, parameters: Iterable[torch.nn.Parameter], longest: float) -> torch.Tensor:
        """Scale all gradients down to a length; returns the length that they had."""
        import torch
        from torch.distributed.tensor import DTensor

        length: torch.Tensor = torch.nn.utils.clip_grad_norm_(list(parameters), longest)
        return length.full_tensor() if isinstance(length, DTensor) else length

    def read(self, tensors: Iterable[torch.Tensor]) -> list[float]:
        """All numbers of some tensors, in order. The device is waited for: a step does it once, so that a GPU is given
        its next pass before it is done with the last."""
        import torch

        numbers: list[float] = torch.cat([each.flatten() for each in tensors]).tolist()
        return numbers

    def summed(self, numbers: Iterable[float]) -> list[float]:
        """Each number, summed over the processes (all-reduce)."""
        import torch

        if self.count == 1:
            return list(numbers)
        # Double, which a count or a loss keeps exactly.
        mine = torch.tensor(list(numbers), dtype=torch.float64, device=self.device)
        total: list[float] = self._accelerator.reduce(mine, "sum").tolist()
        return total

    def gathered(self, things: list[Thing]) -> list[Thing]:
        """The things of all processes, in their order, on every one (all-gather)."""
        from accelerate.utils import gather_object

        return list(gather_object(things)) if self.count > 1 else things

    def broadcast(self, thing: Thing) -> Thing:
        """The main process's thing, on every one."""
        from accelerate.utils import broadcast_object_list

        said: Any = broadcast_object_list([thing])[0] if self.count > 1 else thing
        return said  # type: ignore[no-any-return]

    def on_main(self, body: Callable[[], Thing]) -> Thing | None:
        """Let the main process do something while the others wait; what it returns is its own, what it raises is
        raised on all."""
        result = error = None
        if self.is_main:
            try:
                result = body()
            except Exception as raised:  # noqa: BLE001 -- it is raised again, here and on the others
                error = raised
        said = self.broadcast(f"{type(error).__name__}: {error}" if error else "")
        if error is not None:
            raise error
        if said:
            raise MainProcessFailed(said)
        return result

    def whole(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors that may be spread, whole and on the CPU, on the main process; on the others nothing.

        All processes must ask, for the same names in the same order; they are collected one by one, so that no GPU
        holds more than one of them.
        """
        from torch.distributed.tensor import DTensor

        found: dict[str, torch.Tensor] = {}
        for name, tensor in tensors.items():
            each = tensor.detach()
            each = each.full_tensor() if isinstance(each, DTensor) else each
            if self.is_main:
                found[name] = each.to("cpu", copy=True)
        return found

    def fill(self, tensors: Mapping[str, torch.Tensor], whole: Mapping[str, torch.Tensor]) -> None:
        """The reverse of `whole`: write the main process's whole tensors into those of all, or each one's share."""
        import torch
        from accelerate.utils import broadcast
        from torch.distributed.tensor import DTensor, distribute_tensor

        with torch.no_grad():
            for name, tensor in tensors.items():
                each = whole[name].to(self.device) if self.is_main else torch.empty(tensor.shape, device=self.device)
                each = broadcast(each.to(tensor.dtype))
                if isinstance(tensor, DTensor):
                    each = distribute_tensor(each, tensor.device_mesh, tensor.placements, src_data_rank=None)
                tensor.copy_(each)

    def end(self) -> None:
        """Leave the others; nothing can be agreed after it."""
        self._accelerator.end_training()


def _tensors_of(network: Any) -> Iterator[tuple[str, torch.Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


def leave(code: int) -> NoReturn:
    """End this process. One of several ends without Python's own tidying up: threads of torch that want the interpreter
    meanwhile abort it now and then (seen with gloo), and a training that is done would count as failed."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
