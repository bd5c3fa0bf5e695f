"""Write the model folders' revisions into params.yaml, the profile and studies: ``python -m miniature.revisions``.

``check`` refuses a folder whose content is not the revision that params.yaml names, so whoever builds a model
says so there.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.files import write_text
from pipeline.model_folders import write_revision

MODELS = Path("miniature/models")
SETTINGS = (Path("params.yaml"), Path("profiles/miniature.yaml"), *sorted(Path("studies").glob("*.yaml")))


def main(models: Path = MODELS, settings: Iterable[Path] = SETTINGS) -> None:
    """Digest every model folder; put the digest where a settings file names the folder."""
    revisions = {folder.as_posix(): write_revision(folder) for folder in sorted(models.iterdir()) if folder.is_dir()}
    for path in settings:
        text = path.read_text(encoding="utf-8")
        for model, revision in revisions.items():
            text = re.sub(
                rf"((?:\w+\.)?model: {re.escape(model)}\n +(?:\w+\.)?revision: )\S+",
                rf"\g<1>{_as_text(revision)}",
                text,
            )
        write_text(path, text)


def _as_text(revision: str) -> str:
    """Quoted where YAML would read a number (all digits, or digits and one e)."""
    return revision if isinstance(YAML(typ="safe").load(revision), str) else f"'{revision}'"


if __name__ == "__main__":
    main()
