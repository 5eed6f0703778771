"""The tables ``perturbations`` and ``methods`` of the config."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Bool, Float, Int, PositiveFloat, Table
from searchlight.config.messages import in_words, mistake, refuse
from searchlight.config.names import Name
from searchlight.config.outputs import OF_PROBABILITIES, Output
from searchlight.config.registered import named_member
from searchlight.saliency import fills, gradients, plugins, scorers


def _fill(spec: Any, info: ValidationInfo) -> Any:
    return in_words(fills.check, spec, info.data.get("space"))


class Perturbation(Table):
    """What the agent is kept from seeing, patch by patch."""

    space: Literal["screen", "observation"] = Field(
        description="Change the colour screen, then prepare it; or what the network sees, the observation, itself.",
        examples=["screen"],
    )
    perturber: Annotated[dict[str, dict[str, Any]], named_member(partial(plugins.check, "perturber"))] = Field(
        description="Which patches are hidden: a [perturber](#perturbers) with its arguments.",
        examples=[{"SlidingWindow": {"window_size": [5, 5], "stride": [5, 5]}}],
    )
    fill: Annotated[
        dict[str, dict[str, Any]],
        Allowed("a number, `[red, green, blue]`, `NAME` or `{NAME: {argument: value}}`"),
        BeforeValidator(_fill, json_schema_input_type=float | tuple[float, float, float] | str | dict[str, Any]),
    ] = Field(
        0,
        validate_default=True,
        description="What hidden pixels are replaced by ([below](#fills)): one of them by name, with its arguments "
        "(`{background: {window: 50}}`, `{background: 50}`) or without (`background`), or a number for a level, or "
        "`[red, green, blue]`.",
    )
    stack: Literal["all", "newest"] = Field(
        "all",
        description="Where an observation is a stack of pictures: hide the same patch in all of them, each by its own "
        "fill, or in the newest alone. `newest` also makes the patch appear to move.",
    )
    memory_lag: Int = Field(
        0,
        ge=0,
        description="How many steps the recurrent memory is behind the screen. 0 is right; 1 is what the XAITK "
        "notebook did.",
    )


def _output(output: Output | None, info: ValidationInfo) -> Output | None:
    """Return the output that a scorer compares: as given, or its own, or ``logits``. Without a scorer, as given."""
    scorer = info.data.get("scorer")
    if scorer is None:
        return output
    own: Output | None = scorers.told(scorer, "OUTPUT")
    if output is not None and own is not None and output != own:
        raise ValueError(f"found '{output}', allowed: {own}, which {next(iter(scorer))} compares, or no output")
    return output or own or "logits"


def _temperature(temperature: float | None, info: ValidationInfo) -> float | None:
    if temperature is not None and (output := info.data.get("output")) not in (None, *OF_PROBABILITIES):
        raise ValueError(f"found {temperature:g} with the output '{output}', allowed: with {_either(OF_PROBABILITIES)}")
    return temperature


def _signed(signed: bool, info: ValidationInfo) -> bool:
    scorer, output = info.data.get("scorer"), info.data.get("output")
    if signed and scorer is not None and not scorers.told(scorer, "SIGNED"):
        allowed = _either(scorers.signed_ones())
        raise ValueError(f"found true with the scorer {next(iter(scorer))}, allowed: with {allowed}")
    if signed and output not in (None, "chosen_action"):
        raise ValueError(f"found true with the output '{output}', allowed: with chosen_action")
    return signed


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


# Keys of a method by a gradient.
_OF_GRADIENTS = {"gradient", "of", "signed", "scale", "gain"}


class Method(Table):
    """How a saliency map is made: from the responses to a perturbation by a scorer, or from a gradient."""

    perturbation: Name | None = Field(
        None, description="A name from `perturbations`; with a `scorer`.", examples=["window"]
    )
    scorer: Annotated[
        dict[str, dict[str, Any]] | None,
        Allowed("`NAME` or `{NAME: {argument: value}}`"),
        named_member(partial(plugins.check, "scorer")),
    ] = Field(
        None,
        description="How the outputs become a map: a [scorer](#scorers), with or without arguments.",
        examples=["OcclusionScoring"],
    )
    output: Annotated[Output | None, AfterValidator(_output)] = Field(
        None,
        validate_default=True,
        description="What of the network's answer the actor's map compares. `logits`: logits or Q-values as they are; "
        "`log_probabilities` or `probabilities` of all actions; `advantages`: logits or Q-values less their mean; "
        "`chosen_action`: that with the highest unperturbed output (also where actions are sampled), its "
        "log-probability, or of Q-networks its advantage. Without it: the scorer's own, or else `logits`.",
    )
    temperature: Annotated[PositiveFloat | None, AfterValidator(_temperature)] = Field(
        None,
        description="Q-networks have probabilities only by this: the softmax of the Q-values divided by it. Needed "
        "where probabilities of one are compared. A policy's own probabilities stay as they are.",
    )
    signed: Annotated[Bool, AfterValidator(_signed)] = Field(
        False,
        description="Keep the map's sign: what raises and what lowers the chosen action, and the value, in two "
        "colours. For a scorer that has a sign, with `output: chosen_action`; or for a gradient that has one.",
    )
    gradient: Annotated[
        dict[str, dict[str, Any]] | None,
        Allowed("`NAME` or `{NAME: {argument: value}}`"),
        named_member(gradients.check),
    ] = Field(
        None,
        description="In place of a perturbation and a scorer: a [gradient](#gradients), with or without arguments.",
        examples=["integrated_gradients"],
    )
    of: Literal["chosen_action", "every_action"] = Field(
        "chosen_action",
        description="What the actor's map by a gradient explains: the advantage of the action with the highest output "
        "(also where actions are sampled), or that of each action, their maps summed. An advantage is a logit or "
        "Q-value less the mean of all.",
    )
    scale: Literal["frame", "clip", "none"] = Field(
        "frame", description="Divide each map by its own maximum, all by the clip's, or leave them as they are."
    )
    gain: Float = Field(
        1,
        gt=0,
        description="Videos show the scaled map times this, cut at 1 (the paper's code calls it a fudge factor), and "
        "then under `video.gamma`.",
    )

    @model_validator(mode="after")
    def _one_way_to_make_maps(self) -> Method:
        given = {key for key in self.model_fields_set if getattr(self, key) is not None}
        if self.gradient is not None:
            extra = [key for key in type(self).model_fields if key in given - _OF_GRADIENTS]
            allowed = "without, which an overlay takes out by null"
            refuse([mistake(("gradient",), f"it beside {', '.join(extra)}", allowed)] if extra else [])
            (name,) = self.gradient
            if self.signed and name not in (having := gradients.signed_ones()):
                refuse([mistake(("signed",), f"true with the gradient {name}", f"with {_either(having)}")])
            if self.signed and self.of != "chosen_action":
                refuse([mistake(("signed",), f"true with of '{self.of}'", "with chosen_action")])
            return self
        needed = {"perturbation": "a name from perturbations", "scorer": "a scorer"}
        missing = [key for key in needed if getattr(self, key) is None]
        refuse(mistake((key,), "none", f"{needed[key]}, or a gradient in place of both") for key in missing[:1])
        if "of" in given:
            refuse([mistake(("of",), f"'{self.of}' without a gradient", "with one")])
        return self
