// Package loadtest is the command loadtest: its flags, its output and its exit status. It puts load on a service and
// measures what the service does.
//
// The packages below it import each other in one direction only. From the top down:
//
//	report    the page of a result             fleet     the processes that share a run
//	display   progress and summary as text     load      the scenarios on their connections
//	machine   this machine and its processes   swarm     WebSocket connections, very many
//	figures   what is counted and measured, checks, the JSON document
//	options   what a run does
package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/loadtest/display"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/fleet"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
	"p2p-messaging/transport/loadtest/report"
)

// UsageError says what is wrong with the command line, in a sentence for the person who wrote it.
type UsageError = options.UsageError

// ServiceError says that there is no service to measure, or that it went away.
type ServiceError = load.ServiceError

// ErrInterrupted is the error of [Flags.Execute] for a run that was interrupted.
var ErrInterrupted error = interrupted{}

type interrupted struct{}

func (interrupted) Error() string { return "interrupted: the figures are of the time until then" }

// ExitStatus is that of a command that was interrupted.
func (interrupted) ExitStatus() int { return arguments.StatusInterrupted }

// runner is the type of [fleet.Run].
type runner func(ctx context.Context, o options.Options, observe func(figures.Progress)) (*figures.Result, error)

// Run runs the command for kong.
func (f *Flags) Run(parsed *kong.Context) error { return arguments.Program(f.Execute).Run(parsed) }

// Execute runs the load test until it is over or ctx ends. It shows the progress on stderr, prints the result on stdout
// and then writes the report. The error decides the exit status: it is or wraps a *[UsageError] or a *[ServiceError] if nothing could
// be measured or the service went away, and [ErrInterrupted] after an interruption. Another error means that sessions
// could not be opened, that a check does not hold, that verification failed or that something could not be written.
func (f *Flags) Execute(ctx context.Context, stdout, stderr io.Writer) error {
	return f.execute(ctx, fleet.Run, stdout, stderr)
}

func (f *Flags) execute(ctx context.Context, run runner, stdout, stderr io.Writer) error {
	o, err := f.Options().Resolve()
	if err != nil {
		return err
	}
	if err := f.checkReport(); err != nil {
		return err
	}
	d := display.New(stderr, o)
	observe := d.Show
	if f.Quiet {
		observe = func(figures.Progress) {}
	}
	r, err := run(ctx, f.Options(), observe) // run resolves the options itself
	d.End()
	if err != nil {
		return err
	}
	implied, given := f.Check.Implied(r), f.Check.Evaluate(r)
	return both(verdict(r, implied, given), f.write(r, slices.Concat(implied, given), stdout, stderr))
}

// both returns an error with both texts in one line. The first one that chooses an exit status decides it.
func both(one, other error) error {
	switch {
	case one == nil:
		return other
	case other == nil:
		return one
	}
	return fmt.Errorf("%w; %w", one, other)
}

// verdict returns the error that stands for the exit status.
func verdict(r *figures.Result, implied, given []figures.Outcome) error {
	var failures []string
	if r.Verification.Count() > 0 {
		failures = append(failures, "verification failed: "+display.DescribeViolations(r.Verification))
	}
	for _, c := range implied {
		failures = append(failures, fmt.Sprintf("only %s of %s sessions could be logged in: %s does not hold", c.Value, figures.FormatCount(r.WantedSessions()), c.Condition))
	}
	for _, c := range given {
		if !c.Held {
			failures = append(failures, fmt.Sprintf("--check: %s does not hold: %s", c.Condition, c.Value))
		}
	}
	switch {
	case r.Failed != "":
		return &load.ServiceError{Reason: r.Failed}
	case r.Verification.Count() == 0 && r.Interrupted:
		return ErrInterrupted
	case len(failures) > 0:
		return errors.New(figures.Printable(strings.Join(failures, "; ")))
	}
	return nil
}

// write prints the figures, and then writes the report: if that fails, there are figures all the same.
func (f *Flags) write(r *figures.Result, outcomes []figures.Outcome, stdout, stderr io.Writer) error {
	var document *figures.Document
	if f.JSON || f.Report != "" {
		var err error
		if document, err = figures.NewDocument(r, outcomes); err != nil {
			return err
		}
	}
	printed := f.print(r, document, outcomes, stdout)
	if f.Report == "" {
		return printed
	}
	if err := report.Write(f.Report, r, document); err != nil {
		return both(printed, fmt.Errorf("--report: %w", err))
	}
	if !f.Quiet {
		fmt.Fprintf(stderr, "The report is in %s\n", f.Report)
	}
	return printed
}

func (f *Flags) print(r *figures.Result, document *figures.Document, outcomes []figures.Outcome, stdout io.Writer) error {
	var err error
	if f.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(document)
	} else {
		_, err = io.WriteString(stdout, display.Summary(r, outcomes))
	}
	if err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	return nil
}

// checkReport checks before a run that its report can be written afterwards.
func (f *Flags) checkReport() error {
	if f.Report == "" {
		return nil
	}
	if info, err := os.Stat(f.Report); err == nil && info.IsDir() {
		return options.UsageErrorf("--report: %s is a folder: give a file in it", f.Report)
	} else if err == nil && !info.Mode().IsRegular() {
		return options.UsageErrorf("--report: %s is no file that may be replaced", f.Report)
	}
	probe, err := os.CreateTemp(filepath.Dir(f.Report), ".report-*")
	if err != nil {
		return options.UsageErrorf("--report: no file can be made in %s: %v", filepath.Dir(f.Report), errors.Unwrap(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// Worker is the command [fleet.WorkerCommand]. A run starts this program with it if one process may not open enough files. See
// [fleet.RunWorker].
type Worker struct{}

// Run runs the command for kong.
func (Worker) Run(parsed *kong.Context) error {
	return fleet.RunWorker(context.Background(), os.Stdin, parsed.Stdout)
}
