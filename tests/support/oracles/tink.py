"""Opens and seals values with official Tink.

Standard input: [{"keyset": base64, "aad": text, and "ciphertext" or "plaintext": base64}], with
"deterministic": true for a keyset of AES-SIV; standard output: for each, the plaintext or the ciphertext in
base64, or {"error": why}. An item without a keyset asks for a new one of AES-SIV. The script's own folder is
left out of the module path: it holds a file of Tink's name.
"""

import base64
import io
import json
import sys
from typing import Any

sys.path.pop(0)

import tink
from tink import aead, cleartext_keyset_handle, daead

aead.register()
daead.register()


def new_keyset() -> bytes:
    handle = tink.new_keyset_handle(daead.deterministic_aead_key_templates.AES256_SIV)
    written = io.BytesIO()
    cleartext_keyset_handle.write(tink.BinaryKeysetWriter(written), handle)
    return written.getvalue()


def answer(item: dict[str, Any]) -> bytes:
    if "keyset" not in item:
        return new_keyset()
    keyset = base64.b64decode(item["keyset"], validate=True)
    handle: Any = cleartext_keyset_handle.read(tink.BinaryKeysetReader(keyset))
    aad = item["aad"].encode()
    seals = "plaintext" in item
    value = base64.b64decode(item["plaintext" if seals else "ciphertext"], validate=True)
    if item.get("deterministic"):
        siv = handle.primitive(daead.DeterministicAead)
        act = siv.encrypt_deterministically if seals else siv.decrypt_deterministically
    else:
        gcm = handle.primitive(aead.Aead)
        act = gcm.encrypt if seals else gcm.decrypt
    done: bytes = act(value, aad)
    return done


def answered(item: dict[str, Any]) -> str | dict[str, str]:
    try:
        return base64.b64encode(answer(item)).decode()
    except (tink.TinkError, ValueError) as error:
        return {"error": str(error)}


if __name__ == "__main__":
    requests = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    json.dump([answered(item) for item in json.load(requests)], sys.stdout)
