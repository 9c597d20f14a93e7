"""Tables of numbers: a cell without a value shows the dash and a numbered reason below the table."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.papers.words import DASH


@dataclass(frozen=True)
class Cell:
    """One cell; ``why`` says why its value is unknown and is only kept where the dash stands."""

    text: str
    why: str | None = None


@dataclass(frozen=True)
class Row:
    """One row with its heading; ``mark`` is a CSS class that sets it apart."""

    heading: str
    cells: tuple[Cell, ...]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    caption:
        What it shows.
    columns:
        Heading and unit of each column, that of the row headings first.
    rows:
        The rows; each has one cell fewer than there are columns.
    groups:
        Headings over several columns: words and how many columns they span; empty for none.
    note:
        A remark below.

    Raises
    ------
    ValueError
        A row, or the groups, do not fit the columns.
    """

    caption: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    groups: tuple[tuple[str, int], ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(row.cells) != len(self.columns) - 1 for row in self.rows):
            raise ValueError("every row of a table has a cell for every column")
        if self.groups and sum(span for _, span in self.groups) != len(self.columns):
            raise ValueError("the groups of a table span its columns")

    @property
    def reasons(self) -> tuple[str, ...]:
        """The different reasons for dashes, in the order in which they first stand in the table."""
        found = [cell.why for row in self.rows for cell in row.cells if cell.text == DASH and cell.why]
        return tuple(dict.fromkeys(found))

    def reason_number(self, cell: Cell) -> int | None:
        """Number of the reason behind a dash, from 1; ``None`` where there is a value or no reason."""
        if cell.text != DASH or not cell.why:
            return None
        return self.reasons.index(cell.why) + 1
