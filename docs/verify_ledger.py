"""python verify_ledger.py FILE FINGERPRINT: signature, chain and sums of signed books. Needs cryptography alone."""

from hashlib import sha256
from json import JSONEncoder, loads
from sys import argv, exit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

text = JSONEncoder(separators=(",", ":")).encode
with open(argv[1], "rb") as file:
    first, *entries, last = file
header, chain, end = loads(first), "0" * 64, loads(last)["signature"]
authority = x509.load_pem_x509_certificate(header["authority"].encode())
if authority.fingerprint(SHA256()).hex() != argv[2].lower():
    exit("NOT VALID: another authority signed it")
authority.public_key().verify(bytes.fromhex(end), b"".join([first, *entries]), ec.ECDSA(SHA256()))
for number, entry in enumerate(map(loads, entries), 1):
    content = text([entry[name] for name in ("kind", "slot", "node_id", "body", "postings")])
    link = text([chain, number, entry["key"], sha256(content.encode()).hexdigest()])
    chain = sha256(link.encode()).hexdigest()
    if any(sum(p[2] for p in entry["postings"] if p[1] == unit) for unit in ("uJ", "pg", "ug")):
        exit(f"NOT VALID: entry {number} does not sum to zero")
line = text({"signature": bytes.fromhex(end).hex()}).encode() + b"\n"
if (len(entries), chain, last) != (header["entries"], header["head"], line):
    exit("NOT VALID: it does not end where its header says")
print(f"VALID: {header['run_id']}, {len(entries)} entries, head {chain}, {header['state']}")
