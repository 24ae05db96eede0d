"""Secure aggregation: pairwise masks that cancel in the sum, and recovery of those of nodes that drop out.

The protocol of Bonawitz et al. 2017 (Practical Secure Aggregation for Privacy-Preserving Machine Learning, CCS,
doi:10.1145/3133956.3133982), figure 4, against a server that follows it and is curious, every node being everyone's
neighbour. Mathematics alone: who sends what is in the adapters of coordinator and nodes. Threats, and what is not
protected: docs/fl-kinds.md.
"""
