"""The outside world over Microsoft's SDKs. Each module is one port; no SDK exception leaves this package.

The SDKs' own retries are off: they sleep for as long as a `Retry-After` says and repeat what must not be repeated.
"""
