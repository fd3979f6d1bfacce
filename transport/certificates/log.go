package certificates

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"
)

// zapCore writes what package certmagic logs to the service's logger. What matters to an operator is told in sentences
// ([managed.tell]). So certmagic's own lines come at debug level, but for faults that no event tells of, such as a full disk.
// Those are warnings.
type zapCore struct {
	logger *slog.Logger
}

// level returns the level of an entry for the service's log.
func level(l zapcore.Level) slog.Level {
	if l >= zapcore.ErrorLevel {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// told reports whether an event tells of the same fault as an entry.
func told(entry zapcore.Entry, fields []zapcore.Field) bool {
	switch entry.Message {
	case "could not get certificate from issuer", "challenge failed", "validating authorization":
		return true
	case "will retry", "final attempt; giving up", "job failed":
		return !slices.ContainsFunc(fields, func(f zapcore.Field) bool {
			err, ok := f.Interface.(error)
			return ok && strings.Contains(err.Error(), "saving assets")
		})
	}
	return false
}

func (z zapCore) Enabled(l zapcore.Level) bool {
	return z.logger.Enabled(context.Background(), level(l))
}

func (z zapCore) With(fields []zapcore.Field) zapcore.Core {
	return zapCore{z.logger.With(attributes(fields)...)}
}

func (z zapCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(entry.Level) {
		return checked.AddCore(entry, z)
	}
	return checked
}

func (z zapCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	l := level(entry.Level)
	if told(entry, fields) {
		l = slog.LevelDebug
	}
	z.logger.Log(context.Background(), l, "acme: "+entry.Message, attributes(fields)...)
	return nil
}

func (zapCore) Sync() error { return nil }

// attributes turns the fields that hold no secrets into attributes.
func attributes(fields []zapcore.Field) (as []any) {
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		switch f.Key {
		case "identifier", "identifiers", "domain", "subject", "ca", "issuer", "challenge_type", "attempt", "retrying_in", "status_code", "remaining", "error":
			f.AddTo(encoder)
		}
	}
	for key, value := range encoder.Fields {
		if text, ok := value.(string); ok {
			value = plain(text)
		}
		as = append(as, slog.Any(key, value))
	}
	return as
}
