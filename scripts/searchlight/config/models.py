"""The configuration as pydantic models, one for each table.

``searchlight.config.reference`` writes the JSON schema in ``workflow/schemas`` and the reference in
``config/README.md`` from the models.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from searchlight.config import consistency
from searchlight.config.agents import Agent
from searchlight.config.arguments import Int, Table
from searchlight.config.families import Clip, ClipFamily
from searchlight.config.messages import refuse
from searchlight.config.methods import Method, Perturbation
from searchlight.config.names import Name
from searchlight.config.video import Video


class Config(Table):
    """Everything that a run depends on."""

    block_size: Int = Field(
        240, gt=0, description="Consecutive frames that one `perturb` or `differentiate` job works on."
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="Where `perturb` jobs run the network: one thread each, or a GPU, which each job then asks for: "
        "on one machine, give `--resources gpu=1` where it has one; Slurm is asked with `--gpus=1`. "
        "The same results to 1e-4 of the logits' scale.",
    )
    agents: dict[Name, Agent] = Field(description="The agents, each under a name of your own.")
    perturbations: dict[Name, Perturbation] = Field(description="What is hidden from them.")
    methods: dict[Name, Method] = Field(description="How saliency is scored.")
    clips: dict[Name, ClipFamily] = Field(min_length=1, description="What is shown.")
    video: Video = Field(default_factory=Video, description="How it looks.")

    @model_validator(mode="after")
    def _tables_fit_together(self) -> Config:
        refuse(consistency.mistakes(self))
        return self


class Settings(Config):
    """A config with complete agents, and with one entry for each clip in place of families."""

    clips: dict[Name, Clip]  # type: ignore[assignment]  # dict is invariant, but settings never change
