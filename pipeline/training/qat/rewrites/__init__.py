"""The canonical form: one layer an int8 operator, so that tfmot can put a fake-quant on every value that int8 stores.

Each rewrite is a function over a :class:`~pipeline.training.qat.graph.Graph` that keeps what the model computes and
returns what it changed. They run in the order of :data:`REWRITES`; a second round changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.training.qat.graph import Graph
from pipeline.training.qat.rewrites.attention import attention_to_operators
from pipeline.training.qat.rewrites.average_pooling import average_pooling_to_convolution
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.constants import constants_into_biases
from pipeline.training.qat.rewrites.convnext import convnext_to_standard
from pipeline.training.qat.rewrites.fixed_mode import without_fixed_mode
from pipeline.training.qat.rewrites.fused_activations import simplify_activations, split_activations
from pipeline.training.qat.rewrites.lambdas import expand_activations, expand_lambdas
from pipeline.training.qat.rewrites.layer_norm import plain_layer_norms
from pipeline.training.qat.rewrites.lone_batch_norm import carry_lone_batch_norms
from pipeline.training.qat.rewrites.lone_relu6 import carry_lone_relu6
from pipeline.training.qat.rewrites.merges import pairwise_merges
from pipeline.training.qat.rewrites.nested import flatten_nested
from pipeline.training.qat.rewrites.one_dimensional import sequences_to_images
from pipeline.training.qat.rewrites.operators import operators_to_layers
from pipeline.training.qat.rewrites.pointwise import dense_to_pointwise
from pipeline.training.qat.rewrites.pooling import global_max_to_pooling
from pipeline.training.qat.rewrites.preprocessing import preprocessing_to_convolutions
from pipeline.training.qat.rewrites.recurrent import unrolled_to_operators
from pipeline.training.qat.rewrites.separable import split_separable
from pipeline.training.qat.rewrites.tokens import tokens_to_integers

REWRITES: tuple[Callable[[Graph], list[Change]], ...] = (
    flatten_nested,
    without_fixed_mode,
    expand_lambdas,
    expand_activations,
    convnext_to_standard,
    operators_to_layers,
    attention_to_operators,
    plain_layer_norms,
    tokens_to_integers,
    unrolled_to_operators,
    sequences_to_images,
    split_separable,
    dense_to_pointwise,
    split_activations,
    simplify_activations,
    pairwise_merges,
    global_max_to_pooling,
    average_pooling_to_convolution,
    preprocessing_to_convolutions,
    constants_into_biases,
    carry_lone_batch_norms,
    carry_lone_relu6,
)
"""In the order in which they run: each finds what the ones before it made."""

__all__ = ["REWRITES", "Change", "canonical"]


def canonical(graph: Graph) -> list[Change]:
    """Bring a graph into the canonical form, in place.

    Returns:
        What was changed, in the order of the rewrites.
    """
    changes = [change for rewrite in REWRITES for change in rewrite(graph)]
    graph.prune()
    return changes
