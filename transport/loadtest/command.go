package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ErrInterrupted is what [Flags.Execute] returns for a run that was ended before its time.
var ErrInterrupted = errors.New("interrupted: the figures are of the time until then")

// runner is [Run].
type runner func(ctx context.Context, o Options, observe func(Progress)) (*Result, error)

// Execute runs the load test until it is over or ctx is: shows how it goes on stderr, prints what it found on stdout, and
// writes the report. The error says what a person must know in the end: it is a *[UsageError] or a *[ServiceError] if
// nothing could be measured or the service went away, [ErrInterrupted], or another one if a check does not hold,
// verification failed or something could not be written.
func (f *Flags) Execute(ctx context.Context, stdout, stderr io.Writer) error {
	return f.execute(ctx, Run, stdout, stderr)
}

func (f *Flags) execute(ctx context.Context, run runner, stdout, stderr io.Writer) error {
	o, err := f.Options().Resolve()
	if err != nil {
		return err
	}
	if err := f.checkReport(); err != nil {
		return err
	}
	d := newDisplay(stderr, o)
	observe := d.show
	if f.Quiet {
		observe = func(Progress) {}
	}
	r, err := run(ctx, f.Options(), observe) // which resolves them itself
	d.end()
	if err != nil {
		return err
	}
	outcomes := f.Check.Evaluate(r)
	if err := f.write(r, outcomes, stdout, stderr); err != nil {
		return err
	}
	return verdict(r, outcomes)
}

// verdict returns what the exit status says, as an error.
func verdict(r *Result, outcomes []Outcome) error {
	var failures []string
	if r.Verification.Count() > 0 {
		failures = append(failures, "verification failed: "+violationsText(r.Verification))
	}
	for _, c := range outcomes {
		if !c.Held {
			failures = append(failures, fmt.Sprintf("--check: %s does not hold: %s", c.Condition, c.Value))
		}
	}
	switch {
	case r.Failed != "":
		return &ServiceError{Reason: r.Failed}
	case r.Verification.Count() == 0 && r.Interrupted:
		return ErrInterrupted
	case len(failures) > 0:
		return errors.New(printable(strings.Join(failures, "; ")))
	}
	return nil
}

func (f *Flags) write(r *Result, outcomes []Outcome, stdout, stderr io.Writer) error {
	if f.JSON || f.Report != "" {
		document, err := NewDocument(r, outcomes)
		if err != nil {
			return err
		}
		if f.JSON {
			encoder := json.NewEncoder(stdout)
			encoder.SetIndent("", "  ")
			if err := encoder.Encode(document); err != nil {
				return fmt.Errorf("print the figures: %w", err)
			}
		}
		if f.Report != "" {
			if err := writeReport(f.Report, r, document); err != nil {
				return fmt.Errorf("--report: %w", err)
			}
		}
	}
	if !f.JSON {
		if _, err := io.WriteString(stdout, summary(r, outcomes)); err != nil {
			return fmt.Errorf("print the figures: %w", err)
		}
	}
	if f.Report != "" && !f.Quiet {
		fmt.Fprintf(stderr, "The report is in %s\n", f.Report)
	}
	return nil
}

// checkReport finds out before a long run that its report could not be written after it.
func (f *Flags) checkReport() error {
	if f.Report == "" {
		return nil
	}
	if info, err := os.Stat(f.Report); err == nil && info.IsDir() {
		return usage("--report: %s is a folder: give a file in it", f.Report)
	}
	probe, err := os.CreateTemp(filepath.Dir(f.Report), ".report-*")
	if err != nil {
		return usage("--report: no file can be made in %s: %v", filepath.Dir(f.Report), errors.Unwrap(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
