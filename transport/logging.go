package transport

import (
	"context"
	"fmt"
	"log/slog"
	"unsafe"
)

// LogValue implements [slog.LogValuer]. It returns the id of the connection, which all lines about it have. No two connections
// that are open have the same. The id is made of the connection's address, so that it takes no memory.
func (c *conn) LogValue() slog.Value {
	// A multiplication with an odd number is a permutation. Its upper bits hide the address.
	mixed := uint64(uintptr(unsafe.Pointer(c))) * c.server.logSeed
	return slog.StringValue(fmt.Sprintf("%010x", mixed>>24))
}

// debug logs a line about the connection at debug level.
func (c *conn) debug(message string, attributes ...slog.Attr) {
	c.server.options.Logger.LogAttrs(context.Background(), slog.LevelDebug, message,
		append(attributes, slog.Any("connection", c))...)
}

// debugs reports whether lines at debug level are logged.
func (s *Server) debugs() bool {
	return s.options.Logger.Enabled(context.Background(), slog.LevelDebug)
}
