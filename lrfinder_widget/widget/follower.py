"""What a watching widget has in place of a model: a sweep that runs elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfinder_widget.choice import write_choice
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.following import Followed, journal_path
from lrfinder_widget.optimizer_lr import RateChange
from lrfinder_widget.rate_writing import Writes
from lrfinder_widget.runner import Runner
from lrfinder_widget.schedule_code import code
from lrfinder_widget.widget.finder import Finder

if TYPE_CHECKING:
    import os
    from concurrent.futures import Future

    from lrfinder_widget.runner import Listener
    from lrfinder_widget.schedules import Kind
    from lrfinder_widget.settings import SweepSettings


class Follower(Finder):
    """A `Finder` that reads points from a journal, and writes the choice beside it.

    Parameters
    ----------
    path
        The journal, or the folder of a run; it need not be there yet.
    listener
        Who is told of the points.

    Raises
    ------
    SettingsError
        If there is no such folder.
    LRFinderError
        If the file is no journal.
    """

    def __init__(  # a Finder's begins with a model
        self, path: str | os.PathLike[str], listener: Listener
    ) -> None:
        self._path = journal_path(path)
        self._followed = Followed(self._path)
        self._beta: float | None = None
        self._smoothing_chosen = False
        self.result = None
        self._changes = []
        self._executor = None
        self.runner = Runner(listener)

    @property
    def settings(self) -> SweepSettings:
        """Those of the sweep, with the smoothing that was chosen here."""
        own = self._followed.settings
        return own.replace(beta=self._beta) if self._smoothing_chosen else own

    @settings.setter
    def settings(self, changed: SweepSettings) -> None:
        self._beta, self._smoothing_chosen = changed.beta, True

    @property
    def follows(self) -> str:
        """The journal that is followed."""
        return str(self._path)

    @property
    def settling(self) -> bool:
        """False: the other process settles it."""
        return False

    def optimizer_state(self) -> dict[str, Any]:
        """Return the optimizer's name; its groups are written where the sweep runs."""
        return {"name": self._followed.optimizer, "detail": "", "groups": []}

    def start(self) -> Future[Any]:
        """Follow from the first point on."""
        self.refuse_closed()
        self._followed = Followed(self._path)
        return self.runner.run(self._followed)

    def check_free(self) -> None:
        """Raise `LRFinderError` if the widget is closed."""
        self.refuse_closed()

    def configure(self, changes: dict[str, Any]) -> bool:
        """Change the smoothing; nothing else of a sweep elsewhere can be changed.

        Raises
        ------
        SettingsError
            If anything else is to be changed.
        """
        known = self.settings.to_dict()
        others = [name for name in changes if name != "beta" and changes[name] != known[name]]
        if others:
            raise SettingsError(
                f"{others[0]} cannot be changed from here: the sweep runs elsewhere"
            )
        return super().configure({name: changes[name] for name in changes if name == "beta"})

    def apply(self, lr: float) -> RateChange:
        """Write the choice beside the journal, for the process that waits for it."""
        path = write_choice(self._path, lr)
        note = f"Written to {path}, where lr-finder run --wait-for-choice picks it up."
        return RateChange(lr, [], [note], [], Writes())

    def code(self, schedule: Kind, lr: float) -> str:
        """Return lines that train at `lr`."""
        return code(schedule, lr)

    @property
    def loader(self) -> None:
        """None: nothing is read here."""
        return None
