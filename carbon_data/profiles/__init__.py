"""Small packaged tables of published figures, each with a TOML sidecar: source, licence, units, sha256."""
