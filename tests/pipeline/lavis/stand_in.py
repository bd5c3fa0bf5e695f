"""A folder that stands in for ``.lavis``: LAVIS's modules in a few lines, to be seen by the process that is started.

Its captioner says ``red`` for bright pictures and ``blue`` for dark ones. Pictures whose grey level is 1 are too large
for its GPU, 2 makes it fail, 3 makes it print.
"""

from pathlib import Path

MODULES = {
    "torchvision/__init__.py": "",  # the true one takes seconds to import
    "which.py": "import transformers, pipeline; print(transformers.__file__, pipeline.__file__, sep='\\n')",
    "transformers/__init__.py": """
class Encoding(dict):
    @property
    def input_ids(self):
        return self["input_ids"]

    def to(self, device):
        return self

class BertTokenizer:
    words = []
    pad_token_id, sep_token_id = 0, 3

    def __init__(self, path, do_lower_case):
        assert do_lower_case
        with open(path) as lines:
            self.words[:] = lines.read().splitlines()

    def add_special_tokens(self, special):
        self.bos_token_id = self.words.index(special["bos_token"])

    def __call__(self, texts, return_tensors):
        import torch
        ids = [[2, *(self.words.index(word) for word in text.replace("-", " - ").split()), 3] for text in texts]
        return Encoding(input_ids=torch.tensor(ids))

    def batch_decode(self, rows, skip_special_tokens):
        assert skip_special_tokens
        words = [[self.words[number] for number in row] for row in rows.tolist()]
        return [" ".join(word for word in said if "[" not in word) for said in words]

class BertConfig:
    def __init__(self, **values):
        self.values = values

class LogitsProcessorList(list):
    pass
""",
    "lavis/__init__.py": "raise ImportError('every model of LAVIS')",
    "lavis/models/__init__.py": "raise ImportError('every model of LAVIS')",
    "lavis/models/blip_models/__init__.py": "raise ImportError('every model of LAVIS')",
    "lavis/models/base_model.py": """
import torch

class BaseModel(torch.nn.Module):
    pass
""",
    "lavis/models/vit.py": """
import torch

class VisionTransformerEncoder(torch.nn.Module):
    def __init__(self, norm_layer, embed_dim, img_size, patch_size, depth, num_heads, mlp_ratio):
        super().__init__()
        self.norm = norm_layer(embed_dim)
""",
    "lavis/models/med.py": """
import os

import torch
from transformers import BertTokenizer

class XBertLMHeadDecoder(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config

    def generate_from_encoder(self, prompt, seen, sep_token_id, pad_token_id, **options):
        assert options == {"num_beams": 2, "min_length": 4, "max_length": 8, "repetition_penalty": 1.0}
        levels = (seen[:, 0, 0].float() * 255).round().int().tolist()
        if 1 in levels:
            raise torch.OutOfMemoryError("the GPU")
        if 2 in levels:
            raise RuntimeError("no such caption")
        if 3 in levels:
            print("a line on stdout")
            os.system("echo a child's")
        colours = [BertTokenizer.words.index("red" if level > 127 else "blue") for level in levels]
        said = torch.tensor([[colour, sep_token_id, pad_token_id] for colour in colours])
        return torch.cat([prompt.input_ids, said], dim=1)

    def generate(self, input_ids, encoder_hidden_states, logits_processor, max_length, **options):
        (nucleus,) = logits_processor
        scores = torch.zeros(len(input_ids), len(BertTokenizer.words))
        scores[:, :5] = -torch.inf
        while input_ids.shape[1] < max_length:
            input_ids = torch.cat([input_ids, nucleus(input_ids, scores).argmax(-1, keepdim=True)], dim=1)
        return input_ids
""",
    "lavis/models/blip_models/blip_caption.py": """
from lavis.models import BaseModel

class BlipCaption(BaseModel):
    def __init__(self, image_encoder, text_decoder, prompt):
        super().__init__()
        self.tokenizer, self.prompt = self.init_tokenizer(), prompt
        self.visual_encoder, self.text_decoder = image_encoder, text_decoder

    def load_state_dict(self, state, strict):
        own = {name: weight for name, weight in state.items() if name.startswith("visual_encoder.norm.")}
        return super().load_state_dict(own, strict)

    def forward_encoder(self, samples):
        return samples["image"][:, 0]
""",
}


def write(folder):
    """The stand-in, complete; gives the folder."""
    for name, text in MODULES.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
