"""A simulated Azure and a local Functions host.

It stands in for the parts of Azure that the product talks to, so that the unmodified product, the unmodified Azure
SDKs and the real Python Functions runtime can be run on one machine. It is a model made from documents, not Azure:
`docs/simulator.md` says where each behaviour comes from and what is not known.
"""
