package chat

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestAnIdentityIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state", "p2p-messaging", "identity.pem")
	// Several processes may begin at once.
	var made [4]identity
	var making sync.WaitGroup
	for i := range made {
		making.Go(func() {
			var err error
			if made[i], err = loadIdentity(file); err != nil {
				t.Error(err)
			}
		})
	}
	making.Wait()
	for _, one := range made {
		if one.fingerprint != made[0].fingerprint {
			t.Error("two processes have two identities")
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, want 0600 (%v)", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the identity there is %v, %v", entries, err)
	}
}

func TestAnIdentityThatIsNoneIsNotReplaced(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	good := filepath.Join(folder, "good.pem")
	if _, err := loadIdentity(good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		make func(file string)
		says string
	}{
		"open to others": {func(file string) {
			write(t, file, []byte(read(t, good)))
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
		}, "chmod 600"},
		"empty":     {func(file string) { write(t, file, nil) }, "is no identity"},
		"something": {func(file string) { write(t, file, []byte("hello")) }, "is no identity"},
		"huge":      {func(file string) { write(t, file, make([]byte, maxIdentityBytes+1)) }, "is no identity"},
		"half":      {func(file string) { write(t, file, []byte(read(t, good)[:500])) }, "is no identity"},
		"a folder": {func(file string) {
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is no identity"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(folder, name)
			c.make(file)
			if _, err := loadIdentity(file); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want %q", err, c.says)
			}
		})
	}
}

func TestAnotherCertificateIsToldBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	service := serve(t)
	bob := join(t, service, "bob")
	alice := join(t, service, "alice")
	alice.meets(bob)
	bob.types("/verify")
	bob.shows("alice is verified")
	alice.types("/quit")
	bob.shows("alice left")
	if err := alice.ends(); err != nil {
		t.Fatal(err)
	}
	bob.types("for alice only")
	bob.shows("alice is not connected")

	other := join(t, service, "Alice") // the same login with another certificate
	other.types("/call bob")
	bob.shows("Alice wants to connect")
	bob.types("/accept")
	bob.shows("Alice has another certificate than before. The one before was verified.")
	other.shows("connected to bob")
	other.types("it is me") // it waits, too
	bob.types("/verify")
	bob.shows("decide first")
	bob.types("/decline")
	other.shows("bob left")
	if shown := other.all(); strings.Contains(shown, "for alice only") || strings.Contains(shown, "✓") {
		t.Errorf("somebody else sees\n%s", shown)
	}

	other.types("/call bob")
	bob.shows("Alice wants to connect")
	bob.types("/accept")
	bob.shows("Alice has another certificate")
	bob.types("/accept")
	other.shows("bob: for alice only")
	bob.shows("Alice: it is me")
	other.shows("✓ delivered")
	bob.types("/who")
	bob.shows("connected, not verified")
}

func TestWhatIsRememberedAndCannotBeReadIsAskedAbout(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	alice.meets(bob)
	alice.types("/bye")
	bob.shows("alice left")
	write(t, bob.c.contacts.file("bob", "alice"), []byte("{"))
	alice.types("/call bob")
	bob.shows("alice wants to connect")
	bob.types("/accept")
	bob.shows("cannot be read")
	bob.types("/accept")
	bob.types("hello")
	alice.shows("bob: hello")
}

func TestAnAnnouncedCertificateIsTheSamePerson(t *testing.T) {
	t.Parallel()
	c := contacts{filepath.Join(t.TempDir(), "contacts")}
	meets := func(fingerprint string, want meeting, wantVerified bool) {
		t.Helper()
		if got, verified, err := c.meet("me", "bob", fingerprint); got != want || verified != wantVerified || err != nil {
			t.Errorf("%s is met as %v, %v, %v, want %v, %v", fingerprint, got, verified, err, want, wantVerified)
		}
	}
	meets("A", isNew, false)
	if err := c.verify("me", "bob", "A"); err != nil {
		t.Fatal(err)
	}
	meets("A", isKnown, true)
	meets("B", isChanged, true)
	if err := c.vouch("me", "bob", "X", "B"); err != nil { // not the one that is known
		t.Fatal(err)
	}
	meets("B", isChanged, true)
	if err := c.vouch("me", "bob", "A", "B"); err != nil {
		t.Fatal(err)
	}
	meets("B", isKnown, true)
	meets("A", isChanged, true)
	if got, _, _ := c.meet("me", "carol", "A"); got != isNew {
		t.Error("another login is known")
	}
}

func TestTheSafetyNumberIsThatOfThePage(t *testing.T) {
	t.Parallel()
	zeros, ones := strings.Repeat("00:", 31)+"00", strings.Repeat("FF:", 31)+"FF"
	const want = "33601 30782 42062 37031 25925 84080 12788 36382 20154 24488 26851 69276" // web/src/identity/safety.test.ts has it, too
	if got := safetyNumber(zeros, ones); got != want {
		t.Errorf("the number is %s, want %s", got, want)
	}
	if got := safetyNumber(ones, zeros); got != want {
		t.Errorf("from the other end the number is %s, want %s", got, want)
	}
}

func TestAFingerprintIsTakenOnlyWhereItLeavesNoDoubt(t *testing.T) {
	t.Parallel()
	of := func(b string) string { return strings.Repeat(b+":", 31) + b }
	line := func(hash, b string) string { return "a=fingerprint:" + hash + " " + of(b) + "\r\n" }
	for _, c := range []struct{ sdp, want string }{
		{line("sha-256", "ab"), of("AB")},
		{"m=x\r\n" + line("SHA-256", "AB") + "m=y\r\n" + line("sha-256", "ab"), of("AB")},
		{line("sha-256", "AB") + line("sha-512", "AC"), of("AB")},
		{"", ""},
		{line("sha-1", "AB"), ""},
		{line("sha-256", "AB") + line("sha-256", "AC"), ""},
		{line("sha-256", "AB") + "a=fingerprint:sha-256\r\n", ""},
		{line("sha-256", "AB") + "a=\x00fingerprint:sha-256 " + of("AC") + "\n", ""},
		{"a=fingerprint:sha-256 AB:CD\r\n", ""},
	} {
		if got := fingerprintIn(c.sdp); got != c.want {
			t.Errorf("of %q the fingerprint is %q, want %q", c.sdp, got, c.want)
		}
	}
}
