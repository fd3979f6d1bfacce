// Package arguments prepares the arguments of a command line for kong, and kong's refusals for people. It runs the commands, and
// knows their exit statuses. [Size] is a number of bytes as people write it.
package arguments

import (
	"strings"

	"github.com/alecthomas/kong"
)

// Join returns the arguments of a command line for kong, with each negative number joined to the flag in front of it:
// --pairs -5 becomes --pairs=-5. Kong takes -5 for a flag. Joined, the flag itself says which numbers it takes.
func Join(arguments []string) []string {
	var joined []string
	for i, a := range arguments {
		if a == "--" {
			return append(joined, arguments[i:]...)
		}
		last := len(joined) - 1
		if isNegative(a) && last >= 0 && strings.HasPrefix(joined[last], "--") && !strings.Contains(joined[last], "=") {
			joined[last] += "=" + a
		} else {
			joined = append(joined, a)
		}
	}
	return joined
}

func isNegative(argument string) bool {
	number, found := strings.CutPrefix(argument, "-")
	number = strings.TrimPrefix(number, ".")
	return found && number != "" && '0' <= number[0] && number[0] <= '9'
}

// Reason returns what kong says is wrong with a command line. It leaves out the advice to join a flag with the argument behind it:
// that one is no value, but the next flag.
func Reason(err error) string {
	reason, _, _ := strings.Cut(err.Error(), "; perhaps try")
	return reason
}

// WithHelp returns the command whose help tells of a command line: the one that it names, or usual, the default command, if it has only
// flags.
func WithHelp(parser *kong.Kong, arguments []string, usual string) string {
	named := usual
	if len(arguments) > 0 && !strings.HasPrefix(arguments[0], "-") {
		named = arguments[0]
	}
	for _, command := range parser.Model.Children {
		if command.Name == named {
			return parser.Model.Name + " " + named
		}
	}
	return parser.Model.Name
}
