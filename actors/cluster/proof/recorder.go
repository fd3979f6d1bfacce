package proof

import (
	"bufio"
	"io"
	"strings"
	"sync"
)

// Recorder writes the events of one node or of many clients, each as a line in one write. So nothing is missing after the process
// was killed. Its methods may be called from any goroutine.
type Recorder struct {
	node string
	now  func() int64

	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewRecorder returns a Recorder that writes to w. Node is the node's process, or "" for clients. Now is the clock.
func NewRecorder(w io.Writer, node string, now func() int64) *Recorder {
	return &Recorder{node: node, now: now, w: w}
}

// Record writes an event down. If its time is 0, that is now.
func (r *Recorder) Record(e Event) {
	e.Node = r.node
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.At == 0 {
		e.At = r.now()
	}
	if _, err := io.WriteString(r.w, e.String()+"\n"); err != nil && r.err == nil {
		r.err = err
	}
}

// Err returns the first error of a write.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Read reads the lines of a Recorder. A line without its end, which the end of the process has cut off, is left out.
func Read(r io.Reader) (events []Event, err error) {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		e, err := Parse(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
}
