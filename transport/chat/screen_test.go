package chat

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"

	"p2p-messaging/transport/internal/locked"
)

func TestALineThatComesDoesNotTearTheOneThatIsTyped(t *testing.T) {
	t.Parallel()
	keyboard, types := io.Pipe()
	var out locked.Buffer
	s := newTerminal(struct {
		io.Reader
		io.Writer
	}{keyboard, &out}, func() (width, height int, err error) { return 80, 24, nil })
	pressed := make(chan struct{}, 16)
	s.editor.AutoCompleteCallback = func(string, int, rune) (string, int, bool) {
		pressed <- struct{}{}
		return "", 0, false
	}
	line := make(chan string, 1)
	go func() {
		text, err := s.editor.ReadLine()
		if err != nil {
			t.Error(err)
		}
		line <- text
	}()
	press := func(keys string) {
		t.Helper()
		if _, err := io.WriteString(types, keys); err != nil {
			t.Fatal(err)
		}
		for range strings.TrimSuffix(keys, "\r") {
			<-pressed
		}
	}
	press("hel")
	s.said("bob", "first\x1b[2J\nsecond")
	press("lo\r")
	if got := <-line; got != "hello" {
		t.Errorf("the line is %q", got)
	}
	shown := out.String()
	at := strings.Index(shown, "first")
	if at < 0 || !strings.Contains(shown[at:], "> hel") {
		t.Errorf("the line that is typed does not come back behind the text: %q", shown)
	}
	if !strings.Contains(shown, "first<U+001B>[2J") || !strings.Contains(shown, "bob: second") {
		t.Errorf("the text is shown as %q", shown)
	}
	_ = types.Close() // a pipe does not fail
}

func TestWordsOfOthersInErrorsAreShownAsText(t *testing.T) {
	t.Parallel()
	var out, news locked.Buffer
	s := &pipe{out: &out, err: &news}
	s.note("it fails: %v", errors.New("closed with \x1b]0;x\x07"))
	s.ask("%s", "\u202e")
	if got, want := news.String(), "it fails: closed with <U+001B>]0;x<U+0007>\n<U+202E>\n"; got != want {
		t.Errorf("%q is shown, want %q", got, want)
	}
}

func TestLongLinesAreRefusedInWords(t *testing.T) {
	t.Parallel()
	r := bufio.NewReader(strings.NewReader("short\n" + strings.Repeat("x", maxTextBytes+1) + "\n"))
	if line, err := readLine(r); line != "short" || err != nil {
		t.Errorf("the first line is %q, %v", line, err)
	}
	if _, err := readLine(r); !errors.Is(err, errLongLine) {
		t.Errorf("a line that is too long: %v", err)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("hello\x1b[0m")
	f.Add("\u202e\u009b\xff\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range printable(text) {
			if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c)) {
				t.Fatalf("%q has %U in it", printable(text), c)
			}
		}
	})
}

func FuzzSafeName(f *testing.F) {
	f.Add("../a")
	f.Add("con.\u202etxt")
	f.Fuzz(func(t *testing.T, name string) {
		safe := safeName(name)
		if safe == "" || len(safe) > maxSavedBytes+1 || strings.ContainsAny(safe, "/\\:\x00") || strings.HasPrefix(safe, ".") || strings.HasSuffix(safe, ".") {
			t.Fatalf("%q becomes %q", name, safe)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(`{"version":1,"instance":"a","received":{"instance":"b","id":1}}`))
	f.Add([]byte(`{"file":"offer","id":1,"name":"a","size":1,"type":""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = parseHello(body)
		_, _ = parseFileMessage(body)
		var a assembler
		if _, text, complete, err := a.add(body); complete && err == nil && len(text) > len(body) {
			t.Fatal("a text has more than was sent")
		}
	})
}
