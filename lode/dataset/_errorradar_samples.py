"""The options of both questions about ErrorRadar's own table, and the samples that they make."""

from collections.abc import Callable, Iterator, Mapping

from lode.dataset import Sample
from lode.dataset._errorradar import Asking, Question
from lode.dataset._errorradar_table import Place, place_of, solutions
from lode.dataset._splits import Draw


def samples_of_table(question: Question) -> Callable[..., Iterator[Sample]]:
    """`samples` of a plug-in that asks one question of every solution of the table."""

    def samples(
        split: str,
        num_samples: int,
        seed: int,
        columns: Mapping[str, str | None],
        path: str | None = None,
        source: str | None = None,
        revision: str | None = None,
        table: str | None = None,
        images: str | None = None,
        categories: Mapping[str | int, str] | None = None,
        first_step: int = 1,
        separator: str | None = None,
        with_answer: bool = True,
        think_first: bool = False,
        mine_frac: float = 0.5,
    ) -> Iterator[Sample]:
        """Yield a uniform draw of the split.

        Args:
            split: `mine` or `test`; an image is in one of them.
            num_samples: at most this many.
            seed: of the split, of the draw, and of the order of the kinds of error.
            columns: theirs by ours: question, image, correct_answer, student_answer, steps, gold_step, category,
                problem_type.
            path: the table of a copy here (CSV, JSON, JSON lines, Parquet); it comes before `source`.
            source: a hub id or a folder.
            revision: of the hub dataset.
            table: the file of `source` that holds the records.
            images: the folder that names of image files start from: here with `path`, else within `source`.
            categories: our VIS, CAL, KNOW, MIS, REAS by theirs; None: they use ours.
            first_step: the number of the first step in their gold steps.
            separator: what stands between the steps in a text; None: they are a list, or a list in JSON.
            with_answer: the prompt tells the right answer.
            think_first: the reply may reason before it answers; raise `max_new_tokens` with it.
            mine_frac: share of the images that go to `mine`.

        Raises:
            UserError: no table is named, the map does not fit it, or a record has a value of another form.
        """
        origin, file, of_images, folder = place_of(path, source, revision, table, images)
        place = Place(origin, file, of_images, folder, columns, categories or {}, first_step, separator)
        asking = Asking(with_answer, think_first, seed=seed)
        for solution in solutions(place, Draw(split, num_samples, seed, mine_frac)):
            yield question(solution, asking)

    return samples
