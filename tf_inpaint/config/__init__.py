"""What every command needs to know: one frozen dataclass each, and the rules between its settings.

Library functions never see a config: a command's `run` takes it apart into plain arguments.
"""

from tf_inpaint.config.client import ClientConfig
from tf_inpaint.config.complete import CompleteConfig
from tf_inpaint.config.evaluate import EvaluateConfig
from tf_inpaint.config.explore import ExploreConfig
from tf_inpaint.config.export import ExportConfig
from tf_inpaint.config.lessons import GaussianConfig, RingConfig
from tf_inpaint.config.paint import PaintConfig
from tf_inpaint.config.search import SearchConfig
from tf_inpaint.config.story import StoryConfig
from tf_inpaint.config.train import TrainConfig

__all__ = [
    "ClientConfig",
    "CompleteConfig",
    "EvaluateConfig",
    "ExploreConfig",
    "ExportConfig",
    "GaussianConfig",
    "PaintConfig",
    "RingConfig",
    "SearchConfig",
    "StoryConfig",
    "TrainConfig",
]
