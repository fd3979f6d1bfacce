package chat

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// content returns random bytes.
func content(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it never fails
	return b
}

// kept returns the names of what is in the folder for received files.
func (s *somebody) kept() []string {
	s.t.Helper()
	entries, err := os.ReadDir(s.c.folder.root.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestFilesGoBothWaysAndOverwriteNothing(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	folder := bob.c.folder.root.Name()
	write(t, filepath.Join(folder, "notes.bin"), []byte("bob's own"))
	alice.meets(bob)
	sizes := map[string]int{"empty.bin": 0, "notes.bin": 1, "large one.bin": 3<<20 + 17}
	from := t.TempDir()
	for _, name := range []string{"empty.bin", "notes.bin", "large one.bin"} {
		write(t, filepath.Join(from, name), content(sizes[name]))
		alice.types("/send " + filepath.Join(from, name))
		bob.shows("alice offers the file " + name)
		bob.types("/accept")
		bob.shows("complete and checked")
		alice.shows(name + " has arrived, complete and checked")
	}
	if got, want := bob.kept(), []string{"empty.bin", "large one.bin", "notes (1).bin", "notes.bin"}; !slices.Equal(got, want) {
		t.Errorf("bob has %q, want %q", got, want)
	}
	if got := read(t, filepath.Join(folder, "notes.bin")); got != "bob's own" {
		t.Errorf("bob's own file is now %q", got)
	}
	for name, as := range map[string]string{"empty.bin": "empty.bin", "notes.bin": "notes (1).bin", "large one.bin": "large one.bin"} {
		if !bytes.Equal([]byte(read(t, filepath.Join(folder, as))), content(sizes[name])) {
			t.Errorf("bob's %s is not what alice sent", as)
		}
	}

	write(t, filepath.Join(from, "back.bin"), content(100_000))
	bob.types("/send " + filepath.Join(from, "back.bin"))
	alice.shows("bob offers the file back.bin (100.0 KB)")
	alice.types("/decline")
	bob.shows("back.bin was declined by alice")

	alice.types("/send " + from)
	alice.shows("is no file")
	alice.types("/send " + filepath.Join(from, "none"))
	alice.shows("no such file")
}

func TestAFolderAcceptsEveryFile(t *testing.T) {
	t.Parallel()
	service := serve(t)
	f := flags(t, service, "inbox")
	f.ReceiveFiles = t.TempDir()
	inbox, alice := start(t, f, false), join(t, service, "alice")
	alice.types("/call inbox")
	alice.shows("connected to inbox")
	from := t.TempDir()
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		write(t, filepath.Join(from, name), []byte(name))
		alice.types("/send " + filepath.Join(from, name))
	}
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		alice.shows(name + " has arrived")
		if got := read(t, filepath.Join(f.ReceiveFiles, name)); got != name {
			t.Errorf("%s is %q", name, got)
		}
	}
	inbox.shows("received c.txt from alice")
}

func TestAFolderTakesNoFileOfAnySize(t *testing.T) {
	t.Parallel()
	service := serve(t)
	f := flags(t, service, "inbox")
	f.ReceiveFiles, f.MaxFile = t.TempDir(), 1000
	inbox, alice := start(t, f, false), join(t, service, "alice")
	alice.types("/call inbox")
	alice.shows("connected to inbox")
	from := t.TempDir()
	for name, size := range map[string]int{"fits.bin": 1000, "large.bin": 1001} {
		write(t, filepath.Join(from, name), content(size))
	}
	alice.types("/send " + filepath.Join(from, "large.bin"))
	alice.shows("large.bin is too large for inbox, who takes 1.0 KB at most")
	alice.types("/send " + filepath.Join(from, "fits.bin"))
	alice.shows("fits.bin has arrived")
	// Who does not keep to the limit is refused.
	huge := int64(1 << 40)
	alice.do(func() {
		l := alice.c.conversations["inbox"].call
		alice.c.conversations["inbox"].out.lastID = 1000
		l.post(fileMessage{File: "offer", ID: 1000, Name: "huge", Size: &huge}.frame())
	})
	inbox.shows("alice offers huge (1099.5 GB), which is larger than --max-file")
	if got := inbox.kept(); !slices.Equal(got, []string{"fits.bin"}) {
		t.Errorf("inbox has %q", got)
	}
}

func TestAFileGoesOnWhereItWasWhenTheConnectionBroke(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	alice.meets(bob)
	path := filepath.Join(t.TempDir(), "large.bin")
	want := content(12 << 20)
	write(t, path, want)
	alice.types("/send " + path)
	bob.shows("offers the file large.bin")
	// The connection breaks as soon as some of the file is there.
	var in *inbox
	bob.do(func() { in = bob.c.conversations["alice"].in })
	bob.types("/accept")
	for here := int64(0); here == 0; {
		bob.do(func() {
			for _, f := range in.files {
				if here = f.received; here > 0 {
					_ = bob.c.conversations["alice"].call.connection.Close() // it was open
				}
			}
		})
	}
	bob.shows("interrupted")
	bob.shows("connected to alice again")
	bob.shows("received large.bin from alice")
	alice.shows("large.bin has arrived")
	if got := read(t, filepath.Join(bob.c.folder.root.Name(), "large.bin")); !bytes.Equal([]byte(got), want) {
		t.Error("the file is not what was sent")
	}
	if got := bob.kept(); len(got) != 1 {
		t.Errorf("more is left than the file: %q", got)
	}
}

// offersAnything: what is said to bob about files that were never offered by the rules is taken as if they were.
func (s *somebody) offersAnything() {
	s.t.Helper()
	s.do(func() { s.c.conversations["bob"].out.lastID = 1000 })
}

// accepts returns once what waits is accepted: bytes in front of that would be a breach of the protocol.
func (s *somebody) accepts() {
	s.t.Helper()
	s.types("/accept")
	s.do(func() {})
}

// call returns the open call with somebody.
func (s *somebody) call(login string) (l *call) {
	s.t.Helper()
	s.do(func() { l = s.c.conversations[login].call })
	return l
}

// lies sends a file to somebody as no honest side does: an offer with these fields, and after its acceptance other bytes and another
// checksum.
func (s *somebody) lies(to *somebody, offer fileMessage, bytes []byte, sha256 string) {
	s.t.Helper()
	l := s.call(to.c.me.Key)
	s.do(func() {
		l.post(offer.frame())
	})
	to.shows(s.c.me.Shown + " offers the file")
	to.accepts()
	s.do(func() {
		_ = l.bulk.Send(fileChunk(offer.ID, bytes)) // the other side may have ended the call
	})
	s.do(func() { l.post(fileMessage{File: "done", ID: offer.ID, SHA256: sha256}.frame()) })
	s.do(func() { _ = l.bulk.Send(fileChunk(offer.ID, nil)) })
}

func TestWhoLiesAboutAFileLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	service := serve(t)
	mallory, bob := join(t, service, "mallory"), join(t, service, "bob")
	mallory.meets(bob)
	mallory.offersAnything()
	size := func(n int64) *int64 { return &n }
	sum := strings.Repeat("0", 64)
	for i, lie := range []struct {
		name  string
		size  int64
		bytes int
		says  string
	}{
		{"more", 10, 20, "more from mallory is not what was offered"},
		{"less", 20, 10, "less from mallory is damaged"},
		{"none", 20, 0, "none from mallory is damaged"},
		{"other", 10, 10, "other from mallory is damaged"},
	} {
		bob.screen.mu.Lock()
		before := len(bob.screen.lines)
		bob.screen.mu.Unlock()
		mallory.lies(bob, fileMessage{File: "offer", ID: uint32(i + 1), Name: lie.name, Size: size(lie.size)}, make([]byte, lie.bytes), sum)
		bob.passed = before
		bob.shows(lie.says)
	}
	if left := bob.kept(); len(left) > 0 {
		t.Errorf("bob has %q", left)
	}
	mallory.types("still there")
	bob.shows("mallory: still there")
}

func TestANameLeadsNowhere(t *testing.T) {
	t.Parallel()
	service := serve(t)
	mallory, bob := join(t, service, "mallory"), join(t, service, "bob")
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, []byte("mine"))
	if err := os.Symlink(outside, filepath.Join(bob.c.folder.root.Name(), "link")); err != nil {
		t.Fatal(err)
	}
	mallory.meets(bob)
	mallory.offersAnything()
	zero := int64(0)
	empty := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for i, c := range []struct{ name, as string }{
		{"../../escaped", "_.._escaped"},
		{"/etc/passwd", "_etc_passwd"},
		{`..\..\windows`, `_.._windows`},
		{"..", "file"},
		{".bashrc", "bashrc"},
		{"link", "link (1)"},
		{"con.txt", "_con.txt"},
		{"\x1b]0;title\x07.txt", "]0;title.txt"},
		{"exe.\u202egnp", "exe.gnp"},
		{strings.Repeat("é", 1000) + ".txt", strings.Repeat("é", 98) + ".txt"},
	} {
		mallory.do(func() {
			l := mallory.c.conversations["bob"].call
			l.post(fileMessage{File: "offer", ID: uint32(i + 1), Name: c.name, Size: &zero}.frame())
		})
		bob.shows("offers the file")
		bob.accepts()
		mallory.do(func() {
			l := mallory.c.conversations["bob"].call
			l.post(fileMessage{File: "done", ID: uint32(i + 1), SHA256: empty}.frame())
			_ = l.bulk.Send(fileChunk(uint32(i+1), nil)) // bob says what has become of it
		})
		bob.shows("received " + c.as + " from mallory")
	}
	if got := read(t, outside); got != "mine" {
		t.Errorf("the file that a link leads to is now %q", got)
	}
	for _, name := range bob.kept() {
		if strings.ContainsAny(name, "/\\\x1b\u202e") || strings.HasPrefix(name, ".") {
			t.Errorf("bob has a file %q", name)
		}
	}
}

func TestTooManyOffersAreDeclined(t *testing.T) {
	t.Parallel()
	service := serve(t)
	mallory, bob := join(t, service, "mallory"), join(t, service, "bob")
	mallory.meets(bob)
	mallory.offersAnything()
	size := int64(1)
	mallory.do(func() {
		for id := range uint32(200) {
			mallory.c.conversations["bob"].call.post(fileMessage{File: "offer", ID: id + 1, Name: "f", Size: &size}.frame())
		}
	})
	mallory.types("done")
	bob.shows("mallory: done")
	if asked := strings.Count(bob.all(), "offers the file"); asked != maxOffers {
		t.Errorf("bob is asked about %d files, want %d", asked, maxOffers)
	}
	bob.types("/accept")
	bob.shows("say which one, by its number")
}

func TestFileFramesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `[]`, `{"file":"offer"}`, `{"file":"offer","id":1,"size":-1,"name":"a","type":""}`, `{"file":"offer","id":1,"size":1.5,"name":"a","type":""}`,
		`{"file":"offer","id":1,"size":9007199254740992,"name":"a","type":""}`, `{"file":"offer","id":0,"size":1,"name":"a","type":""}`,
		`{"file":"offer","id":4294967296,"size":1,"name":"a","type":""}`, `{"file":"offer","id":1,"size":1,"name":5,"type":""}`,
		`{"file":"offer","id":1,"size":1,"name":"` + strings.Repeat("x", 1025) + `","type":""}`,
		`{"file":"accept","id":1}`, `{"file":"done","id":1,"sha256":"x"}`, `{"file":"limit","bytes":-1}`, `{"file":"received"}`,
		`{"file":"limit","bytes":1,"more":"` + strings.Repeat("x", maxControlBytes) + `"}`,
	} {
		if m, err := parseFileMessage([]byte(body)); err == nil {
			t.Errorf("%.100s is read as %+v", body, m)
		}
	}
	if m, err := parseFileMessage([]byte(`{"file":"later","id":"another kind of id"}`)); err != nil || m.File != "" {
		t.Errorf("a frame of a later version: %+v, %v", m, err)
	}
}

func TestATypeHasNoParameters(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"a.html": "text/html", "a.css": "text/css", "a.png": "image/png", "a": "", "a.such-a-type-is-not-known": ""} {
		if got := typeOf(name); got != want {
			t.Errorf("the type of %s is %q, want %q", name, got, want)
		}
	}
}
