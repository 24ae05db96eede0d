"""Keys of a round: X25519 (RFC 7748), HKDF with SHA-256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439), of ``cryptography``.

A key is used for one round and one purpose, so that the nonce may be zero.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE = bytes(12)


def new_key() -> bytes:
    """A private key, from the operating system's randomness."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_of(private: bytes) -> bytes:
    """The public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agree(private: bytes, public: bytes, purpose: str) -> bytes:
    """The key that both have for ``purpose``. Raises ValueError for a public key that is none."""
    shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(shared)


def seal(key: bytes, text: bytes, about: str) -> bytes:
    """Encrypted and authenticated, with ``about``, which is not in it. One text a key."""
    return ChaCha20Poly1305(key).encrypt(NONCE, text, about.encode())


def unseal(key: bytes, sealed: bytes, about: str) -> bytes:
    """The text again. Raises ValueError where it was changed, or is about something else."""
    try:
        return ChaCha20Poly1305(key).decrypt(NONCE, sealed, about.encode())
    except InvalidTag:
        raise ValueError(f"a sealed text about {about!r} was changed on its way") from None
