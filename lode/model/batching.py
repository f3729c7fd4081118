"""Walk samples in batches, with half as many in a batch from where memory runs out.

The same idea as `accelerate.find_executable_batch_size`, but what is done stays done: only the batch that failed is
tried again. A batch must leave nothing behind when it fails, or it would count twice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from accelerate.utils import release_memory
from tqdm import tqdm

from lode.engine.errors import UserError

Result = TypeVar("Result")
Sample = Mapping[str, Any]

#: What the errors of CUDA, Metal, cuBLAS and the CPU's allocator say when memory runs out; only CUDA's has a type.
OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory")


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that less at once could fit."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in OUT_OF_MEMORY)


def in_batches(
    samples: Sequence[Sample], batch_size: int, work: Callable[[Sequence[Sample]], Result], title: str = ""
) -> tuple[list[Result], int]:
    """Work through all samples in order.

    Args:
        samples: rows of a dataset table.
        batch_size: how many at once to begin with.
        work: what is done with a batch; called again with fewer samples where memory ran out.
        title: what the progress bar says.

    Returns:
        The results, one a batch, and the batch size in the end.

    Raises:
        UserError: one sample alone does not fit.
    """
    results: list[Result] = []
    done = 0
    with tqdm(total=len(samples), desc=title, unit="sample") as progress:
        while done < len(samples):
            part = samples[done : done + batch_size]
            failed = False
            try:
                results.append(work(part))
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise too_large(part[0], error) from error
                failed = True
            if failed:  # only now does the error no longer hold on to the tensors of the batch
                batch_size = len(part) // 2
                release_memory()
                progress.write(f"memory ran out with {len(part)} samples at once; on with {batch_size}")
                continue
            done += len(part)
            progress.update(len(part))
    return results, batch_size


def too_large(sample: Sample, error: Exception) -> UserError:
    """The error for a sample that does not fit alone."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    return UserError(
        f"sample {sample['sample_id']}: memory ran out with this one sample alone ({reason}); expected at least one to "
        "fit. Use model.dtype=bfloat16, runtime.device=spread with more GPUs, or fewer pixels or frames "
        "(model.processor, model.max_frames)"
    )
