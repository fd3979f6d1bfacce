package options

import (
	"log/slog"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"p2p-messaging/transport"
)

// Parsed are flags, and what kong knows of where their values come from.
type Parsed struct {
	*Flags
	Context *kong.Context
}

// Reload gives a running service the options of next that it can take without a restart: those whose fields have the tag
// reload. It logs which have changed, and which wait for a restart. If any option of next cannot work, Reload changes nothing,
// and the error says why.
func (p Parsed) Reload(next Parsed, server *transport.Server, logger *slog.Logger) error {
	if err := next.Check(); err != nil {
		return next.Located(next.Context, err)
	}
	if err := server.SetOrigins(next.AllowOrigin, next.FileOrigin); err != nil {
		return next.Located(next.Context, named(err))
	}
	if err := server.SetLimits(next.limits()); err != nil {
		return err // does not happen: Check has found it
	}
	p.level.Set(next.logLevel())
	var changed, waiting []string
	then := next.flags(next.Context)
	for i, flag := range p.flags(p.Context) {
		switch {
		case reflect.DeepEqual(flag.Target.Interface(), then[i].Target.Interface()):
		case flag.Tag.Has("reload"):
			flag.Target.Set(then[i].Target)
			changed = append(changed, flag.Name)
		default:
			waiting = append(waiting, flag.Name)
		}
	}
	logger.Info("the configuration was read again", slog.String("changed", list(changed)))
	if len(waiting) > 0 {
		logger.Warn("some options wait for a restart", slog.String("options", list(waiting)))
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
