"""Rows of RECORDS for tests."""


def record(source_id, **changes):
    row = {
        "sample_id": f"lexica:{source_id}",
        "source": "lexica",
        "source_id": source_id,
        "page_url": f"https://lexica.art/prompt/{source_id}",
        "image_url": f"https://image.lexica.art/{source_id}",
        "access_basis": "API",
        "licence": "CC0",
        "licence_url": "https://lexica.art/terms",
        "nsfw_level": 1,
        "prompt": f"(star:1.{source_id})",
        "complex_prompt": f"star {source_id}",
        "meta_json": "{}",
    }
    return {**row, **changes}
