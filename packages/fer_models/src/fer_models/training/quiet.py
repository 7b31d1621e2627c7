"""Less talk from Lightning."""

import logging
import warnings


def quiet_lightning() -> None:
    """Keep Lightning's advice and advertisement off the screen; its warnings stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Lightning 2.6 asks torch's pytree in an old way; it works.
    warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated", FutureWarning)
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty", UserWarning)
    # None is faster than some where the processor trains as well; --num_workers says so.
    warnings.filterwarnings("ignore", ".* does not have many workers", UserWarning)
