"""Generated code for ``lancenb.proto``; see ``lancenb.remote._grpc_make``."""
