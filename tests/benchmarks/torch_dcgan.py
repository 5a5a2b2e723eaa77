"""A plain DCGAN in PyTorch, with the layers, widths, losses and latents of this package's DCGAN.

`train_step.py`, `search.py` and `gpu.py` compare this package with the programs here. This module
imports neither TensorFlow nor this package: `gpu.py` may run it in another Python.
"""

import functools
import json
import statistics
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def initialize(module):
    """Sets the weights of a layer as the DCGAN paper does."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    return module


def stage_channels(image_size, width):
    """The channels of each feature map, from the largest map to the smallest."""
    stages = {28: 2, 32: 3, 64: 4, 128: 5}[image_size]
    return [width * min(2**stage, 8) for stage in range(stages)]


def batch_norm(channels):
    """Batch normalization with the settings of this package."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)


def generator(image_size, channels, width, latent_size=100):
    """The generator: z `[B, Z]` to images `[B, C, H, W]` in [-1, 1]."""
    widths = stage_channels(image_size, width)[::-1]
    size = image_size >> len(widths)
    layers = [
        nn.Linear(latent_size, size * size * widths[0], bias=False),
        nn.Unflatten(1, (widths[0], size, size)),
        batch_norm(widths[0]),
        nn.ReLU(inplace=True),
    ]
    for inputs, outputs in pairwise(widths):
        layers += [
            nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
            batch_norm(outputs),
            nn.ReLU(inplace=True),
        ]
    layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*layers).apply(initialize).to(memory_format=torch.channels_last)


def discriminator(image_size, channels, width):
    """The discriminator: images `[B, C, H, W]` to logits `[B, 1]`."""
    widths = stage_channels(image_size, width)
    layers = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for inputs, outputs in pairwise(widths):
        layers += [
            nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False),
            batch_norm(outputs),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    size = image_size >> len(widths)
    layers += [nn.Flatten(), nn.Linear(size * size * widths[-1], 1)]
    return nn.Sequential(*layers).apply(initialize).to(memory_format=torch.channels_last)


class Trainer:
    """Training steps as in PyTorch's own DCGAN example.

    Args:
        image_size, channels, width: of the networks.
        reuse_generated: the update of the generator takes the images of the discriminator's update.
            Otherwise it takes images of new z.
        device: "cpu" or "cuda".
        dtype: type of automatic mixed precision. None: float32 (TF32 where the device has it).
        compile_mode: mode of `torch.compile`. None: eager.
    """

    def __init__(
        self,
        image_size,
        channels,
        width,
        reuse_generated,
        device="cpu",
        dtype=None,
        compile_mode=None,
    ):
        self.generator = generator(image_size, channels, width).to(device)
        self.discriminator = discriminator(image_size, channels, width).to(device)
        self.reuse_generated = reuse_generated
        self.device = device
        self.autocast = functools.partial(
            torch.autocast, device, dtype or torch.bfloat16, enabled=dtype is not None
        )
        self.scaler = torch.amp.GradScaler(device, enabled=dtype is torch.float16)
        # One kernel for all variables. On a CPU, it is not the default.
        fused = device == "cuda" or None
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=fused)
            for network in (self.discriminator, self.generator)
        ]
        if compile_mode:
            for name in ("generate", "discriminator_loss", "generator_loss"):
                setattr(
                    self, name, torch.compile(getattr(self, name), mode=compile_mode, dynamic=False)
                )

    def generate(self, count):
        """Images of new z."""
        with self.autocast():
            return self.generator(torch.rand(count, 100, device=self.device) * 2 - 1)

    def discriminator_loss(self, images, generated):
        """The loss of the discriminator."""
        with self.autocast():
            loss = functional.softplus(-self.discriminator(images)).mean()
            return loss + functional.softplus(self.discriminator(generated)).mean()

    def generator_loss(self, generated):
        """The loss of the generator."""
        with self.autocast():
            return functional.softplus(-self.discriminator(generated)).mean()

    def step(self, images):
        """Updates both networks once with images `[B, C, H, W]`."""
        discriminator_optimizer, generator_optimizer = self.optimizers
        generated = self.generate(len(images))
        discriminator_optimizer.zero_grad()
        loss = self.discriminator_loss(images, generated.detach())
        self.scaler.scale(loss).backward()
        self.scaler.step(discriminator_optimizer)
        if not self.reuse_generated:
            generated = self.generate(len(images))
        generator_optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        self.scaler.scale(self.generator_loss(generated)).backward()
        self.discriminator.requires_grad_(True)
        self.scaler.step(generator_optimizer)
        self.scaler.update()


def new_search(size, channels, width, images, known, z, steps, device="cpu", compile_mode=None):
    """Returns the function that takes `steps` steps of Adam down the energy and returns z.

    Args:
        size, channels, width: of the networks.
        images, known: arrays `[B, H, W, C]` and `[B, H, W, 1]`.
        z: where the search starts, `[B, Z]`.
        steps, device, compile_mode: see above and `Trainer`.
    """
    networks = generator(size, channels, width), discriminator(size, channels, width)
    networks = [network.eval().requires_grad_(False).to(device) for network in networks]
    images, known = (
        torch.from_numpy(array).permute(0, 3, 1, 2).to(device) for array in (images, known)
    )
    z = torch.from_numpy(z.copy()).to(device).requires_grad_(True)
    optimizer = torch.optim.Adam([z], lr=0.1)

    def energy_of(z):
        generated = networks[0](z)
        energy = (known * (generated - images)).abs().sum()
        return energy - 0.1 * functional.softplus(networks[1](generated)).sum()

    if compile_mode:
        energy_of = torch.compile(energy_of, mode=compile_mode, dynamic=False)

    def run():
        for _ in range(steps):
            torch.compiler.cudagraph_mark_step_begin()
            optimizer.zero_grad()
            energy_of(z).backward()
            optimizer.step()
            z.data.clamp_(-1, 1)
        return z.detach().cpu().numpy()

    return run


def seconds_per_call(function, repeats, rounds, synchronize):
    """The median time of a call over rounds of `repeats` calls, until the device ends them."""
    times = []
    for _ in range(rounds):
        synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        synchronize()
        times.append((time.perf_counter() - start) / repeats)
    return statistics.median(times)


def attempt(function, *arguments):
    """The result of a function, or the first words of its error: the other rows go on."""
    try:
        return function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:60]


def new_train_step(case, dtype, mode, device):
    """Returns a function that takes a training step; see `measure`."""
    size, channels, width, batch_size = case
    dtype = getattr(torch, dtype) if dtype else None
    trainer = Trainer(size, channels, width, False, device, dtype, mode or None)
    images = torch.rand(batch_size, channels, size, size, device=device) * 2 - 1
    images = images.contiguous(memory_format=torch.channels_last)

    def step():
        torch.compiler.cudagraph_mark_step_begin()
        trainer.step(images)

    return step


def new_search_run(search, count, mode, device):
    """Returns a function that takes the steps of a search; see `measure`."""
    size, channels, width, steps, _ = search
    images, known = np.zeros([count, size, size, channels]), np.ones([count, size, size, 1])
    arrays = (array.astype(np.float32) for array in (images, known, np.zeros([count, 100])))
    return new_search(size, channels, width, *arrays, steps, device, mode or None)


def measure(cases, search, variants, repeats, rounds):
    """Measures training steps and search steps, on a GPU if PyTorch sees one.

    All programs are compiled and called first. Then a line is printed, and the measurement waits
    for a line of the standard input, so that nothing else need use the device meanwhile. The last
    line is a JSON object: `version`, `device`, `train` with the milliseconds of a training step for
    each variant and case, and `search` with those of a search step for each variant and number of
    images. The text of an error stands where a program fails.

    Args:
        cases: `[image_size, channels, width, batch_size]` of the training steps.
        search: `[image_size, channels, width, steps, [number of images, ...]]`.
        variants: `[name, dtype or "", compile mode or "", number of cases]` of the training steps.
            The search has the variants without a dtype.
        repeats, rounds: see `seconds_per_call`.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    # Many networks share the code of their compiled functions.
    torch._dynamo.config.recompile_limit = 1000

    # Make and warm up all programs. CUDA graphs are recorded in the second or third call.
    programs = {"train": {}, "search": {}}
    for name, dtype, mode, number in variants:
        programs["train"][name] = [
            attempt(new_train_step, case, dtype, mode, device) for case in cases[:number]
        ]
        if not dtype:
            programs["search"][name] = [
                attempt(new_search_run, search, count, mode, device) for count in search[-1]
            ]
    for rows in programs.values():
        for row in rows.values():
            for column, program in enumerate(row):
                errors = [attempt(program) for _ in range(4)] if callable(program) else []
                row[column] = next((text for text in errors if isinstance(text, str)), program)
    synchronize()
    print("ready", flush=True)
    input()

    # Time one program after the other.
    results = {"version": torch.__version__}
    results["device"] = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    for table, calls, scale in (
        ("train", repeats, 1e3),
        ("search", max(1, repeats // search[3]), 1e3 / search[3]),
    ):
        results[table] = {name: [] for name in programs[table]}
        for name, row in programs[table].items():
            for program in row:
                if callable(program):
                    program = attempt(seconds_per_call, program, calls, rounds, synchronize)
                results[table][name].append(
                    program if isinstance(program, str) else program * scale
                )
    print(json.dumps(results), flush=True)
