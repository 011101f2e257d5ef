"""Other people's libraries verify a receipt with the published keys alone (ADR 0031)."""

import json
import subprocess

import joserfc.jwk
import joserfc.jws
import jwcrypto.common
import jwcrypto.jwk
import jwcrypto.jws
import jwt
import jwt.algorithms
import pytest

from dev.client import Client
from tests import tokens
from tests.clients.conftest import HERE

CONTENT = b"PK\x03\x04" + b"the whole file" * 1000


@pytest.fixture(scope="module")
def known(own):
    """A receipt, and the keys as they are published."""
    client = Client(own.edge_port, own.keys.edge_ca)
    return client.put(tokens.mint(own), CONTENT).json()["receipt"], client.receipt_keys()


def with_joserfc(receipt: str, keys: dict, _modules) -> dict:
    key_set = joserfc.jwk.KeySet.import_key_set(keys)
    return json.loads(joserfc.jws.deserialize_compact(receipt, key_set, algorithms=["Ed25519"]).payload)


def with_jwcrypto(receipt: str, keys: dict, _modules) -> dict:
    signed = jwcrypto.jws.JWS()
    signed.allowed_algs = ["Ed25519"]
    signed.deserialize(receipt)
    signed.verify(jwcrypto.jwk.JWKSet.from_json(json.dumps(keys)).get_key(signed.jose_header["kid"]))
    return json.loads(signed.payload)


def with_pyjwt(receipt: str, keys: dict, _modules) -> dict:
    """PyJWT has the algorithm, and knows it by its older name only."""
    jws = jwt.PyJWS(algorithms=[])
    jws.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())
    (key,) = (key for key in keys["keys"] if key["kid"] == jwt.get_unverified_header(receipt)["kid"])
    return json.loads(jws.decode(receipt, jwt.algorithms.OKPAlgorithm.from_jwk(key), algorithms=["Ed25519"]))


def with_jose(receipt: str, keys: dict, modules) -> dict:
    plan = json.dumps({"receipt": receipt, "keys": keys})
    command = ["node", HERE / "js" / "verify.mjs", modules]
    done = subprocess.run(command, input=plan, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise ValueError(done.stderr)
    return json.loads(done.stdout)


@pytest.mark.parametrize("verify", [with_joserfc, with_jwcrypto, with_pyjwt, with_jose])
def test_a_receipt_is_verified_by_it_and_a_changed_one_refused(known, node_modules, verify):
    receipt, keys = known
    assert verify(receipt, keys, node_modules)["size"] == len(CONTENT)
    head, body, signature = receipt.split(".")
    with pytest.raises((ValueError, joserfc.errors.JoseError, jwcrypto.common.JWException, jwt.InvalidTokenError)):
        verify(f"{head}.{body}.{signature[:-4]}AAAA", keys, node_modules)
