"""The settings of every command, as a frozen dataclass with the rules between its settings.

Library functions never see a config. The commands and the modules that they share take it apart.
"""

from tf_inpaint.config.client_config import ClientConfig
from tf_inpaint.config.complete_config import CompleteConfig
from tf_inpaint.config.evaluate_config import EvaluateConfig
from tf_inpaint.config.explore_config import ExploreConfig
from tf_inpaint.config.export_config import ExportConfig
from tf_inpaint.config.lessons_config import GaussianConfig, RingConfig
from tf_inpaint.config.paint_config import PaintConfig
from tf_inpaint.config.story_config import StoryConfig
from tf_inpaint.config.train_config import TrainConfig

__all__ = [
    "ClientConfig",
    "CompleteConfig",
    "EvaluateConfig",
    "ExploreConfig",
    "ExportConfig",
    "GaussianConfig",
    "PaintConfig",
    "RingConfig",
    "StoryConfig",
    "TrainConfig",
]
