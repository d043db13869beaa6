"""DSSE by securesystemslib: verifies envelopes that cutproof made, and makes some for it to verify.

dsse.py verify ENVELOPE THRESHOLD PUBLIC...   exit code 0 where so many of the keys signed it; prints their names
dsse.py sign PAYLOAD ENVELOPE PRIVATE...      one signature for each key
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def key_of(public):
    """The key by the name that cutproof gives it: this library verifies only what names its key."""
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SSlibKey.from_crypto(public, keyid=hashlib.sha256(spki).hexdigest())


def verify(envelope, threshold, *keys):
    envelope = Envelope.from_dict(json.loads(read(envelope)))
    if envelope.payload_type != PAYLOAD_TYPE:
        sys.exit(f"expected the payload type {PAYLOAD_TYPE}, and it is {envelope.payload_type}")
    keys = [key_of(load_pem_public_key(read(path))) for path in keys]
    try:
        accepted = envelope.verify(keys, int(threshold))
    except VerificationError as error:
        sys.exit(str(error))
    print("\n".join(sorted(accepted)))


def sign(payload, out, *keys):
    envelope = Envelope(read(payload), PAYLOAD_TYPE, {})
    for path in keys:
        # As the library names keys itself.
        envelope.sign(CryptoSigner(load_pem_private_key(read(path), None)))
    with open(out, "w", encoding="utf-8") as file:
        json.dump(envelope.to_dict(), file)


{"verify": verify, "sign": sign}[sys.argv[1]](*sys.argv[2:])
