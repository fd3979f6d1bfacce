package chat

import (
	"strings"
	"testing"
)

func TestTwoPeopleChat(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	alice.meets(bob)
	alice.types("hello bob")
	bob.shows("alice: hello bob")
	alice.shows("✓ delivered bob")
	alice.shows("✓ read bob")
	bob.types("hello alice")
	bob.types("//call is a command")
	alice.shows("bob: hello alice")
	alice.shows("bob: /call is a command")

	long := strings.Repeat("é", 300_000)
	alice.types(long)
	if line := bob.shows("alice: é"); line != "alice: "+long {
		t.Errorf("a long text arrives in %d bytes, want %d", len(line), len("alice: "+long))
	}

	alice.types("/safety")
	bob.types("/safety")
	if a, b := digits(alice.shows("safety number")), digits(bob.shows("safety number")); a != b || len(a) != 60 {
		t.Errorf("alice sees the number %s, bob %s", a, b)
	}
	alice.types("/verify")
	alice.shows("bob is verified")
	alice.types("/who")
	alice.shows("> bob: connected, verified")

	alice.types("/bye")
	bob.shows("alice left")
	alice.meets(bob)
	alice.types("/quit")
	if err := alice.ends(); err != nil {
		t.Errorf("/quit ends with %v", err)
	}
	bob.shows("alice left")
}

// digits leaves only the digits of a text.
func digits(text string) string {
	return strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, text)
}
