"""CRC-32C (Castagnoli), the checksum of Cloud KMS's Crc32c fields; zlib's CRC-32 has another polynomial.

https://cloud.google.com/kms/docs/data-integrity-guidelines
"""

# The polynomial 0x1EDC6F41, bits reversed (RFC 3720 appendix B.4).
POLYNOMIAL = 0x82F63B78


def _table() -> list[int]:
    table = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = (register >> 1) ^ (POLYNOMIAL if register & 1 else 0)
        table.append(register)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The checksum as an unsigned 32-bit number. Wrapped keys are short: a table in Python is fast enough."""
    register = 0xFFFFFFFF
    for byte in data:
        register = (register >> 8) ^ _TABLE[(register ^ byte) & 0xFF]
    return register ^ 0xFFFFFFFF
