"""Messages between coordinator, nodes and clients, as plain frozen dataclasses: one file a conversation.

Pure: no generated code here. ``protos.codec`` converts these to protobuf and back, and validates. Units are in the
names. Booked energies are integer microjoules (``_uj``), emissions integer picograms (``_pg``).
"""
