// Package version says which version of the program this is.
package version

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// Command prints the version of the program, for kong.
type Command struct{}

// Run implements the command.
func (Command) Run(parsed *kong.Context) error { return Print(parsed.Stdout, parsed.Model.Name) }

// Print writes one line with the program's name and version, the revision that it was built from if that is known, the
// version of Go, and the platform.
func Print(w io.Writer, program string) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program was built without build information")
	}
	_, err := fmt.Fprintln(w, line(program, info))
	return err
}

func line(program string, info *debug.BuildInfo) string {
	l := program + " " + info.Main.Version
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		l += ", revision " + revision
		if at := settings["vcs.time"]; at != "" {
			l += " of " + at
		}
		if settings["vcs.modified"] == "true" {
			l += ", modified"
		}
	}
	return l + ", " + info.GoVersion + ", " + runtime.GOOS + "/" + runtime.GOARCH
}
