"""A plain DCGAN in PyTorch, with the layers, widths, losses and latents of this package's DCGAN.

`train_step.py` and `search.py` compare this package with the networks here.
"""

from itertools import pairwise

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
    """

    def __init__(self, image_size, channels, width, reuse_generated):
        self.generator = generator(image_size, channels, width)
        self.discriminator = discriminator(image_size, channels, width)
        self.reuse_generated = reuse_generated
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for network in (self.discriminator, self.generator)
        ]

    def step(self, images):
        """Updates both networks once with images `[B, C, H, W]`."""
        discriminator_optimizer, generator_optimizer = self.optimizers
        generated = self.generator(torch.rand(len(images), 100) * 2 - 1)
        discriminator_optimizer.zero_grad()
        loss = functional.softplus(-self.discriminator(images)).mean()
        loss = loss + functional.softplus(self.discriminator(generated.detach())).mean()
        loss.backward()
        discriminator_optimizer.step()
        if not self.reuse_generated:
            generated = self.generator(torch.rand(len(images), 100) * 2 - 1)
        generator_optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        functional.softplus(-self.discriminator(generated)).mean().backward()
        self.discriminator.requires_grad_(True)
        generator_optimizer.step()
