package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"

	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/machine"
)

// WorkerCommand is the argument with which [Run] starts its own executable again. The program must call [RunWorker]
// then.
const WorkerCommand = "loadtest-worker"

// message is a line that a worker writes for the coordinator.
type message struct {
	Report  *account `json:"report,omitempty"`
	Problem string   `json:"problem,omitempty"` // why the worker could not start
}

// perform does one process's part of a run.
func perform(ctx context.Context, p load.Plan, proceed <-chan struct{}, tell func(account)) error {
	e, err := load.New(ctx, p)
	if err != nil {
		return err
	}
	m := newMeter()
	e.Run(ctx, proceed, func(r load.Report) { tell(m.account(r)) })
	return nil
}

// RunWorker does one process's part of a run, on behalf of [Run] in another process. The first line of stdin is the
// plan, as JSON. A second line comes when all processes are ready, and starts the load. RunWorker writes a line of JSON
// to stdout for every report. It ends early when stdin ends, because the process that started it is gone then.
func RunWorker(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	// A terminal sends Ctrl-C to all its processes. The process that started this one decides when it ends.
	signal.Ignore(os.Interrupt)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := bufio.NewReader(stdin)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	var p load.Plan
	if err := json.Unmarshal(first, &p); err != nil {
		return fmt.Errorf("decode what to do: %w", err)
	}
	machine.RaiseFileLimit()
	proceed := make(chan struct{})
	go func() {
		defer cancel()
		if _, err := lines.ReadBytes('\n'); err == nil {
			close(proceed)
			_, _ = io.Copy(io.Discard, lines)
		}
	}()
	out := json.NewEncoder(stdout)
	if err := perform(ctx, p, proceed, func(a account) {
		if out.Encode(message{Report: &a}) != nil {
			cancel()
		}
	}); err != nil {
		_ = out.Encode(message{Problem: err.Error()})
		return err
	}
	return nil
}

// worker is one process's part of a run, as the coordinator sees it.
type worker interface {
	proceed()
	stop()                   // asks the worker to end early
	reports() <-chan account // closed when the worker has ended
	err() error              // why the worker could not do its part; nil if it did; valid when reports is closed
}

// local is a worker in this process.
type local struct {
	out     chan account
	started chan struct{}
	once    sync.Once
	cancel  context.CancelFunc
	failed  error
}

func startLocal(p load.Plan) *local {
	ctx, cancel := context.WithCancel(context.Background())
	w := &local{out: make(chan account, 16), started: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(w.out)
		defer cancel()
		w.failed = perform(ctx, p, w.started, func(a account) { w.out <- a })
	}()
	return w
}

func (w *local) proceed()                { w.once.Do(func() { close(w.started) }) }
func (w *local) stop()                   { w.cancel() }
func (w *local) reports() <-chan account { return w.out }
func (w *local) err() error              { return w.failed }

// child is a worker in another process.
type child struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	out     chan account
	failed  error
}

func startChild(p load.Plan) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	w := &child{command: exec.Command(program, WorkerCommand), out: make(chan account, 16)}
	w.command.Stderr = os.Stderr
	if w.stdin, err = w.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	stdout, err := w.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	if err := w.command.Start(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	go w.read(stdout)
	if err := json.NewEncoder(w.stdin).Encode(p); err != nil {
		w.stop()
		return nil, fmt.Errorf("tell a process what to do: %w", err)
	}
	return w, nil
}

func (w *child) read(stdout io.Reader) {
	defer close(w.out)
	in := json.NewDecoder(stdout)
	done := false
	for {
		var m message
		if err := in.Decode(&m); err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF { // otherwise Wait tells how it ended
				w.failed = fmt.Errorf("read what a process of the load test reports: %w", err)
			}
			break
		}
		if m.Problem != "" {
			w.failed = errors.New(m.Problem)
		}
		if m.Report != nil {
			done = done || m.Report.Done
			w.out <- *m.Report
		}
	}
	_ = w.stdin.Close()
	_, _ = io.Copy(io.Discard, stdout) // a process that still writes could not end otherwise
	if err := w.command.Wait(); w.failed == nil && !done {
		w.failed = fmt.Errorf("a process of the load test ended before its time: %w", err)
		if err == nil {
			w.failed = errors.New("a process of the load test ended before its time")
		}
	}
}

func (w *child) proceed()                { _, _ = io.WriteString(w.stdin, "\n") }
func (w *child) stop()                   { _ = w.stdin.Close() }
func (w *child) reports() <-chan account { return w.out }
func (w *child) err() error              { return w.failed }
