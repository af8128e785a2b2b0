"""What the first-level keyset has to be so that a keying can seal with it."""

from reseal.arguments import Keying
from reseal.deterministic_aead import DeterministicAead
from reseal.errors import RunError
from reseal.keysets import Aead, Keyset

# The types of KEYS.NEW_WRAPPED_KEYSET, as the keysets table's column `algorithm` names them.
# https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysnew_wrapped_keyset
AES_GCM = "AEAD_AES_GCM_256"
AES_SIV = "DETERMINISTIC_AEAD_AES_SIV_CMAC_256"


def check_first_level(keyset: Keyset, keying: Keying) -> None:
    """Checks that the keyset's primary key seals in the keying.

    Raises RunError `keyset-type` if it is of the type that another keying needs, and Rejection `unknown-key`
    or `key-length` if it seals in none.
    """
    needed = AES_SIV if keying == "deterministic" else AES_GCM
    for key in keyset.keys:
        if key.id == keyset.primary_id and (key.aes, key.siv) != (None, None):
            found = AES_GCM if key.siv is None else AES_SIV
            if found != needed:
                message = f"the first-level keyset is of the type {found}; the keying {keying} needs {needed}"
                raise RunError("keyset-type", message)
    if needed == AES_SIV:
        DeterministicAead(keyset).primary()
    else:
        Aead(keyset).primary()
