package arguments_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"p2p-messaging/transport/arguments"
)

func TestANegativeNumberIsJoinedToItsFlag(t *testing.T) {
	for line, want := range map[string]string{
		"--pairs -5":           "--pairs=-5",
		"--rate -0.5 --json":   "--rate=-0.5 --json",
		"--rate -.5":           "--rate=-.5",
		"relay --duration -1s": "relay --duration=-1s",
		"--size -1MiB":         "--size=-1MiB",
		"--pairs=1 -5":         "--pairs=1 -5",
		"--pairs 1 -5":         "--pairs 1 -5",
		"--quiet -q":           "--quiet -q",
		"--host --port":        "--host --port",
		"--report -":           "--report -",
		"-5":                   "-5",
		"--pairs 1 -- -- -5":   "--pairs 1 -- -- -5",
		"":                     "",
	} {
		if got := arguments.Join(strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("Join(%q) = %q, want %q", line, got, want)
		}
	}
}

func TestTheAdviceToJoinAFlagWithTheNextIsLeftOut(t *testing.T) {
	for err, want := range map[string]string{
		`--host: expected string value but got "--port" (long flag); perhaps try --host="--port"?`: `--host: expected string value but got "--port" (long flag)`,
		"unknown flag --bogus": "unknown flag --bogus",
	} {
		if got := arguments.Reason(errors.New(err)); got != want {
			t.Errorf("Reason(%q) = %q, want %q", err, got, want)
		}
	}
}
