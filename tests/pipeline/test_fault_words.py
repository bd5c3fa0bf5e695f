from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.fault_words import keys, told


class Round(BaseModel):
    kind: Literal["round"]
    width: int = Field(ge=1)

    @model_validator(mode="after")
    def _lucky(self) -> Self:
        if self.width == 13:
            raise ValueError("must not be 13 wide")
        return self


class Square(BaseModel):
    kind: Literal["square"]
    side: int


class Sheet(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = "a"
    shapes: list[Annotated[Round | Square, Field(discriminator="kind")]] = []
    places: list[Square | int] = []

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value) > 200:
            raise ValueError("must be short")
        return value


def fault(content: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Sheet.model_validate(content)
    return caught.value


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"name": 3}, "name should be a valid string, got 3"),
        ({"name": "b" * 201}, f"name must be short, got '{'b' * 99}..."),
        ({"colour": "red"}, "colour is not known"),
        ({"shapes": [{"kind": "round", "width": 0}]}, "shapes.0.width should be greater than or equal to 1, got 0"),
        ({"shapes": [{"kind": "square"}]}, "shapes.0.side is missing"),
        ({"places": [1, "there"]}, "places.1 should be a valid dictionary or instance of Square, got 'there'"),
        ([], "Input should be a valid dictionary or instance of Sheet"),
    ],
)
def test_the_first_fault_is_told_by_the_key_that_the_user_wrote(content: Any, text: str) -> None:
    assert told(fault(content), content) == text


def test_where_the_content_is_not_at_hand_a_union_names_its_member_too() -> None:
    error = fault({"shapes": [{"kind": "square"}]})
    assert told(error) == "shapes.0.square.side is missing"
    assert told(error, what="column") == "column shapes.0.square.side is missing"
    (first,) = error.errors(include_url=False)
    assert keys(first, {"shapes": [{"kind": "square"}]}) == ("shapes", "0", "side")


def test_a_fault_of_a_unions_member_as_a_whole_does_not_name_the_member() -> None:
    content = {"shapes": [{"kind": "round", "width": 13}]}
    assert told(fault(content), content).startswith("shapes.0 must not be 13 wide, got {")
