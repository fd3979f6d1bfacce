package transport_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"p2p-messaging/transport/internal/rawws"
)

var (
	placeholder = regexp.MustCompile(`<[a-z ]+>`)
	nextSecret  = regexp.MustCompile(`"resume":"([A-Za-z0-9_-]{16,128})"`)
)

// TestTheExampleOfAResumeIsTrue plays the example that messages/PROTOCOL.md has of a kept session, line by line.
func TestTheExampleOfAResumeIsTrue(t *testing.T) {
	protocol, err := os.ReadFile("../messages/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, behind, _ := strings.Cut(string(protocol), "A whole example:")
	_, behind, _ = strings.Cut(behind, "```text\n")
	example, _, found := strings.Cut(behind, "```")
	if !found {
		t.Fatal("the document has no example")
	}
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		sockets := map[string]*rawws.Conn{"alice": s.connect(t), "bob": s.login(t, "bob")}
		secrets := map[string]string{"<first secret>": "made-up-by-the-client"}
		filled := func(text string) string {
			for name, secret := range secrets {
				text = strings.ReplaceAll(text, name, secret)
			}
			return text
		}
		for line := range strings.Lines(example) {
			who, does, _ := strings.Cut(strings.TrimSpace(line), " ")
			does, text, _ := strings.Cut(does, " ")
			text = strings.TrimSpace(text)
			switch does {
			case "connects":
				sockets[who] = s.connect(t)
			case "breaks":
				sockets[who].Close()
			case "sends":
				write(t, sockets[who], rawws.Message(filled(text)))
			case "receives":
				got, err := sockets[who].ReadText()
				if err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				if name := placeholder.FindString(text); name != "" {
					given := nextSecret.FindStringSubmatch(got)
					if given == nil {
						t.Fatalf("%s received %s\nwant a secret as in %s", who, got, text)
					}
					secrets[name] = given[1]
				}
				if want := filled(text); got != want {
					t.Fatalf("%s received %s\nwant %s", who, got, want)
				}
			default:
				t.Fatalf("nobody knows what this line means: %s", line)
			}
		}
		if len(slices.Compact(slices.Sorted(maps.Values(secrets)))) != 3 {
			t.Errorf("the example has %d secrets, want three, all different", len(secrets))
		}
	})
}
