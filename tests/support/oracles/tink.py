"""Opens AEAD ciphertexts with official Tink.

Standard input: [{"keyset": base64, "ciphertext": base64, "aad": text}]; standard output: for each, the
plaintext in base64, or {"error": why}. The script's own folder is left out of the module path: it holds
a file of Tink's name.
"""

import base64
import io
import json
import sys
from typing import Any

sys.path.pop(0)

import tink
from tink import aead, cleartext_keyset_handle

aead.register()


def opened(item: dict[str, str]) -> str | dict[str, str]:
    try:
        keyset = base64.b64decode(item["keyset"], validate=True)
        handle: Any = cleartext_keyset_handle.read(tink.BinaryKeysetReader(keyset))
        ciphertext = base64.b64decode(item["ciphertext"], validate=True)
        plain: bytes = handle.primitive(aead.Aead).decrypt(ciphertext, item["aad"].encode())
    except (tink.TinkError, ValueError) as error:
        return {"error": str(error)}
    return base64.b64encode(plain).decode()


if __name__ == "__main__":
    requests = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    json.dump([opened(item) for item in json.load(requests)], sys.stdout)
