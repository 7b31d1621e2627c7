"""Put generators side by side: ``python experiments/compare_generators.py --out reports/generators``.

Writes a grid of each one's faces, from the same seed, and a table of the figures that their ``config.json`` tell.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_data.errors import UserError, sentences


def main(argv: Sequence[str] | None = None) -> None:
    """Compare as the command line says."""
    parser = ArgumentParser(prog="compare_generators.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", help="checkpoints; all generators in checkpoints/ if none is named")
    parser.add_argument("--seed", type=int, default=0, help="of the grids (default: 0)")
    parser.add_argument("--columns", type=int, default=12, help="faces in a row of the grids (default: 12)")
    parser.add_argument("--out", type=Path, default=Path("reports/generators"), help="folder (default: %(default)s)")
    options = parser.parse_args(argv)
    with sentences():
        compare(options.names or generators(), options.seed, options.columns, options.out)


def generators() -> list[str]:
    """List the published generators.

    Raises:
        UserError: There is none.
    """
    from fer_models import hub
    from fer_models.networks import GENERATORS

    names = [name for name in hub.available() if hub.describe(name)["model"] in GENERATORS]
    if not names:
        raise UserError(f"there is no generator in {hub.checkpoints_dir()}: train and export one")
    return names


def compare(names: Sequence[str], seed: int, columns: int, out: Path) -> None:
    """Write grids and table, and print the table."""
    import pandas as pd

    from fer_data.files import write_atomically
    from fer_models.drawing import png, tile
    from fer_models.generate import load_generator

    rows: dict[str, Any] = {}
    for name in names:
        generator = load_generator(name)
        rows[name] = figures(generator.checkpoint.config)
        write_atomically(out / f"{name}.png", png(tile(grid(generator, seed, columns), columns)))
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.to_csv(out / "generators.csv", index_label="model")
    print(table.to_string(na_rep="-"))
    print(f"grids and generators.csv: {out}")


def grid(generator: Any, seed: int, columns: int) -> Any:
    """Make seven rows of faces, uint8 (7 * columns, 48, 48): one latent a column where emotions can be chosen."""
    if generator.conditional:
        return generator.all_emotions(generator.latents(columns, seed))
    return generator.sample([0] * (7 * columns), seed)


def figures(config: dict[str, Any]) -> dict[str, Any]:
    """Take what a table shows from a ``config.json``."""
    metrics = config["metrics"]["test"]
    generated, obedience, cas = metrics["sets"]["generated"], metrics["obedience"], metrics.get("cas")
    shown = {key: round(generated[key], 3) for key in ("fd_fer", "precision", "recall", "density", "coverage")}
    return {
        "parameters, M": round(config["parameters"] / 1e6, 2),
        "n": generated["n"],
        **shown,
        "obedience": obedience and round(obedience["accuracy"], 3),
        "CAS ratio": cas and round(cas["ratio"], 3),
        "copied": round(metrics["copying"]["pixels"]["share"], 4),
    }


if __name__ == "__main__":
    main()
