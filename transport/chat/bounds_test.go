package chat

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAFolderTakesNoMoreFilesThanItMay(t *testing.T) {
	t.Parallel()
	service := serve(t)
	f := flags(t, service, "inbox")
	f.ReceiveFiles, f.MaxFiles = t.TempDir(), new(3)
	write(t, filepath.Join(f.ReceiveFiles, "own.txt"), nil)
	inbox, alice, carol := start(t, f, false), join(t, service, "alice"), join(t, service, "carol")
	from := t.TempDir()
	sends := func(who *somebody, name, says string) {
		write(t, filepath.Join(from, name), []byte(name))
		who.types("/send " + filepath.Join(from, name))
		who.shows(name + " " + says)
	}
	for _, who := range []*somebody{alice, carol} {
		who.types("/call inbox")
		who.shows("connected to inbox")
	}
	sends(alice, "a.txt", "has arrived")
	sends(carol, "b.txt", "has arrived")
	sends(alice, "c.txt", "is one file too many for inbox")
	inbox.shows("alice offers c.txt (5 bytes), which is declined: the folder has 3 files, and --max-files is 3")
	sends(carol, "d.txt", "is one file too many for inbox")

	// What is taken out makes room.
	if err := os.Remove(filepath.Join(f.ReceiveFiles, "a.txt")); err != nil {
		t.Fatal(err)
	}
	sends(carol, "e.txt", "has arrived")
	if got := inbox.kept(); !slices.Equal(got, []string{"b.txt", "e.txt", "own.txt"}) {
		t.Errorf("inbox has %q", got)
	}
}

// Offers that come before any byte must not all be accepted.
func TestFilesOnTheirWayCount(t *testing.T) {
	t.Parallel()
	service := serve(t)
	f := flags(t, service, "inbox")
	f.ReceiveFiles, f.MaxFiles = t.TempDir(), new(3)
	inbox, alice := start(t, f, false), join(t, service, "alice")
	alice.types("/call inbox")
	alice.shows("connected to inbox")
	alice.do(func() {
		l := alice.c.conversations["inbox"].call
		for id := range uint32(10) {
			size := int64(1000)
			l.post(fileMessage{File: "offer", ID: 1000 + id, Name: fmt.Sprint(id), Size: &size}.frame())
		}
		alice.c.conversations["inbox"].out.lastID = 2000
	})
	inbox.shows("alice offers 9 (1.0 KB), which is declined")
	accepted := 0
	inbox.do(func() {
		accepted = inbox.c.conversations["alice"].in.count(func(f *incoming) bool { return f.state == wanted })
	})
	if accepted != 3 {
		t.Errorf("%d files are accepted, want 3", accepted)
	}
}

func TestContactsAreBounded(t *testing.T) {
	t.Parallel()
	c := contacts{filepath.Join(t.TempDir(), "contacts")}
	if got, _, err := c.meet("me", "bob", "A"); got != isNew || err != nil {
		t.Fatalf("the first contact is %v, %v", got, err)
	}
	for n := range maxContacts - 1 {
		write(t, filepath.Join(c.folder, fmt.Sprint(n)), nil)
	}
	for range 2 {
		got, _, err := c.meet("me", "carol", "C")
		if got != isNew || err == nil || !strings.Contains(err.Error(), "10000 people are remembered in "+c.folder) || !strings.Contains(err.Error(), "Delete") {
			t.Errorf("one too many is %v, %v", got, err)
		}
	}
	// Who is remembered stays so, and can be verified and change.
	if got, _, err := c.meet("me", "bob", "A"); got != isKnown || err != nil {
		t.Errorf("who is remembered is %v, %v", got, err)
	}
	if err := errors.Join(c.verify("me", "bob", "A"), c.vouch("me", "bob", "A", "B"), c.accept("me", "bob", "D")); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(c.folder, "0")); err != nil {
		t.Fatal(err)
	}
	if got, _, err := c.meet("me", "carol", "C"); got != isNew || err != nil {
		t.Errorf("with room the next is %v, %v", got, err)
	}
	if got, _, err := c.meet("me", "carol", "C"); got != isKnown || err != nil {
		t.Errorf("and then %v, %v", got, err)
	}
}

func TestWhoCannotBeRememberedIsToldSo(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	if err := os.MkdirAll(bob.c.contacts.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for n := range maxContacts {
		write(t, filepath.Join(bob.c.contacts.folder, fmt.Sprint(n)), nil)
	}
	alice.types("/call bob")
	bob.shows("wants to connect")
	bob.types("/accept")
	bob.shows("what is known of alice cannot be written: 10000 people are remembered")
	bob.shows("connected to alice")
}
