"""Upload the checkpoints and the demo to the Hugging Face Hub: ``python experiments/publish.py OWNER --dry-run``.

Log in first by ``hf auth login``. Each checkpoint becomes the model ``OWNER/fer-lightning-NAME``, the folder that
``make space`` writes the Space ``OWNER/fer-lightning``.
"""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from fer_data.errors import UserError, sentences
from fer_data.files import write_atomically
from fer_models import hub


class Upload(NamedTuple):
    """A folder and the repository that it becomes; ``kind`` is ``model`` or ``space``."""

    folder: Path
    repository: str
    kind: str


def main(argv: Sequence[str] | None = None) -> None:
    """Upload as the command line says."""
    parser = ArgumentParser(prog="publish.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("owner", help="user or organisation on the Hub")
    parser.add_argument("--space", type=Path, default=Path("dist/space"), help="what `make space` wrote")
    parser.add_argument("--private", action="store_true", help="let nobody else see them")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be uploaded, and stop")
    options = parser.parse_args(argv)
    with sentences():
        uploads = list(plan(options.owner, options.space))
        for upload in uploads:
            files = [path for path in upload.folder.rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files) / 1e6
            print(f"{upload.kind} {upload.repository}: {len(files)} files, {size:.1f} MB, from {upload.folder}")
        if not options.dry_run:
            publish(uploads, options.private)


def plan(owner: str, space: Path) -> Iterator[Upload]:
    """List what is to be uploaded.

    Raises:
        UserError: There is no Space's folder, or no checkpoint.
    """
    if not (space / "app.py").is_file():
        raise UserError(f"{space} holds no Space: run `make space` first")
    names = hub.available()
    if not names:
        raise UserError(f"there is no checkpoint in {hub.checkpoints_dir()}")
    for name in names:
        yield Upload(hub.folder_of(name), f"{owner}/fer-lightning-{name}", "model")
    yield Upload(space, f"{owner}/fer-lightning", "space")


def publish(uploads: Sequence[Upload], private: bool) -> None:
    """Make the repositories where they aren't there yet, and upload the folders.

    Raises:
        UserError: The Hub refuses.
    """
    api = HfApi()
    models = [upload.repository for upload in uploads if upload.kind == "model"]
    for upload in uploads:
        if upload.kind == "space":
            link_models(upload.folder / "README.md", models)
        sdk = "gradio" if upload.kind == "space" else None
        try:
            api.create_repo(upload.repository, repo_type=upload.kind, private=private, exist_ok=True, space_sdk=sdk)
            address = api.upload_folder(
                repo_id=upload.repository, repo_type=upload.kind, folder_path=upload.folder, delete_patterns="*"
            )
        except (HfHubHTTPError, LocalTokenNotFoundError) as error:
            raise UserError(f"the Hub refused {upload.repository} ({error}): log in by `hf auth login`") from error
        print(f"uploaded {address}")


def link_models(readme: Path, models: Sequence[str]) -> None:
    """Name the models in a Space's front matter."""
    lines = [line for line in readme.read_text().splitlines() if not line.startswith("models: ")]
    lines.insert(1, f"models: [{', '.join(models)}]")
    write_atomically(readme, ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
