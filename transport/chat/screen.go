package chat

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"p2p-messaging/transport/arguments"
)

// screen is where a chat shows what happens, and gets what is written. What it shows has passed printable: errors, too, may have words of
// the other side or the service in them.
type screen interface {
	// said shows a text of somebody.
	said(author, text string)
	// note tells the person something.
	note(format string, values ...any)
	// ask tells the person something that waits for a decision.
	ask(format string, values ...any)
	// progress tells how far the texts to somebody have come.
	progress(peer, what string)
	// prompt says whom the next line goes to.
	prompt(peer string)
	// seen reports whether a person sees what is shown, and can be asked.
	seen() bool
	// read begins to read what is written.
	read(c *chat)
}

// Colours of a terminal (ECMA-48, SGR).
const (
	dim    = "\x1b[2m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
	plain  = "\x1b[0m"
)

// terminal is a screen with a line editor. Lines that come do not disturb the line that is being typed.
type terminal struct {
	editor *term.Terminal
	size   func() (width, height int, err error)
}

func newTerminal(rw io.ReadWriter, size func() (width, height int, err error)) *terminal {
	s := &terminal{editor: term.NewTerminal(rw, "> "), size: size}
	s.editor.SetBracketedPasteMode(true)
	s.fit()
	return s
}

// openTerminal has the keys come as they are, for the line editor. Restore gives the terminal back.
func openTerminal(keyboard, out *os.File) (s *terminal, restore func(), err error) {
	before, err := term.MakeRaw(int(keyboard.Fd()))
	if err != nil {
		return nil, nil, fmt.Errorf("the terminal cannot be used: %w", err)
	}
	s = newTerminal(struct {
		io.Reader
		io.Writer
	}{keyboard, out}, func() (width, height int, err error) { return term.GetSize(int(out.Fd())) })
	return s, func() {
		s.editor.SetBracketedPasteMode(false)
		_ = term.Restore(int(keyboard.Fd()), before) // there is nothing else to do for it
		_, _ = io.WriteString(out, "\r\n")           // the shell's prompt gets a line of its own
	}, nil
}

// fit follows the size of the window.
func (s *terminal) fit() {
	if width, height, err := s.size(); err == nil && width > 0 && height > 0 {
		_ = s.editor.SetSize(width, height) // the next output tells of a terminal that is gone
	}
}

func (s *terminal) print(colour, text string) {
	s.fit()
	if colour != "" {
		text = colour + text + plain
	}
	_, _ = s.editor.Write([]byte(text + "\n")) // reading tells of a terminal that is gone
}

func (s *terminal) said(author, text string) {
	s.print("", time.Now().Format("15:04 ")+bold+authorName(author)+plain+strings.TrimPrefix(said(author, text), authorName(author)))
}

func (s *terminal) note(format string, values ...any) {
	s.print(dim, "· "+printable(fmt.Sprintf(format, values...)))
}

func (s *terminal) ask(format string, values ...any) {
	s.print(yellow, "? "+printable(fmt.Sprintf(format, values...)))
}

func (s *terminal) progress(peer, what string) { s.print(dim, "  ✓ "+what+" ("+peer+")") }

func (s *terminal) prompt(peer string) { s.editor.SetPrompt(peer + "> ") }

func (*terminal) seen() bool { return true }

func (s *terminal) read(c *chat) {
	s.editor.AutoCompleteCallback = func(line string, _ int, _ rune) (string, int, bool) {
		if !strings.HasPrefix(line, "/") {
			select {
			case c.actions <- c.types:
			default: // it is said with the next key
			}
		}
		return "", 0, false
	}
	s.note("connected to the service as %s. /help lists what you can do", oneLine(c.me.Shown))
	go func() {
		for {
			line, err := s.editor.ReadLine()
			if c.life.Err() != nil {
				return
			}
			if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
				c.post(func() { c.finish(nil) }) // Ctrl-C, Ctrl-D, or the terminal is gone
				return
			}
			c.post(func() { c.typed(line) })
		}
	}()
}

// pipe is a screen for programs: a line for each text.
type pipe struct {
	in       io.Reader
	out, err io.Writer
	broken   func(err error) // is told if a text could not be written
	mu       sync.Mutex
}

func (s *pipe) said(author, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.out, said(author, text)); err != nil { // a program that reads no more ends this one by SIGPIPE
		s.broken(err)
	}
}

func (s *pipe) note(format string, values ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintln(s.err, printable(fmt.Sprintf(format, values...))) // there is no other place to tell
}

func (s *pipe) ask(format string, values ...any) { s.note(format, values...) }

func (*pipe) progress(string, string) {}

func (*pipe) prompt(string) {}

func (*pipe) seen() bool { return false }

// read sends each line. It waits while much is to be delivered.
func (s *pipe) read(c *chat) {
	go func() {
		r := bufio.NewReader(s.in)
		for {
			line, err := readLine(r)
			if errors.Is(err, errLongLine) {
				c.post(func() { c.finish(&EndError{arguments.StatusFailure, err.Error()}) })
				return
			}
			if line != "" {
				sent := make(chan struct{})
				c.post(func() {
					c.write(line)
					c.lineDone = func() { close(sent) }
					c.moved()
				})
				select {
				case <-sent:
				case <-c.life.Done():
					return
				}
			}
			if err != nil {
				c.post(func() {
					c.noMore = true
					c.moved()
				})
				return
			}
		}
	}()
}

var errLongLine = fmt.Errorf("a line has more than %d bytes, the longest text", maxTextBytes)

// readLine reads a line without its end.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxTextBytes {
			return "", errLongLine
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), err
		}
	}
}
