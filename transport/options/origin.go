package options

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// Located adds to err where each option that it names was set: the key and the line in the configuration file, or the variable. Whoever
// wrote the file has never seen the flags. Ctx is what kong has parsed; it is not needed if err is the refusal of kong.
func (f *Flags) Located(ctx *kong.Context, err error) error {
	if refused, ok := errors.AsType[*kong.ParseError](err); ok {
		ctx = refused.Context
	}
	if ctx == nil || err == nil {
		return err
	}
	var places []string
	for _, name := range flagsIn(err.Error()) {
		if place := f.place(ctx, name); place != "" && !strings.Contains(err.Error(), place) {
			places = append(places, place)
		}
	}
	if len(places) == 0 {
		return err
	}
	where := " (" + strings.Join(places, "; ") + ")"
	if refused, ok := err.(*UsageError); ok {
		return &UsageError{Reason: refused.Reason + where}
	}
	return fmt.Errorf("%w%s", err, where)
}

// named puts flags in place of the words by which an error of package transport names its options.
func named(err error) error {
	for _, option := range []struct{ words, flags string }{
		{"the write timeout", "--write-timeout"},
		{"the message timeout", "--message-timeout"},
		{"the ping interval", "--ping-interval"},
		{"the idle timeout must", "--idle-timeout"},
		{"the idle timeout (", "--idle-timeout and --ping-interval"},
		{"the retry spread", "--retry-spread"},
		{"the handshake timeout", "--handshake-timeout"},
		{"the login timeout", "--login-timeout"},
		{"the rate must", "--rate"},
		{"the burst must", "--burst"},
		{"the rate of bytes", "--byte-rate"},
		{"the greatest number of connections must", "--max-connections"},
		{"the greatest number of connections of one address", "--connections-per-address"},
		{"the greatest number of logins a second from one address", "--logins-per-address"},
		{"the allowed origin", "--allow-origin"},
	} {
		if strings.HasPrefix(err.Error(), option.words) {
			return usage("%s: %v", option.flags, err)
		}
	}
	return usage("%v", err)
}

// place says where the value of a flag comes from. It is "" for the command line and for the default.
func (f *Flags) place(ctx *kong.Context, name string) string {
	for _, flag := range f.flags(ctx) {
		if flag.Name != name {
			continue
		}
		if slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == flag && !p.Resolved }) {
			return ""
		}
		if variable, set := variable(flag); set {
			return variable + " in the environment"
		}
		if f.file != nil && f.file.values[name] != nil {
			return name + " in " + f.file.place(name)
		}
	}
	return ""
}

// flagsIn returns the names of the flags that stand in a sentence, each once.
func flagsIn(sentence string) (names []string) {
	for _, found := range regexp.MustCompile(`(?:^|[^-\w])--([a-z][a-z0-9-]*)`).FindAllStringSubmatch(sentence, -1) {
		if name := strings.TrimSuffix(found[1], "-"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// place names the file, and the line in which a key has its value.
func (f *file) place(key string) string {
	if line := f.line(key); line > 0 {
		return fmt.Sprintf("%s: line %d", f.path, line)
	}
	return f.path
}

// line returns the number of the line in which a key has its value. It is 0 if the key is written in a way that nobody uses.
func (f *file) line(key string) int {
	begins := regexp.MustCompile(`^[ \t]*\[*[ \t]*["']?` + regexp.QuoteMeta(key) + `["']?[ \t]*[=.\]]`)
	before, number := 0, 0
	for line := range strings.Lines(f.text) {
		number++
		// A text of several lines may have a line that looks so. What is before such a line is no TOML.
		if begins.MatchString(line) {
			if err := toml.Unmarshal([]byte(f.text[:before]), &map[string]any{}); err == nil {
				return number
			}
		}
		before += len(line)
	}
	return 0
}
