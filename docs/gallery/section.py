"""What a family of the gallery is made of: sections with panels, one model or more in each."""

import dataclasses
from collections.abc import Callable

from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True)
class Panel:
    """One picture in a grid.

    `models`: the names in `fdyn.components` that it is about, one or several, which the page of
    the family then describes; `()` for a picture of models that another section describes.
    `draw`: runs the library and draws into the axes, with units on both; `title`: above them, the
    names of the models by default.
    """

    models: tuple[str, ...] | str
    draw: Callable[[Axes], None]
    title: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The models as a tuple."""
        return (self.models,) if isinstance(self.models, str) else tuple(self.models)

    @property
    def heading(self) -> str:
        """What stands above the axes."""
        return self.title or ", ".join(self.names)


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page: its title, a text in markdown, a grid of panels.

    `others`: models without a panel of their own; `pictures`: files of docs/pictures that an
    example has drawn.
    """

    title: str
    text: str
    panels: tuple[Panel, ...] | list[Panel] = ()
    others: tuple[str, ...] | str = ()
    pictures: tuple[str, ...] | str = ()

    @property
    def models(self) -> list[str]:
        """Every model of the section once, in the order of the panels."""
        others = (self.others,) if isinstance(self.others, str) else self.others
        return list(dict.fromkeys([*(n for p in self.panels for n in p.names), *others]))
