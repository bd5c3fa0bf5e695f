"""A file as the SUR-adapter's authors save it, with random weights, and their network's formulas written by hand."""

import hashlib

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HIDDEN = 16, 24
HEADS = 8


def modules(width=WIDTH, hidden=HIDDEN):
    """``torch.nn`` pieces under the authors' 48 names."""
    layer = nn.TransformerEncoderLayer(width, HEADS, hidden)
    square = nn.ModuleDict({f"{name}_layer": nn.Linear(width, width) for name in ("query", "key", "value")})
    square["output_layer"] = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
    return nn.ModuleDict(
        {
            "encoder_layer": layer,
            "transformer_encoder": nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
            "attention": square,
            "fc": nn.Linear(width, width),
        }
    )


def state(width=WIDTH, hidden=HIDDEN, seed=0):
    """Weights of a size that matters, all of them random."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = modules(width, hidden).state_dict()
        return {name: value + 0.3 * torch.randn(value.shape) for name, value in made.items()}


def write(path, weights=None, **kwargs):
    torch.save(state() if weights is None else weights, path, **kwargs)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def theirs(weights, x, eta):
    """The condition of the authors' network with its dropout off, in float64: (batch, tokens, width) in and out."""
    w = {name: value.double() for name, value in weights.items()}
    x = x.double()
    h = x
    for number in range(2):
        h = _layer(w, f"transformer_encoder.layers.{number}", h)
    Q, K = _linear(w, "attention.query_layer", h), _linear(w, "attention.key_layer", x)
    rows = []
    for q, k, v in zip(Q, K, x, strict=True):  # over the tokens of one prompt, single head
        mixed = torch.softmax(q @ k.T / x.shape[-1] ** 0.5, dim=1) @ v + v
        r = mixed + _linear(w, "attention.output_layer.2", _linear(w, "attention.output_layer.0", mixed).clamp(min=0))
        rows.append(eta * _linear(w, "fc", r) + (1 - eta) * v)
    return torch.stack(rows)


def _layer(w, name, x):
    """Post-norm, ReLU; the attention of each head and token position runs over the batch."""
    width = x.shape[-1]
    projections = F.linear(x, w[f"{name}.self_attn.in_proj_weight"], w[f"{name}.self_attn.in_proj_bias"])
    q, k, v = (part.unflatten(-1, (HEADS, width // HEADS)) for part in projections.chunk(3, dim=-1))
    scores = torch.einsum("athd,bthd->thab", q, k) / (width // HEADS) ** 0.5
    heads = torch.einsum("thab,bthd->athd", torch.softmax(scores, dim=-1), v).flatten(-2)
    x = _norm(w, f"{name}.norm1", x + _linear(w, f"{name}.self_attn.out_proj", heads))
    fed = _linear(w, f"{name}.linear2", _linear(w, f"{name}.linear1", x).clamp(min=0))
    return _norm(w, f"{name}.norm2", x + fed)


def _linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _norm(w, name, x):
    deviation = (x.var(dim=-1, correction=0, keepdim=True) + 1e-5).sqrt()
    return (x - x.mean(dim=-1, keepdim=True)) / deviation * w[f"{name}.weight"] + w[f"{name}.bias"]
