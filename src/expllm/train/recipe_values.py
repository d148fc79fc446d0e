"""Types of the values in a recipe, as pydantic checks them."""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field


def _number(value: object) -> object:
    """YAML 1.1 reads 5e-4 as a text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _items(value: object) -> object:
    """Lists of YAML, and of the command line: `projector,language_lora`."""
    return (
        tuple(value.split(",") if isinstance(value, str) else value)
        if isinstance(value, str | list)
        else value
    )


Items: Final = BeforeValidator(_items)
Number = Annotated[float, BeforeValidator(_number)]
AtLeast0 = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Names = Annotated[tuple[str, ...], Items]
