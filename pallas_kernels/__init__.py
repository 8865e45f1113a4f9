"""Raw accelerator kernels: arrays in, arrays out. Each comes with a reference in plain JAX."""

from ._common import why_not as why_not
from ._event_product import event_product as event_product
from ._event_product import event_product_reference as event_product_reference
from ._plastic_update import plastic_update as plastic_update
from ._plastic_update import plastic_update_reference as plastic_update_reference
from ._procedural_product import procedural_product as procedural_product
from ._procedural_product import procedural_product_reference as procedural_product_reference
