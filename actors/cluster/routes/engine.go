package routes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"
)

// engine is the connection of this process to its NATS server, without a socket. It speaks the protocol of NATS's clients:
// https://docs.nats.io/reference/reference-protocols/nats-protocol. The goroutine that publishes writes, and the one that reads acts on
// what comes, in the buffer that it was read into. NATS's library for clients has a queue, a goroutine and a copy more in each direction.
type engine struct {
	dial   func() (net.Conn, error)
	hello  []byte // what is written first
	act    [subscriptions]func(subject, data []byte)
	logger *slog.Logger
	ponged chan struct{} // gets a value when NATS has acted on what was written

	mu     sync.Mutex
	opened sync.Cond // conn or closed has changed
	conn   net.Conn  // nil while there is none
	closed bool

	writing sync.Mutex
	out     []byte // is written; writing guards it
}

// The subscriptions of a process. NATS names them in what it delivers.
const (
	subscribedTo = iota
	subscribedAll
	subscribedBack
	subscriptions
)

// noResponders is what NATS says instead of an answer when nobody gets a message: a header without a body.
var noResponders = []byte("NATS/1.0 503")

var errEngine = errors.New("the engine that joins nodes speaks a protocol that this version does not know")

// newEngine returns a connection that is not open. The token is the server's, and subjects has those of the subscriptions. A
// message that says that nobody got another one has no data.
func newEngine(dial func() (net.Conn, error), token string, subjects [subscriptions]string, logger *slog.Logger) *engine {
	e := &engine{dial: dial, logger: logger, ponged: make(chan struct{}, 1)}
	e.opened.L = &e.mu
	e.hello = fmt.Appendf(e.hello, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1,\"auth_token\":%q}\r\n", token)
	for id, subject := range subjects {
		e.hello = fmt.Appendf(e.hello, "SUB %s %d\r\n", subject, id)
	}
	e.hello = append(e.hello, ping...)
	return e
}

const (
	ping = "PING\r\n"
	pong = "PONG\r\n"
)

// open connects, and begins to act on what comes. If the connection breaks, it is made again.
func (e *engine) open() error {
	w, err := e.connect()
	if err != nil {
		return err
	}
	go e.run(w)
	return nil
}

// run acts on what comes until the engine is closed.
func (e *engine) run(w *wire) {
	for {
		var err error
		for err == nil {
			_, err = e.step(w)
		}
		_ = w.conn.Close()
		for e.detach(w.conn) {
			again, failed := e.connect()
			if err = failed; err == nil {
				e.logger.Warn("the connection to the engine that joins nodes was made again")
				w = again
				break
			}
			time.Sleep(reconnectAfter)
		}
		if err != nil {
			return
		}
	}
}

// detach notes that a connection has broken. It returns false if the engine is closed.
func (e *engine) detach(conn net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == conn {
		e.conn = nil
	}
	return !e.closed
}

// connect makes a connection, and returns when NATS knows the subscriptions.
func (e *engine) connect() (*wire, error) {
	conn, err := e.dial()
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, buffer: make([]byte, readBuffer)}
	if err = e.greet(w); err == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.closed {
			e.conn = conn
			e.opened.Broadcast()
			return w, nil
		}
		err = net.ErrClosed
	}
	_ = conn.Close()
	return nil, err
}

func (e *engine) greet(w *wire) error {
	if _, err := w.line(); err != nil { // NATS speaks first
		return err
	}
	if _, err := w.conn.Write(e.hello); err != nil {
		return err
	}
	for {
		if ponged, err := e.step(w); ponged || err != nil {
			return err
		}
	}
}

// step acts on the next thing that NATS says. It reports whether that is the answer to a ping.
func (e *engine) step(w *wire) (ponged bool, err error) {
	line, err := w.line()
	if err != nil {
		return false, err
	}
	name, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(name) {
	case "MSG", "HMSG":
		return false, e.deliver(w, rest, string(name) == "HMSG")
	case "PING":
		return false, e.write(w.conn, pong)
	case "PONG":
		select {
		case e.ponged <- struct{}{}:
		default:
		}
		return true, nil
	case "-ERR":
		e.logger.Error("the engine that joins nodes reports an error", slog.String("cause", string(rest)))
	}
	return false, nil // "+OK" and "INFO" need nothing
}

// deliver acts on a message. The fields are the subject, the subscription, perhaps a subject for answers, the size of the header if there
// is one, and that of all.
func (e *engine) deliver(w *wire, fields []byte, header bool) error {
	parts := bytes.Fields(fields)
	if len(parts) < 3 {
		return errEngine
	}
	id, err := strconv.Atoi(string(parts[1]))
	size, err2 := strconv.Atoi(string(parts[len(parts)-1]))
	if err != nil || err2 != nil || id < 0 || id >= subscriptions || size < 0 || size > MaxBody+2*chunkSize {
		return errEngine
	}
	var room [len(backSubject) + 2*maxAddress + 3*21]byte
	subject := append(room[:0], parts[0]...)
	data, err := w.take(size + len(lineEnd))
	if err != nil {
		return err
	}
	data = data[:size]
	if header != (id == subscribedBack) || header && !bytes.HasPrefix(data, noResponders) {
		return nil // it is not of this program
	}
	e.act[id](subject, data)
	return nil
}

// Publish implements publisher.
func (e *engine) Publish(subject string, data []byte) error {
	return e.PublishRequest(subject, "", data)
}

// PublishRequest implements publisher. It waits while the connection is made again. What was being written when it broke is lost.
func (e *engine) PublishRequest(subject, reply string, data []byte) error {
	e.mu.Lock()
	for e.conn == nil && !e.closed {
		e.opened.Wait()
	}
	conn, closed := e.conn, e.closed
	e.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	out := append(append(e.out[:0], "PUB "...), subject...)
	if reply != "" {
		out = append(append(out, ' '), reply...)
	}
	out = strconv.AppendInt(append(out, ' '), int64(len(data)), 10)
	out = append(append(append(out, lineEnd...), data...), lineEnd...)
	if e.out = out; cap(out) > 2*chunkSize {
		e.out = nil
	}
	_, err := conn.Write(out)
	return err
}

func (e *engine) write(conn net.Conn, text string) error {
	e.writing.Lock()
	defer e.writing.Unlock()
	_, err := conn.Write([]byte(text))
	return err
}

// flush returns when NATS has what was published.
func (e *engine) flush(ctx context.Context) error {
	select {
	case <-e.ponged:
	default:
	}
	e.mu.Lock()
	conn := e.conn
	e.mu.Unlock()
	if conn == nil {
		return net.ErrClosed
	}
	if err := e.write(conn, ping); err != nil {
		return err
	}
	select {
	case <-e.ponged:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the connection. Nothing more is acted on than what has come.
func (e *engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.conn != nil {
		_ = e.conn.Close()
	}
	e.opened.Broadcast()
}

// wire reads lines and messages from a connection. What it returns is overwritten by the next call.
type wire struct {
	conn       net.Conn
	buffer     []byte
	start, end int // of what was read and not returned
}

const (
	// readBuffer is the size of a buffer that no long message is in.
	readBuffer = 2 * chunkSize
	lineEnd    = "\r\n"
)

// line returns the next line without its end.
func (w *wire) line() ([]byte, error) {
	for seen := 0; ; {
		if i := bytes.Index(w.buffer[w.start+seen:w.end], []byte(lineEnd)); i >= 0 {
			line := w.buffer[w.start : w.start+seen+i]
			w.start += seen + i + len(lineEnd)
			return line, nil
		}
		seen = max(0, w.end-w.start-1) // the line may end with what comes
		if seen >= readBuffer-1 {
			return nil, errEngine
		}
		if err := w.read(readBuffer); err != nil {
			return nil, err
		}
	}
}

// take returns the next bytes.
func (w *wire) take(size int) ([]byte, error) {
	for w.end-w.start < size {
		if err := w.read(max(size, readBuffer)); err != nil {
			return nil, err
		}
	}
	w.start += size
	return w.buffer[w.start-size : w.start : w.start], nil
}

// read reads more into a buffer that has room for this many bytes.
func (w *wire) read(room int) error {
	if rest := w.buffer[w.start:w.end]; w.start == w.end || w.start+room > len(w.buffer) {
		if len(w.buffer) != room && len(rest) <= room {
			w.buffer = make([]byte, room)
		}
		w.start, w.end = 0, copy(w.buffer, rest)
	}
	n, err := w.conn.Read(w.buffer[w.end:])
	w.end += n
	if n > 0 {
		return nil
	}
	return err
}
