package arguments

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit statuses of a command.
const (
	StatusOK          = 0
	StatusFailure     = 1
	StatusUsage       = 2
	StatusInterrupted = 130 // what a shell reports for SIGINT: 128 and the number of the signal
)

// Status returns the exit status for the error of a command. An error that has a method ExitStatus chooses it. The end of a
// context means that the command was interrupted.
func Status(err error) int {
	var chosen interface {
		error
		ExitStatus() int
	}
	switch {
	case err == nil:
		return StatusOK
	case errors.As(err, &chosen):
		return chosen.ExitStatus()
	case errors.Is(err, context.Canceled):
		return StatusInterrupted
	}
	return StatusFailure
}

// UsageError says what is wrong with a command line, in a sentence for the person who wrote it.
type UsageError struct{ Reason string }

func (e *UsageError) Error() string { return e.Reason }

// ExitStatus is that of a wrong command line.
func (e *UsageError) ExitStatus() int { return StatusUsage }

// Program is what a command does until it is over or ctx ends.
type Program func(ctx context.Context, stdout, stderr io.Writer) error

// Run runs the program for kong, and ends it early when SIGINT or SIGTERM comes.
func (p Program) Run(parsed *kong.Context) error {
	interrupted, restore := Interruptible()
	defer restore()
	context.AfterFunc(interrupted, restore) // A second signal ends the process at once.
	return p(interrupted, parsed.Stdout, parsed.Stderr)
}

// Interruptible returns a context that ends with SIGINT or SIGTERM. After restore, such a signal ends the process.
func Interruptible() (ctx context.Context, restore context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}
