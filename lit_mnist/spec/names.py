"""Names that layers may have."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
# A layer becomes an attribute of its network, so it cannot have the name of an attribute that every
# torch module has
_RESERVED = frozenset(
    """
    T_destination activity_layers add_module apply bfloat16 buffers call_super_init children compile
    cpu cuda double dump_patches eval extra_repr float forward get_buffer get_extra_state
    get_parameter get_submodule half ipu load_state_dict layer_values load_weights logits_from
    module_of modules mtia named_buffers named_children named_modules named_parameters named_weights
    names parameters pool_after probabilities register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state
    set_submodule share_memory spec state_dict to to_empty train training training_logits type xpu
    zero_grad
""".split()
)


def is_layer_name(name: object) -> bool:
    """Return whether `name` is an identifier and no attribute of torch modules."""
    return isinstance(name, str) and _NAME.match(name) is not None and name not in _RESERVED
