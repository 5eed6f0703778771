"""Types of values in a config: strict numbers, and the base model of tables and arguments."""

from __future__ import annotations

from typing import Annotated

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, Strict

from searchlight.config.allowed import Allowed

# Strict: texts are no numbers, numbers no truth values, and infinite numbers are errors.
Bool = Annotated[bool, Strict()]
Int = Annotated[int, Strict()]
Float = Annotated[float, Strict(), AllowInfNan(False)]
Probability = Annotated[Float, Field(ge=0, le=1)]
# Strictly between 0 and 1.
Chance = Annotated[Float, Field(gt=0, lt=1)]
PositiveInt = Annotated[Int, Field(gt=0)]
PositiveFloat = Annotated[Float, Field(gt=0)]
# Height and width, in pixels.
IntPair = Annotated[tuple[PositiveInt, PositiveInt], Allowed("[y, x], whole numbers greater than 0")]
FloatPair = Annotated[tuple[PositiveFloat, PositiveFloat], Allowed("[y, x], numbers greater than 0")]


class Table(BaseModel):
    """A table of the config: unknown keys are errors, and values cannot change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
