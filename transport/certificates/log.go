package certificates

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// zapCore writes what package certmagic logs to the service's logger. The events that matter to an operator are told in
// sentences ([managed.tell]), and all of certmagic's own lines come at debug level.
type zapCore struct {
	logger *slog.Logger
}

func (z zapCore) Enabled(zapcore.Level) bool {
	return z.logger.Enabled(context.Background(), slog.LevelDebug)
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
	z.logger.Debug("acme: "+entry.Message, attributes(fields)...)
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
