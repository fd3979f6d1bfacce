package routes

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// maxLine bounds how much of a line of the NATS server is logged, in bytes.
const maxLine = 300

// serverLog passes warnings and errors of the NATS server on. It implements the server's Logger.
type serverLog struct {
	logger *slog.Logger
	fatal  atomic.Pointer[error] // why the server could not start
}

func newServerLog(l *slog.Logger) *serverLog { return &serverLog{logger: l} }

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, values ...any) {
	l.logger.Warn("the engine that joins nodes warns", "cause", line(format, values))
}

// Errorf logs a warning. The server calls it an error when another node cannot be reached, and that one may only be late.
func (l *serverLog) Errorf(format string, values ...any) {
	l.logger.Warn("the engine that joins nodes reports an error", "cause", line(format, values))
}

func (l *serverLog) Fatalf(format string, values ...any) {
	err := errors.New(line(format, values))
	l.fatal.CompareAndSwap(nil, &err)
}

// line returns a line of the server. It cuts off what another node sent and the server did not understand, because it may have
// the content of a message.
func line(format string, values []any) string {
	text := fmt.Sprintf(format, values...)
	for _, mark := range []string{"proto=", "Parse Error: "} {
		if before, _, found := strings.Cut(text, mark); found {
			text = before + mark + "…"
		}
	}
	return strings.ToValidUTF8(text[:min(len(text), maxLine)], "")
}
