"""Terminal and edge server: offloading measured over a real link with a shaped rate (methods.md section 6)."""
